"""One client's WebSocket: reads frames and writes frames. Both directions are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from rillcast.contracts.ids import AppName, NodeId
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.identity import Client
from services.signaling.websocket.domain.flood_guard import FloodGuard, Verdict
from services.signaling.websocket.domain.frames import MAX_FRAME_BYTES
from services.signaling.websocket.domain.outgoing import Outgoing
from services.signaling.websocket.domain.socket_end import CODES, SAID_BY_SERVER, SocketEnd
from services.signaling.websocket.usecases.socket_services import SocketServices
from services.signaling.websocket.usecases.socket_sessions import SocketSessions

log = get_logger(__name__)

SEND_TIMEOUT_S = 10.0
"""In this time a client must have read enough for the next frame to be sent. By then the buffers of both machines and
64 KiB here are full of what it did not read."""


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one client may send."""

    messages_per_s: float
    message_burst: int


class WebSocketClient:
    """Lives as long as the socket. An `OpenSocket`."""

    def __init__(
        self,
        number: int,
        socket: WebSocket,
        *,
        app: AppName,
        client: Client,
        services: SocketServices,
        limits: SocketLimits,
        draining: Callable[[], bool],
    ) -> None:
        """`draining`: whether this instance goes away."""
        self.number = number
        self._socket = socket
        self._tally = services.tally
        self._limits = limits
        self._draining = draining
        self._sessions = SocketSessions(number, app, client, services, self.send)
        self._outgoing = Outgoing(services.outgoing, client.counted_as)
        self._something_waits = asyncio.Event()
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end = SocketEnd.CLIENT

    # ---- life

    async def run(self) -> SocketEnd:
        """Serve the socket until the client leaves or is sent away. Returns why it ended."""
        work = [asyncio.create_task(part) for part in (self._read(), self._write())]
        try:
            done, _ = await asyncio.wait((*work, self._closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._sessions.close(sessions_stay=self._draining())
            self._outgoing.clear()
        for ended in done:
            ended.result()
        if self._closing.done():
            await self._say_goodbye()
            return self._end
        return SocketEnd.DRAINING if self._draining() else self._end

    def send(self, frame: str) -> None:
        """Send a frame soon. A client for which more would wait than `Outgoing` takes is sent away at once."""
        if self._outgoing.add(frame):
            self._something_waits.set()
        else:
            self.close(SocketEnd.SLOW)

    def close(self, why: SocketEnd) -> None:
        """Send the client away soon. The first call counts."""
        if not self._closing.done():
            self._end = why
            self._closing.set_result(None)

    @property
    def idle(self) -> bool:
        """See `OpenSocket`."""
        return self._sessions.idle

    @property
    def sessionless(self) -> bool:
        """See `OpenSocket`."""
        return self._sessions.sessionless

    def uses(self, node: NodeId) -> bool:
        """Whether one of this socket's sessions is at that node."""
        return self._sessions.uses(node)

    def node_gone(self, node: NodeId, since: float) -> None:
        """The node died or left. `since`: when that was known."""
        self._sessions.node_gone(node, since)

    # ---- parts

    async def _say_goodbye(self) -> None:
        """The listener does not wait for a client that has stopped reading (`rillcast.runtime.http.websocket`)."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._socket.close(CODES[self._end], self._end.value)
        except (RuntimeError, TimeoutError, WebSocketDisconnect):
            log.debug("The client was gone before its socket was closed", socket=self.number)

    async def _read(self) -> None:
        guard = FloodGuard(self._limits.messages_per_s, self._limits.message_burst, asyncio.get_running_loop().time())
        # A variable here would keep the last message for as long as the client says nothing.
        while self._take(await self._socket.receive(), guard):
            pass

    def _take(self, message: Message, guard: FloodGuard) -> bool:
        """Whether the socket is read on."""
        if message["type"] == "websocket.disconnect":
            self._end = SAID_BY_SERVER.get(message.get("code", 1005), SocketEnd.CLIENT)
            return False
        text = message.get("text")
        verdict = guard.frame(asyncio.get_running_loop().time(), len(text or message.get("bytes") or ""))
        if verdict is Verdict.CLOSE:
            self.close(SocketEnd.FLOOD)
            return False
        if verdict is Verdict.DROP:
            self._tally.refused_input("flood")
        elif text is None:
            self._tally.refused_input("binary_frame")
        elif len(text) > MAX_FRAME_BYTES:
            self._tally.refused_input("too_large")
            self.close(SocketEnd.TOO_LARGE)
            return False
        else:
            self._sessions.receive(text)
        return True

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            frame = self._outgoing.first
            if frame is None:
                self._something_waits.clear()
                await self._something_waits.wait()
                continue
            late = loop.call_later(SEND_TIMEOUT_S, self.close, SocketEnd.SLOW)
            try:
                await self._socket.send_text(frame)
            except (WebSocketDisconnect, RuntimeError):
                return
            finally:
                late.cancel()
            self._outgoing.sent()
