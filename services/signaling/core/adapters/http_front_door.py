"""The way of a request from the listener to the room that answers it.

Joins go straight to their rooms. FastAPI and what it wraps around every request cost as much CPU as the join itself,
and give nothing to rooms that read their requests by themselves. Everything else goes through FastAPI.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.websockets import WebSocket

from services.signaling.core.adapters.http_headers import Asgi, Receive, Send

Scope = MutableMapping[str, Any]


class FrontDoor:
    """ASGI app. One per signaling instance."""

    def __init__(self, straight: Sequence[BaseRoute], app: Asgi) -> None:
        """`straight`: routes whose rooms need nothing of what `app` does for a request. `app` has them as well, since
        it refuses what fits their paths and nothing else of them."""
        self._straight = straight
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self._straight:
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                return await route.handle(scope, receive, send)
        return await self._app(scope, receive, send)


class Answered:
    """The end point of a route to a room that reads its requests by itself, and refuses in words of its own."""

    def __init__(self, serve: Callable[[Request], Awaitable[Response]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._serve(Request(scope, receive, send))
        await response(scope, receive, send)


class Opened:
    """The end point of a route to a room of sockets, likewise."""

    def __init__(self, serve: Callable[[WebSocket], Awaitable[None]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(WebSocket(scope, receive, send))
