"""Signaling as a process: builds every part and wires them."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from fastapi import FastAPI

from rillcast.cluster.placement import Carriers, PendingJoins, Place, Placement, PlacementLimits, RegionOrder
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName, NodeId
from rillcast.contracts.messages import NodeLoad
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import NodeKind
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.http import HttpServer, bind
from rillcast.runtime.service import Node, StartError, product_version
from rillcast.runtime.service import main as run_service
from rillcast.runtime.telemetry import get_logger
from services.signaling.adapters.http_app import http_app
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.bus_joins import BusJoins
from services.signaling.core.adapters.bus_license import BusLicense
from services.signaling.core.adapters.bus_session_events import SessionEvents
from services.signaling.core.adapters.directory_audience import NodeAudience
from services.signaling.core.adapters.directory_streams import DirectoryStreams
from services.signaling.core.adapters.file_settings import open_geo_database, read_apps, read_cidr_table
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.adapters.kv_secret import wait_for_key
from services.signaling.core.domain.admission import Admission
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.geo import parse_geo_regions
from services.signaling.core.domain.ladder_outlook import LadderOutlook
from services.signaling.core.domain.node_address import address_of
from services.signaling.core.domain.region import RegionFinder, parse_networks
from services.signaling.core.ports import Host
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.metrics import PrometheusTally
from services.signaling.pages.adapters.http_pages import Pages
from services.signaling.rest.wire import wire as wire_rest
from services.signaling.websocket.adapters.socket_services import SocketLimits, SocketServices
from services.signaling.websocket.adapters.websocket_endpoint import WebSocketEndpoint
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.domain.frames import MAX_FRAME_BYTES
from services.signaling.websocket.domain.questions import Questions
from services.signaling.websocket.domain.waiting_list import WaitingList
from services.signaling.websocket.usecases.waiting_room import WaitingRoom
from services.signaling.whip.adapters.http_sessions import HttpSessionServices, Whep, Whip
from services.signaling.whip.domain.resource_url import ResourceSigner

log = get_logger(__name__)

LOAD_EVERY_S = 1.0
TOLD_WITHIN_S = 20.0
"""However many wait for a stream, the last of them is told by then."""


def main() -> None:
    """Run until told to stop."""
    run_service(run, SignalingSettings)


async def run(settings: SignalingSettings) -> None:
    """Bind, join the cluster, serve."""
    sock = bind(settings.host, settings.port, "RILLCAST_SIGNALING_PORT")
    try:
        host = (settings.host if settings.host not in ("0.0.0.0", "::") else settings.advertise_address) or "127.0.0.1"
        address = f"[{host}]" if ":" in host else host
        node = Node(settings, NodeKind.SIGNALING, http_address=f"{address}:{sock.getsockname()[1]}")
        async with node:
            service = await Signaling.build(settings, node)
            server = HttpServer(service.asgi, sock, **http_options())
            await server.start()
            log.info("Serves clients", address=node.info.http_address)
            try:
                await node.until_stopped()
            finally:
                await server.stop()
                await service.tasks.settle()
    finally:
        sock.close()


def http_options() -> dict[str, Any]:
    """Options of the public listener. Client addresses are read by `ClientReader`, not by the server."""
    return {
        "ws": "websockets-sansio",
        "ws_max_size": MAX_FRAME_BYTES,
        "ws_ping_interval": 20.0,
        "ws_ping_timeout": 20.0,
        "proxy_headers": False,
        "server_header": False,
    }


class Signaling:
    """The parts of one running instance."""

    asgi: FastAPI
    streams: DirectoryStreams
    license: BusLicense
    apps: AppCatalog

    def __init__(self, settings: SignalingSettings, node: Host, signer: ResourceSigner) -> None:
        self._settings = settings
        self._node = node
        self._signer = signer
        self._rng = random.Random()
        self._clock = asyncio.get_running_loop().time
        self.tasks = BackgroundTasks()

    @classmethod
    async def build(cls, settings: SignalingSettings, node: Host) -> Signaling:
        """Build, wire and start everything but the HTTP server."""
        key = await wait_for_key(await node.kv(subjects.BUCKET_SECRETS), node.readiness)
        service = cls(settings, node, ResourceSigner(key))
        await service._wire()
        return service

    async def _wire(self) -> None:
        settings, node = self._settings, self._node
        watch = StreamWatch(
            await node.kv(subjects.BUCKET_STREAMS, subjects.STREAM_LEASE_S),
            await node.kv(subjects.BUCKET_RENDITIONS, subjects.STREAM_LEASE_S),
            node.bus,
            self._clock,
        )
        streams = self.streams = DirectoryStreams(watch)
        catalog = self.apps = AppCatalog(settings.apps, read_apps(settings.apps_file))
        app_store = AppStore(await node.kv(subjects.BUCKET_APPS), catalog)
        broadcasts = BroadcastCatalog()
        broadcast_store = BroadcastStore(await node.kv(subjects.BUCKET_BROADCASTS), broadcasts)
        license = self.license = BusLicense(node.bus)
        carriers = Carriers()
        audience = NodeAudience(node.directory, carriers, self._clock)
        admission = Admission(catalog, streams, audience, license)
        tally = PrometheusTally()
        joins = self._joins(streams, carriers)
        events = SessionEvents()
        await events.start(node.bus, node.info.node)
        waiting = WaitingList(
            most=settings.max_waiting,
            rate_per_s=settings.streaming_started_per_s,
            longest_s=TOLD_WITHIN_S,
            rng=self._rng,
        )
        waiting_room = WaitingRoom(waiting, streams.by_key, self.tasks)
        watch.on_change(waiting_room.changed)

        def address(owner: NodeId) -> str:
            return address_of(node.directory.all(), owner)

        questions = Questions(streams, broadcasts, audience, tally, address)
        outlook = LadderOutlook(
            catalog, broadcasts, streams, lambda: bool(node.directory.placeable(NodeKind.TRANSCODER))
        )
        clients = self._clients()

        def conversation(app: AppName) -> Conversation:
            return Conversation(
                app,
                apps=catalog,
                streams=streams,
                admission=admission,
                questions=questions,
                tally=tally,
                wall_clock=time.time,
                max_streams=settings.max_streams_per_socket,
            )

        services = SocketServices(
            joins=joins,
            events=events,
            waiting_room=waiting_room,
            tasks=self.tasks,
            tally=tally,
            limits=SocketLimits(messages_per_s=settings.messages_per_s, message_burst=settings.message_burst),
            conversation=conversation,
            codecs_to_come=outlook.codecs_to_come,
            settings_of=lambda app: catalog.settings(app) or AppSettings(app_name=app),
        )
        sockets = WebSocketEndpoint(node.info.node, services, clients, admission, max_sockets=settings.max_sockets)
        http = HttpSessionServices(
            node=node.info.node,
            admission=admission,
            streams=streams,
            joins=joins,
            events=events,
            clients=clients,
            signer=self._signer,
            tally=tally,
            codecs_to_come=outlook.codecs_to_come,
            wall_clock=time.time,
        )
        rest = wire_rest(
            version=product_version(),
            clients=clients,
            allowed=parse_networks(settings.remote_allowed_cidr),
            nodes=node.directory,
            streams=streams,
            audience=audience,
            sessions=joins,
            apps=catalog,
            app_store=app_store,
            broadcasts=broadcasts,
            broadcast_store=broadcast_store,
            licenses=license,
            address_of=address,
            tally=tally,
        )
        self.asgi = http_app(sockets, (Whip(http), Whep(http)), rest, Pages(catalog))
        node.on_drain(sockets.drain)
        node.directory.on_gone(sockets.node_gone)
        for work, name in (
            (watch.run(), "stream watch"),
            (app_store.run(), "app settings"),
            (broadcast_store.run(), "broadcast settings"),
            (license.run(), "license state"),
            (self._report_load(sockets), "load"),
        ):
            node.spawn(work, name)

    def _joins(self, streams: DirectoryStreams, carriers: Carriers) -> BusJoins:
        pending = PendingJoins()
        placement = Placement(
            pending,
            order=RegionOrder.parse(self._settings.region_order),
            limits=PlacementLimits(full=self._settings.node_full),
            rng=self._rng,
        )
        return BusJoins(
            self._node.bus,
            self._node.directory,
            owner_of=streams.owner_of,
            tasks=self.tasks,
            placement=placement,
            pending=pending,
            carriers=carriers,
            clock=self._clock,
            max_opening=self._settings.max_opening,
        )

    def _clients(self) -> ClientReader:
        settings = self._settings
        try:
            geo = open_geo_database(settings.geo_database)
        except ValueError as error:
            raise StartError(f"RILLCAST_SIGNALING_GEO_DATABASE: {error}") from error
        regions = RegionFinder(
            table=read_cidr_table(settings.region_table),
            geo=geo,
            geo_regions=parse_geo_regions(settings.geo_regions),
            fallback=Place(settings.region),
        )
        return ClientReader(regions, parse_networks(settings.trusted_proxies), settings.region_header)

    async def _report_load(self, sockets: WebSocketEndpoint) -> None:
        while True:
            self._node.report_load(NodeLoad(sessions=sockets.count, loop_lag=min(1.0, self._node.loop_lag_s / 0.25)))
            await asyncio.sleep(LOAD_EVERY_S)
