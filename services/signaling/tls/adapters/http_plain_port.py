"""The plain port while there is one with TLS: leads clients there, and serves those whose words cross no network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from services.signaling.core.domain.region import IpNetwork, parse_address, within
from services.signaling.tls.domain.plain_http import CHALLENGES, https_address

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class PlainPort:
    """ASGI middleware. 308 keeps method and body, so WHIP and WHEP clients that follow it arrive."""

    def __init__(self, app: Asgi, *, port: int, served: tuple[IpNetwork, ...]) -> None:
        """`port`: at which clients reach the listener with TLS. `served`: whose requests need none."""
        self._app = app
        self._port = port
        self._served = served

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or self._is_served(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._elsewhere(HTTPConnection(scope))(scope, receive, send)
        else:
            await PlainTextResponse("use wss:// here", 403)(scope, receive, send)

    def _is_served(self, scope: MutableMapping[str, Any]) -> bool:
        if scope["scheme"] in {"https", "wss"} or scope["path"].startswith(CHALLENGES):
            return True
        client = scope.get("client")
        return client is not None and within(parse_address(client[0]), self._served)

    def _elsewhere(self, request: HTTPConnection) -> Response:
        host, query = request.headers.get("host", ""), request.scope["query_string"].decode("latin-1")
        url = https_address(host, self._port, request.scope["path"], query)
        if url is None:
            return PlainTextResponse("the request's Host is no name or address", 400)
        return RedirectResponse(url, 308)
