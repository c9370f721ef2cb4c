"""The way to the sockets: not too many of one client, and not too often."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from services.signaling import metrics
from services.signaling.core.adapters.http_client_reader import ClientReader, Seen
from services.signaling.websocket.domain.newcomers import Newcomers, Refusal, TurnedAway
from services.signaling.websocket.domain.socket_end import SocketEnd

_WORDS = {
    TurnedAway.SOCKET: "too many sockets were opened from your address",
    TurnedAway.OPEN_SOCKETS: "too many sockets of your address are open",
}


class WebSocketDoor:
    """One per signaling instance."""

    def __init__(
        self, serve: Callable[[WebSocket, Seen], Awaitable[None]], clients: ClientReader, newcomers: Newcomers
    ) -> None:
        """`serve`: what is behind the door."""
        self._serve = serve
        self._clients = clients
        self._newcomers = newcomers

    async def serve(self, socket: WebSocket) -> None:
        """The ASGI endpoint. Refuses the upgrade with 429, or leaves it to the endpoint behind."""
        seen = self._clients.see(socket)
        client = seen.counted_as
        refusal = self._newcomers.enter(client, asyncio.get_running_loop().time(), shared=seen.shared)
        if refusal is not None:
            await _turn_away(socket, refusal)
            return
        try:
            await self._serve(socket, seen)
        finally:
            self._newcomers.leave(client)


async def nowhere(socket: WebSocket) -> None:
    """The ASGI endpoint of every path at which there is no socket: refuses the upgrade with 404."""
    metrics.SOCKETS_CLOSED.labels(SocketEnd.NO_SUCH_PATH.value).inc()
    await socket.send_denial_response(PlainTextResponse("there is no WebSocket at this address", 404))


async def _turn_away(socket: WebSocket, refusal: Refusal) -> None:
    metrics.RATE_LIMITED.labels(refusal.why.value).inc()
    headers = {"Retry-After": str(max(1, math.ceil(refusal.retry_after_s)))}
    await socket.send_denial_response(PlainTextResponse(_WORDS[refusal.why], 429, headers=headers))
