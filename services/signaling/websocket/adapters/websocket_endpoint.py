"""``/{app}/websocket``: lets sockets in and keeps count."""

from __future__ import annotations

import msgspec
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from rillcast.contracts.ids import AppName
from rillcast.contracts.messages import NodeReport
from services.signaling import metrics
from services.signaling.core.adapters.http_client_reader import ClientReader, Seen
from services.signaling.core.domain.admission_rules import unknown_app
from services.signaling.core.domain.publisher_secret import COOKIE, PublisherSecrets
from services.signaling.core.ports import Apps
from services.signaling.websocket.adapters.websocket_client import SocketLimits, WebSocketClient
from services.signaling.websocket.domain.socket_end import SocketEnd
from services.signaling.websocket.usecases.open_sockets import OpenSockets
from services.signaling.websocket.usecases.socket_services import SocketServices


class WebSocketEndpoint:
    """One per signaling instance."""

    def __init__(
        self,
        services: SocketServices,
        clients: ClientReader,
        secrets: PublisherSecrets,
        apps: Apps,
        sockets: OpenSockets,
        *,
        limits: SocketLimits,
        max_sockets: int,
    ) -> None:
        self._services = services
        self._clients = clients
        self._secrets = secrets
        self._apps = apps
        self._sockets = sockets
        self._limits = limits
        self._max_sockets = max_sockets
        self._last_number = 0

    async def serve(self, socket: WebSocket, seen: Seen) -> None:
        """Behind the door. Runs as long as the socket is open, or refuses the upgrade: 404 without such an app, 503
        when there are too many sockets or this instance drains. `seen`: who has come."""
        app = AppName(socket.path_params["app"])
        if self._apps.settings(app) is None:
            await self._deny(socket, 404, unknown_app(app).message, SocketEnd.UNKNOWN_APP)
            return
        client = self._clients.read(socket, seen)
        if self._sockets.draining or not self._sockets.room(self._max_sockets, client.counted_as):
            await self._deny(socket, 503, "this instance takes no more clients", SocketEnd.OVERLOAD)
            return
        holder, cookie = self._secrets.set_cookie(
            socket.cookies.get(COOKIE, ""), path=socket.scope["path"], secure=self._clients.by_tls(socket)
        )
        await socket.accept(headers=[(b"set-cookie", cookie.encode())])
        self._last_number += 1
        opened = WebSocketClient(
            self._last_number,
            socket,
            app=app,
            client=msgspec.structs.replace(client, holder=holder),
            services=self._services,
            limits=self._limits,
            draining=lambda: self._sockets.draining,
        )
        await self._run(opened, client.counted_as)

    def node_gone(self, report: NodeReport) -> None:
        """A node died or left. Its sessions move on, spread over time."""
        self._sockets.node_gone(report.info.node)

    async def drain(self) -> None:
        """This instance goes away. Returns when every client was told and the rest is closed."""
        await self._sockets.drain()

    async def _run(self, client: WebSocketClient, counted_as: str) -> None:
        self._sockets.add(client, counted_as)
        metrics.SOCKETS.inc()
        why = SocketEnd.CLIENT
        try:
            why = await client.run()
        finally:
            self._sockets.remove(client)
            metrics.SOCKETS.dec()
            metrics.SOCKETS_CLOSED.labels(why.value).inc()

    @staticmethod
    async def _deny(socket: WebSocket, status: int, message: str, why: SocketEnd) -> None:
        metrics.SOCKETS_CLOSED.labels(why.value).inc()
        headers = {"Retry-After": "2"} if status == 503 else {}
        await socket.send_denial_response(PlainTextResponse(message, status, headers=headers))
