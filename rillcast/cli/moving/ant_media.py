"""An Ant Media Server that is only read, as its management panel reads it: with a session."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from rillcast.client import ClientError, NotOurs, Refused
from rillcast.client.asking import TIMEOUT_S, Asking, Query, part
from rillcast.client.paging import paged

PROXY = "/rest/v2/request"
"""Apps let only some addresses in, and the panel everywhere."""
PAGE = 50
"""What every version of it gives out at once."""
MOST_BROADCASTS = 1_000_000
Record = dict[str, Any]


class CannotRead(ClientError):
    """The old server cannot be read. The words name it."""


class AntMedia:
    """One server. Every method raises `CannotRead`."""

    def __init__(self, server: str, *, authority: Path | None = None, transport: httpx.BaseTransport | None = None):
        """`authority`: a file with the certificates that vouch for it. `transport`: what carries the requests instead
        of sockets."""
        self._ask = Asking(server, token="", session="", timeout_s=TIMEOUT_S, authority=authority, transport=transport)

    def __enter__(self) -> AntMedia:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask.close()

    @property
    def server(self) -> str:
        """Where it is: a URL without a slash at its end."""
        return self._ask.server

    def sign_in(self, email: str, password: str) -> bool:
        """Whether the name and the password are right. Some versions want the password's MD5, as their panel sends it,
        so that is tried first."""
        hashed = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
        return any(self._signed_in(email, shown) for shown in (hashed, password))

    def apps(self) -> list[str]:
        """The names of its apps, sorted."""
        names = self._read("/rest/v2/applications", dict).get("applications")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._odd("/rest/v2/applications")
        return sorted(names)

    def settings(self, app: str) -> Record:
        """What holds in an app, its secrets too."""
        return dict(self._read(f"/rest/v2/applications/settings/{part(app)}", dict))

    def broadcasts(self, app: str) -> Iterator[Record]:
        """The records of an app."""

        def page(offset: int, size: int) -> list[Record]:
            path = f"{part(app)}/rest/v2/broadcasts/list/{offset}/{size}"
            found: list[Record] = self._read(PROXY, list, query={"_path": path})
            if not all(isinstance(one, dict) and isinstance(one.get("streamId"), str) for one in found):
                raise self._odd(path)
            return found

        return paged(page, size=PAGE, most=MOST_BROADCASTS)

    def users(self) -> list[Record]:
        """Who may sign in there. Their passwords are known to nobody."""
        found = self._read("/rest/v2/user-list", list)
        return [one for one in found if isinstance(one, dict) and isinstance(one.get("email"), str)]

    def _signed_in(self, email: str, password: str) -> bool:
        path = "/rest/v2/users/authenticate"
        answer = self._asked("POST", path, body={"email": email, "password": password})
        return isinstance(answer, dict) and answer.get("success") is True

    def _read(self, path: str, kind: type[Any], *, query: Query | None = None) -> Any:
        found = self._asked("GET", path, query=query)
        if not isinstance(found, kind):
            raise self._odd(path)
        return found

    def _asked(self, method: str, path: str, *, query: Query | None = None, body: object = None) -> Any:
        try:
            return self._ask.anything(method, path, query=query, body=body)
        except NotOurs:
            raise self._odd(path) from None
        except Refused as error:
            raise CannotRead(f"{self.server} answers {error.status} to {path}: {error}") from None
        except ClientError as error:
            raise CannotRead(str(error)) from None

    def _odd(self, what: str) -> CannotRead:
        return CannotRead(f"{self.server} does not answer {what} as an Ant Media Server does")
