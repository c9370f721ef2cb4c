"""Builds the room of the REST API."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import NamedTuple

from starlette.routing import BaseRoute

from rillcast.contracts.words import LogLevel
from rillcast.runtime.http.hosts import host_of
from rillcast.runtime.process.version import product_version
from rillcast.runtime.telemetry.logs import OWN_LEVELS, kept_log
from rillcast.runtime.wall_clock import wall_ms
from services.signaling.core.domain.region import parse_networks
from services.signaling.core.wire import Core
from services.signaling.operators.wire import Operators
from services.signaling.rest.adapters.bus_previews import BusPreviews
from services.signaling.rest.adapters.bus_traces import BusTraces
from services.signaling.rest.adapters.event_route import event_route
from services.signaling.rest.adapters.http_frame import Frame
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.http_proxy import ProxyRoute
from services.signaling.rest.adapters.http_routes import RestServices
from services.signaling.rest.adapters.live_route import live_route
from services.signaling.rest.adapters.preview_route import preview_route
from services.signaling.rest.adapters.psutil_machine import PsutilMachine
from services.signaling.rest.adapters.rest_api import rest_api
from services.signaling.rest.adapters.setting_meanings import meanings
from services.signaling.rest.adapters.tables import TABLES
from services.signaling.rest.domain.server_settings import ServerSettings
from services.signaling.rest.usecases.applications import Applications
from services.signaling.rest.usecases.backups import Backups
from services.signaling.rest.usecases.broadcast_figures import BroadcastFigures
from services.signaling.rest.usecases.broadcast_media import BroadcastMedia
from services.signaling.rest.usecases.broadcast_removal import BroadcastRemoval
from services.signaling.rest.usecases.broadcasts import Broadcasts
from services.signaling.rest.usecases.cluster import Cluster
from services.signaling.rest.usecases.document import Document
from services.signaling.rest.usecases.histories import Histories
from services.signaling.rest.usecases.license import License
from services.signaling.rest.usecases.live_feed import LiveFeed
from services.signaling.rest.usecases.live_looks import LiveLooks
from services.signaling.rest.usecases.live_world import LiveWorld
from services.signaling.rest.usecases.node_book import NodeBook
from services.signaling.rest.usecases.node_drains import NodeDrains
from services.signaling.rest.usecases.own_account import OwnAccount
from services.signaling.rest.usecases.player_reports import PlayerReports
from services.signaling.rest.usecases.previews import Previews
from services.signaling.rest.usecases.product import Product
from services.signaling.rest.usecases.push_notifications import PushNotifications
from services.signaling.rest.usecases.servers import Servers
from services.signaling.rest.usecases.session_list import SessionList
from services.signaling.rest.usecases.setting_reference import SettingReference
from services.signaling.rest.usecases.shown_broadcasts import ShownBroadcasts
from services.signaling.rest.usecases.subscribers import Subscribers
from services.signaling.rest.usecases.subtracks import Subtracks
from services.signaling.rest.usecases.system import System
from services.signaling.rest.usecases.tokens import Tokens
from services.signaling.rest.usecases.trace_list import TraceList
from services.signaling.rest.usecases.users import Users
from services.signaling.rest.usecases.vods import Vods

EVERYBODY = "0.0.0.0/0,::/0"
ANYBODY = "0.0.0.0/0"
"""The same in Ant Media's words."""


class Rest(NamedTuple):
    """What the room gives to the process."""

    routes: list[BaseRoute]
    services: RestServices
    frame: Frame
    """Answers what no route of any room does."""


def wire(core: Core, operators: Operators) -> Rest:
    """Build the room and say where it is reached."""
    version, streams, licenses = product_version(), core.streams, core.license
    document, book, clock = Document(), NodeBook(core.host.directory, time.time), asyncio.get_running_loop().time
    machine = PsutilMachine()
    histories = Histories(
        machine, streams, core.audience, apps=core.apps.names, answer_s=core.servers.answer_s, clock=clock
    )
    core.host.spawn(histories.run(), "histories")
    resources = (
        Product(version),
        Cluster(version, core.host.directory, streams, core.audience, licenses, book=book, servers=core.servers),
        NodeDrains(core.host.directory, core.nodes),
        License(licenses),
        System(
            core.host.info.node,
            version,
            machine,
            histories,
            streams=streams,
            audience=core.audience,
            apps=core.apps,
            licenses=licenses,
            log=kept_log(),
            clock=clock,
        ),
        Servers(core.servers, partial(_held, core)),
        Applications(
            core.apps,
            core.app_store,
            streams,
            core.audience,
            end=core.app_end,
            records=core.app_records,
            known=core.broadcasts,
        ),
        *_broadcasts(core),
        Vods(),
        PushNotifications(),
        PlayerReports(clock),
        Users(operators.accounts, operators.hashes, operators.sign_in),
        OwnAccount(operators.accounts, operators.sign_in),
        SettingReference(meanings()),
        Tokens(core.tokens, core.apps, core.grants),
        Subscribers(core.subscribers, core.connections, core.apps, core.grants, core.address_of),
        SessionList(core.happens.history, core.grants.alive, core.happens.feed.check_begun),
        TraceList(core.host.directory, BusTraces(core.host.bus)),
        document,
    )
    allowed = parse_networks(core.settings.remote_allowed_cidr)
    gate = Gate(
        core.clients,
        core.apps,
        allowed=allowed,
        doorkeeper=operators.doorkeeper,
        arrival=operators.arrival,
        hosts=partial(_hosts, core, operators),
    )
    live = _live(core, book, version)
    routes, document.described, document.of_apps, document.of_server = rest_api(version, TABLES)
    services = RestServices(gate, core.tally, {type(one): one for one in resources})
    frame = Frame(gate)
    events = event_route(gate, core.tally, core.clients, core.happens.feed)
    feed = live_route(gate, core.tally, core.clients, live)
    pictures = Previews(core.host.directory.placeable, streams.published, BusPreviews(core.host.bus).ask, clock)
    own = (events, feed, preview_route(gate, core.tally, pictures))
    return Rest([ProxyRoute(gate, frame), *own, *routes], services, frame)


def _live(core: Core, book: NodeBook, version: str) -> LiveFeed:
    """What consoles are shown, hooked into the node's life."""
    directory, history = core.host.directory, core.happens.history
    world = LiveWorld(book, directory, core.streams, core.audience, wall_ms)
    live = LiveFeed(
        world,
        LiveLooks(world, history, core.nodes.look),
        history,
        core.tasks,
        most=core.settings.max_consoles,
        version=version,
        alive=core.grants.alive,
        note=core.servers.note,
        clock=asyncio.get_running_loop().time,
        wall_ms=wall_ms,
    )
    core.happens.feed.on_happened(live.happened)
    directory.on_gone(live.node_changed)
    core.host.on_drain(live.end)
    core.host.spawn(live.run(), "live feed")
    return live


def _hosts(core: Core, operators: Operators) -> frozenset[str]:
    """The names under which sessions hold: those of the settings, and what operators call the server."""
    name = host_of(core.servers.record.server_name)
    return operators.hosts | {name} if name else operators.hosts


def _held(core: Core, server_name: str, level: LogLevel | None) -> ServerSettings:
    """The settings of the servers as they hold here."""
    settings, license = core.settings, core.license.status
    return ServerSettings(
        allowed_dashboard_cidr=ANYBODY if settings.remote_allowed_cidr == EVERYBODY else settings.remote_allowed_cidr,
        host_address=core.host.info.http_address.rpartition(":")[0].strip("[]") or "127.0.0.1",
        server_name=server_name,
        licence_key="" if license is None or license.community else license.license_id,
        log_level=level or OWN_LEVELS[settings.log_level],
        node_group=settings.region or "default",
        default_http_port=settings.port,
        jwt_server_control_enabled=settings.jwt_server_control_enabled,
        jwks_url=settings.jwt_server_jwks_url,
        ssl_enabled=settings.has_tls,
    )


def _broadcasts(core: Core) -> tuple[object, ...]:
    streams, known, store = core.streams, core.broadcasts, core.broadcast_store
    shown = ShownBroadcasts(
        streams=streams, known=known, lives=core.broadcast_life, audience=core.audience, address_of=core.address_of
    )
    removal = BroadcastRemoval(
        streams=streams, known=known, store=store, sessions=core.nodes, nodes=core.host.directory
    )
    own_address = core.host.info.http_address.rpartition(":")[0].strip("[]")
    return (
        Broadcasts(streams=streams, known=known, shown=shown, store=store, own_address=own_address),
        removal,
        BroadcastFigures(streams=streams, shown=shown, audience=core.audience),
        BroadcastMedia(shown, removal),
        Subtracks(streams=streams, known=known, shown=shown, store=store),
        Backups(streams, known, store),
    )
