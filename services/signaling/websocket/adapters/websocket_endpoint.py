"""``/{app}/websocket``: lets sockets in, keeps count, and says goodbye when this instance goes away."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId
from rillcast.contracts.messages import NodeReport
from services.signaling import metrics
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.admission import Admission
from services.signaling.websocket.adapters.socket_services import SocketServices
from services.signaling.websocket.adapters.websocket_client import GOING_AWAY, WebSocketClient
from services.signaling.websocket.domain import replies

GOODBYES_PER_S = 500.0
"""``server_will_stop`` makes a client reconnect at once; this many per second, so that the others can take them."""

MOVES_PER_S = 500.0
CLIENTS_LEAVE_WITHIN_S = 2.0


class WebSocketEndpoint:
    """One per signaling instance."""

    def __init__(
        self,
        node: NodeId,
        services: SocketServices,
        clients: ClientReader,
        admission: Admission,
        *,
        max_sockets: int,
    ) -> None:
        self._node = node
        self._services = services
        self._clients = clients
        self._admission = admission
        self._max_sockets = max_sockets
        self._open: dict[int, WebSocketClient] = {}
        self._last_number = 0
        self._draining = False
        self._empty = asyncio.Event()

    @property
    def count(self) -> int:
        """Open sockets."""
        return len(self._open)

    async def serve(self, socket: WebSocket) -> None:
        """The ASGI endpoint."""
        app = AppName(socket.path_params["app"])
        try:
            self._admission.app(app)
        except RillcastError as error:
            await self._deny(socket, 404, error.message, "unknown_app")
            return
        if len(self._open) >= self._max_sockets or self._draining:
            await self._deny(socket, 503, "this instance takes no more clients", "overload")
            return
        await socket.accept()
        self._last_number += 1
        client = WebSocketClient(
            self._last_number,
            socket,
            app=app,
            client=self._clients.read(socket),
            node=self._node,
            services=self._services,
        )
        await self._run(client)

    def node_gone(self, report: NodeReport) -> None:
        """A node died or left. Its sessions move at a bounded rate, so that the others can take them."""
        loop, node = asyncio.get_running_loop(), report.info.node
        moving = [client for client in self._open.values() if client.uses(node)]
        random.shuffle(moving)
        for place, client in enumerate(moving):
            loop.call_later(place / MOVES_PER_S, client.node_gone, node)

    async def drain(self) -> None:
        """Ask every client to go elsewhere, spread over time, and close what is still open after that."""
        self._draining = True
        for client in list(self._open.values()):
            client.end_reason = "draining"
            client.send(replies.SERVER_WILL_STOP)
            await asyncio.sleep(1 / GOODBYES_PER_S)
        if self._open:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), CLIENTS_LEAVE_WITHIN_S)
        for client in list(self._open.values()):
            client.close(GOING_AWAY, "draining")

    async def _run(self, client: WebSocketClient) -> None:
        self._open[client.number] = client
        metrics.SOCKETS.inc()
        try:
            await client.run()
        finally:
            del self._open[client.number]
            if not self._open:
                self._empty.set()
            metrics.SOCKETS.dec()
            metrics.SOCKETS_CLOSED.labels(client.end_reason).inc()

    @staticmethod
    async def _deny(socket: WebSocket, status: int, message: str, reason: str) -> None:
        metrics.SOCKETS_CLOSED.labels(reason).inc()
        headers = {"Retry-After": "2"} if status == 503 else {}
        await socket.send_denial_response(PlainTextResponse(message, status, headers=headers))
