"""Signaling as a process: builds the core and the rooms, and serves them on one port."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from secrets import token_bytes
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName
from rillcast.contracts.words import NodeKind
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.http.descriptors import affordable_connections
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.memory import connections_in_memory, memory_limit
from rillcast.runtime.http.places import UNFINISHED_BYTES
from rillcast.runtime.http.server import CLIENTS, HttpServer, bind
from rillcast.runtime.http.tls import TlsListener
from rillcast.runtime.process.entry import run_service
from rillcast.runtime.process.node import Node
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.config import SignalingSettings
from services.signaling.core import wire as core_room
from services.signaling.core.adapters.http_front_door import FrontDoor
from services.signaling.core.adapters.http_headers import Asgi, HttpHeaders
from services.signaling.core.adapters.kv_secret import keep_key, wait_for_key
from services.signaling.core.domain.publisher_secret import PublisherSecrets
from services.signaling.core.domain.region import parse_networks
from services.signaling.core.ports import Host
from services.signaling.hooks import wire as hooks
from services.signaling.operators import wire as operators_room
from services.signaling.pages import wire as pages
from services.signaling.rest import wire as rest
from services.signaling.rest.wire import Rest
from services.signaling.tls import wire as tls
from services.signaling.websocket import wire as websocket
from services.signaling.websocket.domain import kept_offers, outgoing
from services.signaling.websocket.domain.frames import MAX_FRAME_BYTES
from services.signaling.whip import wire as whip

log = get_logger(__name__)

OTHER_CONNECTIONS = 5_000
"""Connections for HTTP requests at one time, besides the WebSockets."""
OWN_BYTES = 130_000_000
"""Memory of a process without clients, and of the TLS handshakes that may be under way."""
SHARED_BYTES = UNFINISHED_BYTES + kept_offers.MAX_TOTAL + outgoing.MAX_TOTAL
"""What clients may fill together, whatever connections they have."""
Upkeep = Coroutine[Any, Any, None]
SETTLE_S = 5.0
"""For telling the nodes of the sessions that ended with the last sockets."""


def main() -> None:
    """Run until told to stop."""
    run_service(run, SignalingSettings)


async def run(settings: SignalingSettings) -> None:
    """Bind the port, join the cluster and serve clients until told to stop. Raises `StartError` with the setting."""
    room = room_in_memory(settings, memory_limit())
    settings = settings.model_copy(update={"max_sockets": room.sockets})
    metrics.MAX_SOCKETS.set(room.sockets)
    files = core_room.read_files(settings)
    sock = bind(settings.host, settings.port, "RILLCAST_SIGNALING_PORT", CLIENTS)
    try:
        encrypted = tls.listen(settings)
        host = (settings.host if settings.host not in ("0.0.0.0", "::") else settings.advertise_address) or "127.0.0.1"
        address = f"[{host}]" if ":" in host else host
        http_address = f"{address}:{sock.getsockname()[1]}"
        needs = (NodeKind.ORIGIN, NodeKind.EDGE)
        watches = (*needs, NodeKind.TRANSCODER)
        node = Node(settings, NodeKind.SIGNALING, http_address=http_address, needs=needs, watches=watches)
        async with node:
            service = await Signaling.build(settings, node, files, encrypted)
            limits = http_limits(settings, room.connections)
            server = HttpServer(service.asgi, sock, limits, tls=encrypted, **http_options())
            await server.start()
            node.spawn(server.run(), "public listener", finite=True)
            node.on_drain(server.take_no_more)  # clients that are told to come back are to find another instance
            node.spawn(service.keep_key(), "signing key")
            if service.upkeep is not None:  # an authority asks the listener
                node.spawn(service.upkeep, "certificate")
            log.info("Serves clients", address=node.info.http_address, **_port_of(encrypted))
            try:
                await node.until_stopped()
            finally:
                await server.stop()
                await service.core.tasks.settle(SETTLE_S)
                await service.core.tasks.close()
    finally:
        sock.close()


def _port_of(encrypted: TlsListener | None) -> dict[str, int]:
    return {} if encrypted is None else {"tls_port": encrypted.sock.getsockname()[1]}


class Room(NamedTuple):
    """How many clients may come."""

    connections: int
    sockets: int
    """Of these, how many may be WebSockets."""


def room_in_memory(settings: SignalingSettings, memory_bytes: int) -> Room:
    """What the settings allow, or what the memory does. Warns if that is less. A part is left for connections that are
    no WebSockets, so that one WebSocket too many gets as far as to be told so, also by TLS."""
    wanted = Room(settings.max_sockets + OTHER_CONNECTIONS, settings.max_sockets)
    kept = OWN_BYTES + SHARED_BYTES
    most = connections_in_memory(memory_bytes, wanted.connections, kept=kept, tls=settings.has_tls)
    if most == wanted.connections:
        return wanted
    allowed = Room(most, max(1, wanted.sockets * most // wanted.connections))
    log.warning(
        "The memory allows fewer WebSockets than the settings",
        wanted=wanted.sockets,
        allowed=allowed.sockets,
        memory_mb=memory_bytes // 1_000_000,
        tls=settings.has_tls,
    )
    return allowed


def http_limits(settings: SignalingSettings, most: int | None = None) -> HttpLimits:
    """Of the public listener. `most`: connections, if memory allows no more."""
    wanted = settings.max_sockets + OTHER_CONNECTIONS
    most = affordable_connections(wanted if most is None else min(wanted, most))
    return HttpLimits(
        connections=most,
        connections_per_address=min(settings.max_connections_per_address, most // 2),
        unlimited=parse_networks(f"{settings.trusted_proxies},{settings.unlimited_networks}"),
    )


def http_options() -> dict[str, Any]:
    """Options of the public listener. Client addresses are read by `ClientReader`, not by the server."""
    return {
        "ws_max_size": MAX_FRAME_BYTES,
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
        "proxy_headers": False,
        "server_header": False,
    }


class Signaling:
    """One running instance: the core, and the ASGI app of all rooms."""

    asgi: Asgi
    """What the listener serves. Whatever concerns every request is wrapped around this: joins do not come through
    FastAPI."""

    def __init__(
        self,
        core: core_room.Core,
        operators: operators_room.Operators,
        *,
        straight: list[BaseRoute],
        others: list[BaseRoute],
        rest: Rest,
        keep_key: Callable[[], Upkeep],
        upkeep: Upkeep | None = None,
    ) -> None:
        """`straight`: see `FrontDoor`. `keep_key`: to be run too. `upkeep`: to be
        run while the listener serves."""
        self.core = core
        self.operators = operators
        self.upkeep = upkeep
        self.keep_key = keep_key
        # Its spans would tell addresses with the secrets in them, and cost more than all the rest of a request.
        quiet: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=quiet)
        app.state.rest = rest.services
        app.add_exception_handler(HTTPException, rest.frame.answer)
        app.router.routes.extend([*straight, *others])
        self.routes = app.routes
        self.asgi = HttpHeaders(FrontDoor(straight, app), self._policy_of)

    @classmethod
    async def build(
        cls, settings: SignalingSettings, node: Host, files: core_room.Files, encrypted: TlsListener | None = None
    ) -> Signaling:
        """Build, wire and start everything but the HTTP server. Paths are tried in the order of the rooms."""
        secrets = await node.kv(subjects.BUCKET_SECRETS)
        key = await wait_for_key(secrets, node.readiness)
        core = await core_room.wire(settings, node, files, BackgroundTasks())
        operators = await operators_room.wire(core, key)
        await hooks.wire(core)
        publishers = PublisherSecrets(key, wall_clock=time.time, random_bytes=token_bytes)
        straight = [*whip.wire(core, key, publishers), *websocket.wire(core, publishers)]
        rest_room = rest.wire(core, operators)
        others = [*rest_room.routes, *pages.wire(core)]
        keep = partial(keep_key, secrets, key)
        if encrypted is None:
            return cls(core, operators, straight=straight, others=others, rest=rest_room, keep_key=keep)
        tls_room = tls.wire(settings, encrypted, secrets)
        others = [*tls_room.routes, *others]
        ways = {"straight": straight, "others": others}
        service = cls(core, operators, **ways, rest=rest_room, keep_key=keep, upkeep=tls_room.upkeep)
        service.asgi = tls.lead_from_plain_port(service.asgi, settings, encrypted)
        return service

    def _policy_of(self, app: str) -> str:
        settings = self.core.apps.settings(AppName(app))
        return "" if settings is None else settings.content_security_policy_header_value
