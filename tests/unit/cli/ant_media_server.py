"""An Ant Media Server as far as it is read when it is left: the answers are those that were recorded, and what a test
sets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import md5
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "antmedia"
EMAIL, PASSWORD = "admin@example.invalid", "Pa55-word!"
SESSION = "0123456789ABCDEF"
Answer = tuple[int, Any]


def recorded(name: str) -> Any:
    """The JSON of a recorded answer."""
    lines = map(json.loads, (VECTORS / "answers.jsonl").read_text(encoding="utf-8").splitlines())
    return next(one["json"] for one in lines if one["name"] == name)


def settings(**changed: Any) -> dict[str, Any]:
    """Those of an app of the original that nobody has touched, and what somebody has."""
    there: dict[str, Any] = json.loads((VECTORS / "app_settings.json").read_text(encoding="utf-8"))
    return there | changed


def broadcast(stream: str, **changed: Any) -> dict[str, Any]:
    """A record as the original lists it."""
    there: dict[str, Any] = recorded("b-get-s1")
    return there | {"streamId": stream, "mp4Enabled": 0, "webMEnabled": 0} | changed


@dataclass
class AntMediaServer:
    """What it has, and what it was asked."""

    apps: dict[str, dict[str, Any]] = field(default_factory=dict)
    broadcasts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hashed: bool = False
    """Whether it takes only the MD5 of the password."""
    instead: dict[str, Answer] = field(default_factory=dict)
    """Answers by path, in place of the right ones."""

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, str]:
        """Status, JSON or text, and the session that begins."""
        url = urlsplit(target)
        self.asked.append(f"{method} {target}")
        if url.path in self.instead:
            return (*self.instead[url.path], "")
        if url.path == "/rest/v2/users/authenticate":
            return self._authenticate(json.loads(body))
        shown = SimpleCookie(headers.get("cookie", "")).get("JSESSIONID")
        if method != "GET" or shown is None or shown.value != SESSION:
            return 403, "Not authenticated user", ""
        return (*self._read(url.path, parse_qs(url.query)), "")

    def _authenticate(self, posted: dict[str, str]) -> tuple[int, Any, str]:
        right = {md5(PASSWORD.encode(), usedforsecurity=False).hexdigest(), *(() if self.hashed else (PASSWORD,))}
        if posted == {"email": EMAIL, "password": posted["password"]} and posted["password"] in right:
            return 200, recorded("auth-plaintext-password"), SESSION
        return 200, {"success": False, "message": None, "dataId": None, "errorId": 0}, ""

    def _read(self, path: str, query: dict[str, list[str]]) -> Answer:
        if path == "/rest/v2/applications":
            return 200, {"applications": [*self.apps]}
        if path == "/rest/v2/user-list":
            return 200, recorded("user-list-1")
        if path.startswith("/rest/v2/applications/settings/"):
            return 200, self.apps[unquote(path.rpartition("/")[2])]
        if path == "/rest/v2/request":
            app, _, rest = query["_path"][0].partition("/")
            if rest.startswith("rest/v2/broadcasts/list/"):
                offset, size = map(int, rest.split("/")[-2:])
                return 200, self.broadcasts.get(app, [])[offset : offset + min(size, 50)]
        return 404, "Not Found"
