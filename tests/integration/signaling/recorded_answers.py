"""Asks Rillcast what a real Ant Media Server was asked, and compares the answers: see `tests/vectors/antmedia`."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

VECTORS = Path(__file__).parents[2] / "vectors" / "antmedia"
WHOLE_SETTINGS = "(settings object, 183 keys)"
JSON = "application/json"
Before = Callable[[httpx.AsyncClient], Awaitable[None]]
"""What the original was asked in between, as far as an answer hangs on it."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One request with the answer of the original."""

    name: str
    method: str
    path: str
    status: int
    sess: str = ""
    body: Any = None
    type: str = ""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    json: Any = msgspec.UNSET
    text: str | None = None
    error_page: str = msgspec.field(default="", name="errorPage")
    volatile: list[str] = msgspec.field(default_factory=list)


def recorded() -> list[Recorded]:
    """All of them, in the order in which they were asked."""
    lines = (VECTORS / "answers.jsonl").read_text().splitlines()
    return [msgspec.json.decode(line, type=Recorded) for line in lines]


def differences() -> dict[str, str]:
    """Why a request is answered otherwise, by its name."""
    groups = tomllib.loads((VECTORS / "differences.toml").read_text())
    return {name: group["why"] for group in groups.values() for name in group["names"]}


async def ask(http: httpx.AsyncClient, request: Recorded, shown: str = "") -> httpx.Response:
    """Ask it once. A path is sent as it was written, with its escapes. `shown`: in ``Authorization``, if anything."""
    options: dict[str, Any] = {}
    shows = {"Authorization": shown} if shown else {}
    body = request.body
    if body == WHOLE_SETTINGS:
        app = request.path.rpartition("/")[2]
        body = (await http.get(f"/rest/v2/applications/settings/{app}")).json()
    match body:
        case None:
            pass
        case str():
            options = {"content": body.encode(), "headers": {"Content-Type": JSON}}
        case [[_, _, _, _], *_]:
            options = {"files": [(field, (name, b"x" * size, kind)) for field, name, kind, size in body]}
        case _:
            options = {"content": json.dumps(body).encode(), "headers": {"Content-Type": JSON}}
    options["headers"] = shows | options.get("headers", {})
    return await http.request(request.method, request.path, **options)


def unlike(request: Recorded, answer: httpx.Response, *, shape: bool) -> str:
    """In what an answer is unlike the recorded one; empty if in nothing. `shape`: values may be others."""
    if answer.status_code != request.status:
        return f"status {answer.status_code} instead of {request.status}: {answer.text[:200]}"
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if request.type and media_type != request.type:
        return f"{media_type or 'no type'} instead of {request.type}"
    for name, value in request.headers.items():
        if answer.headers.get(name) != value:
            return f"{name}: {answer.headers.get(name)} instead of {value}"
    if request.type != JSON or request.text is not None:
        return ""
    expected: Any = [] if request.json is msgspec.UNSET else request.json
    found = answer.json()
    for path in request.volatile:
        _blank(expected, path)
        _blank(found, path)
    if isinstance(expected, dict) and "__keys__" in expected:
        return _unlike_keys(set(expected["__keys__"]), found)
    return next(_unlike_values(expected, found, "", shape=shape), "")


def _unlike_keys(expected: set[str], found: Any) -> str:
    missing, more = sorted(expected - set(found)), sorted(set(found) - expected)
    return f"keys: {missing} are missing, {more} are more" if missing or more else ""


def _unlike_values(expected: Any, found: Any, at: str, *, shape: bool) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        if words := _unlike_keys(set(expected), found):
            yield f"{at or 'the answer'}: {words}"
        for key in expected.keys() & found.keys():
            yield from _unlike_values(expected[key], found[key], f"{at}.{key}", shape=shape)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found) and not shape:
            yield f"{at or 'the answer'}: {len(found)} items instead of {len(expected)}"
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from _unlike_values(one, other, f"{at}[{index}]", shape=shape)
    elif shape and expected is not None and found is not None:
        if _kind(expected) != _kind(found):
            yield f"{at or 'the answer'}: {found!r} is of another type than {expected!r}"
    elif not shape and (expected != found or _kind(expected) != _kind(found)):
        yield f"{at or 'the answer'}: {found!r} instead of {expected!r}"


def _kind(value: Any) -> str:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def _blank(value: Any, path: str) -> None:
    """Empty what lies at a path like ``.date``, ``[].date`` or ``[].list[].id``."""
    step = "[]" if path.startswith("[]") else re.findall(r"\.[^.\[]+", path)[0]
    rest = path[len(step) :]
    if step == "[]":
        for one in value if isinstance(value, list) else ():
            _blank(one, rest)
    elif isinstance(value, dict) and step[1:] in value:
        if rest:
            _blank(value[step[1:]], rest)
        else:
            value[step[1:]] = None
