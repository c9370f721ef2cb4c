"""Builds the core: what every room is given by its own `wire`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec

from rillcast.cluster.placement import Carriers, PendingJoins, Place, Placement, PlacementLimits, RegionOrder
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts import permissions, subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import NodeKind
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.errors import StartError
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.bus_admission import BusAdmission
from services.signaling.core.adapters.bus_guesses import BusGuesses
from services.signaling.core.adapters.bus_license import BusLicense
from services.signaling.core.adapters.bus_media_nodes import BusMediaNodes
from services.signaling.core.adapters.bus_reservations import BusReservations
from services.signaling.core.adapters.bus_session_events import BusSessionEvents
from services.signaling.core.adapters.directory_nodes import follow_nodes
from services.signaling.core.adapters.directory_streams import DirectoryStreams
from services.signaling.core.adapters.file_tables import read_apps, read_cidr_table
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.adapters.http_webhook import HttpWebhook
from services.signaling.core.adapters.maxmind_geo import open_geo_database
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.core.domain.geo import parse_geo_regions
from services.signaling.core.domain.node_address import address_of
from services.signaling.core.domain.region import CidrTable, GeoLookup, RegionFinder, parse_networks
from services.signaling.core.ports import Host, Tally
from services.signaling.core.usecases.admission import Admission, AskingCheck, LocalChecks
from services.signaling.core.usecases.admitted_sessions import AdmittedSessions
from services.signaling.core.usecases.app_end import AppEnd, AppRecords
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.core.usecases.broadcast_life import BroadcastLife
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.core.usecases.change_rate import ChangeRate
from services.signaling.core.usecases.connection_log import ConnectionLog
from services.signaling.core.usecases.events import Events
from services.signaling.core.usecases.grants import Grants
from services.signaling.core.usecases.held_locks import OneTimeTokens, SubscriberCodes
from services.signaling.core.usecases.join_rate import JoinRate
from services.signaling.core.usecases.joins import Joins
from services.signaling.core.usecases.ladder_outlook import LadderOutlook
from services.signaling.core.usecases.ladder_store import LadderStore
from services.signaling.core.usecases.limit_reservations import LimitReservations
from services.signaling.core.usecases.limits import Limits
from services.signaling.core.usecases.node_arrival import NodeArrival
from services.signaling.core.usecases.noted_joins import NotedJoins
from services.signaling.core.usecases.server_store import ServerStore
from services.signaling.core.usecases.subscriber_store import SubscriberStore
from services.signaling.core.usecases.token_store import TokenStore
from services.signaling.core.usecases.webhook_lock import WebhookLock
from services.signaling.metrics import PrometheusTally

Read = TypeVar("Read")
LOAD_AGAIN_S = 1.0
_BY_APP = (
    subjects.BUCKET_BROADCASTS,
    subjects.BUCKET_TOKENS,
    subjects.BUCKET_SUBSCRIBERS,
    subjects.BUCKET_CONNECTIONS,
)
"""Buckets in which keys begin with the name of an app, and stay when it is gone."""


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that rooms share. One per signaling instance."""

    settings: SignalingSettings
    host: Host
    tasks: BackgroundTasks
    watch: StreamWatch
    streams: DirectoryStreams
    apps: AppCatalog
    app_store: AppStore
    app_end: AppEnd
    app_records: AppRecords
    ladder_store: LadderStore
    broadcasts: BroadcastCatalog
    broadcast_store: BroadcastStore
    broadcast_life: BroadcastLife
    license: BusLicense
    audience: Carriers
    admission: Admission
    clients: ClientReader
    nodes: BusMediaNodes
    events: BusSessionEvents
    happens: Events
    joins: Joins
    tokens: TokenStore
    subscribers: SubscriberStore
    connections: ConnectionLog
    grants: Grants
    webhook: HttpWebhook
    servers: ServerStore
    tally: Tally
    changes: ChangeRate
    outlook: LadderOutlook
    address_of: Callable[[NodeId], str]
    """A node's address for other nodes; empty when it isn't there any more."""


async def wire(settings: SignalingSettings, host: Host, files: Files, tasks: BackgroundTasks) -> Core:
    """Build everything and start what runs beside the rooms."""
    clock = asyncio.get_running_loop().time
    watch = StreamWatch(
        await host.kv(subjects.BUCKET_STREAMS, subjects.STREAM_LEASE_S),
        await host.kv(subjects.BUCKET_RENDITIONS, subjects.STREAM_LEASE_S),
        host.bus,
        clock,
        kept_from_writing=host.directory.kept_from_writing,
        confirms=True,
    )
    streams, broadcasts, audience = DirectoryStreams(watch), BroadcastCatalog(), Carriers()
    apps = AppCatalog(settings.apps, files.apps, server_secret=_server_secret(settings))
    license, nodes = BusLicense(host.bus), BusMediaNodes(host.info.node, host.bus, host.directory)
    access = await _access(settings, host, nodes, tasks, apps=apps)
    outlook = LadderOutlook(apps, broadcasts, streams, lambda: bool(host.directory.placeable(NodeKind.TRANSCODER)))
    rate = ClientRate(settings.joins_per_s_per_address, settings.join_burst_per_address)
    join_rate = JoinRate(rate, streams, parse_networks(settings.unlimited_networks), clock)
    limits, instances = Limits(streams, audience, broadcasts, clock), BusReservations(host.bus)
    reservations = _reservations(host, limits, instances, nodes, apps=apps, tasks=tasks)
    events = BusSessionEvents(access.grants.closed, reservations.changed)
    happens = Events.build(host.journal(permissions.JOURNALS[0]), host, watch, access.grants.subscriber_of)
    for hears_first in (access.connections.measured, happens.joins.changed, happens.traces.changed):
        events.hear_first(hears_first)
    for hears in (happens.joins.over, happens.traces.over, limits.over, reservations.over):
        access.grants.on_over(hears)
    checks = LocalChecks(license, time.time, subscribers=access.subscribers, broadcasts=broadcasts, limits=limits)
    admission = Admission(
        apps,
        checks.in_order,
        (*access.asking(clock), reservations),
        streams=streams,
        grants=access.grants,
        rate=join_rate,
        most_asking=settings.max_admitting,
        timeout_s=settings.admission_timeout_s,
    )
    ladders = LadderStore(await host.kv(subjects.BUCKET_LADDERS), apps)
    broadcast_store = BroadcastStore(await host.kv(subjects.BUCKET_BROADCASTS), broadcasts)
    life = BroadcastLife(streams, broadcasts, broadcast_store)
    watch.on_change(life.changed)
    admission.on_refused(happens.joins.refused)
    core = Core(
        settings=settings,
        host=host,
        tasks=tasks,
        watch=watch,
        streams=streams,
        apps=apps,
        app_store=AppStore(await host.kv(subjects.BUCKET_APPS), apps, ladders.changed),
        app_end=AppEnd(apps, streams, nodes, host.directory),
        app_records=AppRecords([await host.kv(bucket) for bucket in _BY_APP]),
        ladder_store=ladders,
        broadcasts=broadcasts,
        broadcast_store=broadcast_store,
        broadcast_life=life,
        license=license,
        audience=audience,
        admission=admission,
        clients=_clients(settings, files),
        nodes=nodes,
        events=events,
        happens=happens,
        joins=_joins(
            settings,
            host,
            nodes,
            tasks,
            access.grants,
            apps=apps,
            outlook=outlook,
            streams=streams,
            carriers=audience,
            happens=happens,
        ),
        tokens=access.tokens,
        subscribers=access.subscribers,
        connections=access.connections,
        grants=access.grants,
        webhook=access.webhook,
        servers=ServerStore(await host.kv(subjects.BUCKET_SERVER)),
        tally=PrometheusTally(),
        changes=ChangeRate(ClientRate(settings.changes_per_s_per_address, settings.change_burst_per_address), clock),
        outlook=outlook,
        address_of=lambda node: address_of(host.directory.all(), node),
    )
    core.app_store.on_gone(lambda app: tasks.queue(core.app_end.watch(app), "end of an app"))
    host.directory.on_back(core.joins.node_back)
    await _known_before_anybody_comes(core)
    await instances.start(host.info.node, reservations)
    await _run(core, access)
    return core


def _reservations(
    host: Host, limits: Limits, bus: BusReservations, nodes: BusMediaNodes, *, apps: AppCatalog, tasks: BackgroundTasks
) -> LimitReservations:
    return LimitReservations(
        host.info.node,
        limits,
        apps=apps,
        reports=host.directory,
        instances=bus,
        sessions=nodes,
        tasks=tasks,
        clock=asyncio.get_running_loop().time,
    )


async def _run(core: Core, access: _Access) -> None:
    host = core.host
    await core.events.start(host.bus, host.info.node)
    sessions = AdmittedSessions(core.joins, core.events, core.grants.placed)
    await BusAdmission(host.info.node, core.admission, sessions, core.streams).start(host.bus)
    host.spawn(core.watch.run(), "stream watch")
    host.spawn(core.app_store.run(), "app settings")
    host.spawn(core.ladder_store.run(), "ladders")
    host.spawn(core.broadcast_store.run(), "broadcast settings")
    host.spawn(core.broadcast_life.run(), "status of broadcasts")
    host.spawn(core.license.run(), "license state")
    host.spawn(core.servers.run(), "server settings")
    core.happens.run(host)
    access.run(host)


class _Access(msgspec.Struct, frozen=True, kw_only=True):
    """What admission asks besides memory, and what is held for those who were let in."""

    tokens: TokenStore
    subscribers: SubscriberStore
    connections: ConnectionLog
    grants: Grants
    codes: SubscriberCodes
    webhook: HttpWebhook

    def asking(self, clock: Callable[[], float]) -> tuple[AskingCheck, ...]:
        """The checks that ask somebody, the cheapest first. `clock`: monotonic seconds."""
        return (
            OneTimeTokens(self.tokens, self.grants),
            self.codes,
            WebhookLock(self.webhook, clock),
        )

    def run(self, host: Host) -> None:
        """Start what goes on beside admission."""
        host.spawn(self.tokens.run(), "tokens")
        host.spawn(self.subscribers.run(), "subscribers")
        host.spawn(self.connections.run(), "connections of subscribers")
        host.spawn(self.grants.run(), "holds")
        host.spawn(self.webhook.keep_open(), "webhooks")


async def _access(
    settings: SignalingSettings, host: Host, nodes: BusMediaNodes, tasks: BackgroundTasks, *, apps: AppCatalog
) -> _Access:
    """Build it, and hook it into the node's life."""
    tokens = TokenStore(await host.kv(subjects.BUCKET_TOKENS))
    subscribers = SubscriberStore(await host.kv(subjects.BUCKET_SUBSCRIBERS))
    grants = Grants(
        host.info.node,
        host.info.incarnation,
        nodes=host.directory,
        sessions=nodes,
        tasks=tasks,
        ledgers=(tokens, subscribers),
    )
    host.directory.on_gone(grants.node_gone)
    subscribers.on_change(grants.subscriber_changed)
    bucket = await host.kv(subjects.BUCKET_CONNECTIONS, subjects.CONNECTIONS_KEPT_S)
    connections = ConnectionLog(bucket, apps, lambda node: address_of(host.directory.all(), node), tasks)
    grants.add_ledger(connections)
    grants.on_connected(connections.connected)
    guesses = BusGuesses(host.bus, host.info.node, tasks)
    codes = SubscriberCodes(subscribers, grants, asyncio.get_running_loop().time, guesses.tell)
    await guesses.start(codes.heard)
    return _Access(
        tokens=tokens,
        subscribers=subscribers,
        connections=connections,
        grants=grants,
        codes=codes,
        webhook=HttpWebhook(parse_networks(settings.webhook_refused_cidr)),
    )


async def _known_before_anybody_comes(core: Core) -> None:
    """Without what the store says of an app, its defaults would hold: it would be open. This node is not ready before,
    and waits for the store."""
    while True:
        try:
            for store in (core.app_store, core.broadcast_store, core.subscribers):
                await store.load()
        except RillcastError as error:
            core.host.readiness.set("settings", False, error.message)
            await asyncio.sleep(LOAD_AGAIN_S)
        else:
            core.host.readiness.set("settings", True)
            return


def _joins(
    settings: SignalingSettings,
    host: Host,
    nodes: BusMediaNodes,
    tasks: BackgroundTasks,
    grants: Grants,
    *,
    apps: AppCatalog,
    outlook: LadderOutlook,
    streams: DirectoryStreams,
    carriers: Carriers,
    happens: Events,
) -> Joins:

    def origin_gone(report: NodeReport) -> None:
        if report.info.kind is NodeKind.ORIGIN and host.directory.has_ended(report.info):
            streams.owner_ended(report.info.node)

    host.directory.on_gone(origin_gone)
    pending = PendingJoins()
    placement = Placement(
        pending,
        order=RegionOrder.parse(settings.region_order),
        limits=PlacementLimits(full=settings.node_full),
        rng=random.Random(),
        carriers=carriers,
    )
    follow_nodes(placement, host.directory, asyncio.get_running_loop().time)
    return NotedJoins(
        host.info.node,
        nodes,
        host.directory,
        apps=apps,
        outlook=outlook,
        owner_of=streams.owner_of,
        ownerless_claim=streams.ownerless_claim,
        placement=placement,
        pending=pending,
        arrival=NodeArrival(wait_s=settings.node_wait_s, most=settings.max_node_waits),
        tasks=tasks,
        grants=grants,
        witness=happens.joins,
        traces=happens.traces,
        max_opening=settings.max_opening,
    )


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator gave in files."""

    apps: dict[AppName, AppSettings]
    regions: CidrTable | None
    geo: GeoLookup | None


def read_files(settings: SignalingSettings) -> Files:
    """Raises `StartError` that names the setting and what is wrong. Called before the node joins the cluster."""
    return Files(
        apps=_read("APPS_FILE", partial(read_apps, server_secret=_server_secret(settings)), settings.apps_file),
        regions=_read("REGION_TABLE", read_cidr_table, settings.region_table),
        geo=_read("GEO_DATABASE", open_geo_database, settings.geo_database),
    )


def _server_secret(settings: SignalingSettings) -> str:
    return settings.jwt_server_secret_key.get_secret_value()


def _read(setting: str, read: Callable[[str], Read], path: str) -> Read:
    try:
        return read(path)
    except ValueError as error:
        raise StartError(f"RILLCAST_SIGNALING_{setting}: {error}") from error


def _clients(settings: SignalingSettings, files: Files) -> ClientReader:
    regions = RegionFinder(
        table=files.regions,
        geo=files.geo,
        geo_regions=parse_geo_regions(settings.geo_regions),
        fallback=Place(settings.region),
    )
    trusted, unlimited = parse_networks(settings.trusted_proxies), parse_networks(settings.unlimited_networks)
    return ClientReader(regions, trusted, settings.region_header, unlimited)
