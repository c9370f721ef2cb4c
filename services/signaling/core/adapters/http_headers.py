"""Headers that answers get: CORS as Ant Media's for WHIP, WHEP, the REST of apps and reports of players, the policy
that an app sets, and for all what browsers need to be kept safe.

No other path may be read by pages of other sites: the REST of the management least of all (decision 0050).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

METHODS = "GET, POST, HEAD, OPTIONS, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Accept, Origin, X-Requested-With, Content-Type, Authorization, If-Match"
EXPOSED = "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After, WWW-Authenticate"
MAX_AGE_S = 1_800
_SAFE = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
"""In every answer, unless it says otherwise by itself."""


class HttpHeaders:
    """ASGI middleware. Answers no request itself. Writes paths of WHIP, WHEP and REST as their routes have them."""

    def __init__(self, app: Asgi, policy_of: Callable[[str], str] = lambda app: "") -> None:
        """`policy_of`: the ``Content-Security-Policy`` that an app of this name wants in every answer below its path,
        printable; empty = none, or no such app."""
        self._app = app
        self._policy_of = policy_of

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope["path"] = plain_path(scope["path"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                headers += [header for header in _SAFE if header[0] not in names]
                if policy := self._policy_of(scope["path"].partition("/")[2].partition("/")[0]):
                    headers.append((b"content-security-policy", policy.encode("ascii", "ignore")))
                if scope["path"].startswith(_MANAGEMENT):
                    headers.append((b"x-frame-options", b"DENY"))
                elif any(name == b"origin" for name, _ in scope["headers"]):
                    _allow_origin(MutableHeaders(raw=headers), scope)
            await send(message)

        return await self._app(scope, receive, send_with_headers)


def plain_path(path: str) -> str:
    """The path as its route has it. People type a slash at the end of WHIP's and WHEP's, and programs put one between
    an address that ends in a slash and a path. Those of REST may have one slash at the end. All others stay as they
    are."""
    parts = path.split("/")
    if path.startswith(_MANAGEMENT) or parts[2:3] == _REST:
        return path[:-1] if path.endswith("/") else path
    segments = [segment for segment in parts if segment]
    return "/" + "/".join(segments) if segments[1:2] in _JOINS and len(segments) > 2 else path


_JOINS = (["whip"], ["whep"])
_REST = ["rest"]
_REPORTS = ["analytic"]
_MANAGEMENT = "/rest/"


def _allow_origin(headers: MutableHeaders, scope: MutableMapping[str, Any]) -> None:
    """Below ``/{app}/whip``, ``/{app}/whep``, ``/{app}/rest`` and ``/{app}/analytic``, whose clients show what they
    know and no cookie."""
    below = scope["path"].split("/")[2:3]
    if below in (_REST, _REPORTS) or below in _JOINS:
        headers["Access-Control-Allow-Origin"] = "*"
    if below not in _JOINS:
        return
    headers["Access-Control-Expose-Headers"] = EXPOSED
    if scope["method"] == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = METHODS
        headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
