"""What every node with a media plane does around its own work: it opens the plane, measures it, follows what is live,
sends events, ticks, reports its load and leaves in order.

A service's ``app.py`` reads:

    async def run(settings: OriginSettings) -> None:
        async with open_media_node(settings, NodeKind.ORIGIN) as (node, media):
            origin = Origin(settings, media)
            await origin.serve()
            await media.live(node, report=origin.report, leaving=origin.leaving)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rillcast.cluster.placement.nearness import Place
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import CarriedStream, Condition, NodeInfo, NodeLoad, NodeReport, TreePlace
from rillcast.contracts.words import NodeKind
from rillcast.media.plane import EventHandler, NativePlane, PacketHandler, Plane
from rillcast.media.protocol import EgressMode, Error, Event, PlaneConfig, WorkerFailed, WorkerStats
from rillcast.node import metrics, raw_egress
from rillcast.node.addresses import MediaAddresses
from rillcast.node.association_keys import AssociationKeys
from rillcast.node.background import BackgroundTasks
from rillcast.node.events import PlaneEvents
from rillcast.node.load import MediaLimits, MediaLoad
from rillcast.node.metrics import PlaneMetrics
from rillcast.node.outbox import Outbox
from rillcast.node.relay_keys import RelayKeys, SealedRelayKeys
from rillcast.node.worker_watch import LOOK_S, WorkerWatch
from rillcast.node.zone_sizes import ZoneSizes
from rillcast.runtime.errors import NodeFault, StartError
from rillcast.runtime.ports import Bus, KeyValue
from rillcast.runtime.process.departure import Departure, Leaves
from rillcast.runtime.process.identity import NodeIdentity
from rillcast.runtime.process.node import Node
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.settings import MediaSettings
from rillcast.runtime.telemetry.logs import get_logger

if TYPE_CHECKING:
    from rillcast.media.raw import RawSockets

log = get_logger(__name__)

REPORT_S = 1.0
"""How often the heartbeat gets new figures."""
LEAVING_RETRY_S = 1.0
"""When it is worth asking again while a node goes away: the others are told with the next heartbeat."""
FULL_RETRY_S = 5.0
"""When it is worth asking a full node again: its figures are averages over some seconds."""

EventT = TypeVar("EventT", bound=Event)

Report = tuple[NodeLoad, tuple[CarriedStream, ...], TreePlace | None, Condition | None]


class MediaThreadFailed(NodeFault):
    """A thread of the plane panicked or hangs: our bug, or the kernel's. It ends the node, which drains first, so that
    its viewers move."""


class Host(Protocol):
    """The running node (`rillcast.runtime.process.node.Node`), as far as it is used here."""

    readiness: Readiness

    def spawn(self, work: Coroutine[None, None, None], name: str) -> object: ...

    def empties(self, part: Leaves) -> None: ...

    def report_load(
        self,
        load: NodeLoad,
        carried: Iterable[CarriedStream] = (),
        tree: TreePlace | None = None,
        condition: Condition | None = None,
    ) -> None: ...

    async def until_stopped(self) -> None: ...


class MediaNode:
    """The parts that origin, edge and transcoder have in common, on whatever ports they are given: real ones from
    `open_media_node`, fakes in tests. Owned by the service's ``app.py``; parts are handed on to who needs them."""

    def __init__(
        self,
        settings: MediaSettings,
        info: NodeInfo,
        *,
        plane: Plane,
        events: PlaneEvents,
        bus: Bus,
        streams: KeyValue,
        renditions: KeyValue,
        relay_keys: RelayKeys,
        identity: NodeIdentity | None = None,
        clock: Callable[[], float] = time.monotonic,
        lease_s: float = subjects.STREAM_LEASE_S,
        kept_from_writing: Callable[[NodeId], bool] = lambda _: False,
        known: Callable[[NodeId], NodeReport | None] = lambda _: None,
        edges: Callable[[], Iterable[NodeReport]] = tuple,
    ) -> None:
        """`events`: what `plane` calls. `identity`: what others know this node by; None: they don't. `clock`: monotonic
        seconds. `lease_s`: of the records in both buckets. `kept_from_writing`: see `StreamWatch`. `known`: the last
        report of a node that lives. `edges`: those of all edges that live."""
        self.node = info.node
        self.place = Place(info.region, info.zone)
        self.known = known
        self.zone_sizes = ZoneSizes(edges, time.monotonic)
        self.plane = plane
        self.bus = bus
        self.streams = streams
        self.renditions = renditions
        self.relay_keys = relay_keys
        self.association_keys = AssociationKeys(info.node, info.kind, identity or NodeIdentity(), known)
        self.kind = info.kind
        self.clock = clock
        self.lease_s = lease_s
        self.addresses = MediaAddresses(
            plane.fingerprint,
            plane.workers,
            info.media_addresses,
            info.relay_address,
            tcp=settings.ice_tcp_connections > 0,
        )
        self.load = MediaLoad(len(plane.workers), media_limits(settings))
        self.tasks = BackgroundTasks()
        self.outbox = Outbox(bus, metrics.EVENTS_DROPPED.inc)
        self.watch = StreamWatch(streams, renditions, bus, clock, lease_s, kept_from_writing=kept_from_writing)
        self.draining = False
        """Whether the node goes away. What is here goes on for a while, nothing new is taken."""
        self._events = events
        self._handlers: list[EventHandler] = []
        self._by_kind: dict[type, Callable[[Any], None]] = {}
        self._metrics = PlaneMetrics()
        self._workers = WorkerWatch(len(plane.workers), clock())
        self._work: list[Callable[[], Coroutine[None, None, None]]] = [self.watch.run, self.outbox.run]
        events.add(self._heard)

    # ---- what the service adds; call before `run`

    def on_event(self, handler: EventHandler) -> None:
        """Hear every event of the plane but `WorkerStats`. Called from the event loop, as often as the plane has
        something to say; must not block."""
        self._handlers.append(handler)

    def on(self, kind: type[EventT], handler: Callable[[EventT], None]) -> None:
        """Hear every event of one kind, which the handlers of `on_event` don't hear then. For what comes by the
        thousand: `SessionStats`."""
        self._by_kind[kind] = handler

    def on_packet(self, handler: PacketHandler) -> None:
        """Hear every packet of tapped sources. The handler is called from the event loop, and must not block."""
        self._events.add_packets(handler)

    def every(self, seconds: float, tick: Callable[[], None]) -> None:
        """Call `tick` in this interval while the node runs."""

        async def run() -> None:
            while True:
                tick()
                await asyncio.sleep(seconds)

        self._work.append(run)

    def also(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run this for as long as the node runs. If it fails, the node ends."""
        self._work.append(work)

    # ---- what the service asks

    def refuse_if_draining(self, what: str) -> None:
        """Raises NO_NODE_AVAILABLE while the node goes away: the asker tries another one. `what` names the kind of
        node."""
        if self.draining:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"this {what} is going away", LEAVING_RETRY_S)

    def room(self, what: str, client: str = "") -> None:
        """Raises NO_NODE_AVAILABLE while the node goes away, and HIGH_RESOURCE_USAGE when it is full, for all or for
        this client. To be called before a new session is taken."""
        self.refuse_if_draining(what)
        if reason := self.load.full(client):
            if not self.load.full():
                metrics.SHARES_REFUSED.inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"this {what} is full: {reason}", FULL_RETRY_S)

    # ---- life

    async def run(self) -> None:
        """Work until cancelled, or until any part fails."""
        try:
            async with asyncio.TaskGroup() as group:
                for work in self._work:
                    group.create_task(work())
        finally:
            await self.tasks.close()

    async def live(self, node: Host, *, report: Callable[[], Report], leaving: Leaves) -> None:
        """From ready to drained. `report`: what the heartbeat shall say, asked once a second. `leaving`: gets rid of
        what is here; the plane still runs."""

        async def keep_reporting() -> None:
            while True:
                node.report_load(*report())
                await asyncio.sleep(REPORT_S)

        node.spawn(self.run(), "media")
        node.spawn(self.plane.until_failure(), "media plane")
        node.spawn(self._watch_workers(node.readiness), "media threads")
        node.spawn(keep_reporting(), "load report")
        node.empties(_Leaving(self, leaving))
        await node.until_stopped()

    async def _watch_workers(self, readiness: Readiness) -> None:
        """Raises MediaThreadFailed when a worker has been silent for `HANGS_S`."""
        while True:
            await asyncio.sleep(LOOK_S)
            silence = self._workers.look(self.clock())
            said = f"media thread {silence.worker} has said nothing for {silence.seconds:.0f} s" if silence else ""
            readiness.set("media threads", not said, said)
            if silence and silence.hangs:
                raise MediaThreadFailed(said)

    def _heard(self, event: Event) -> None:
        if handler := self._by_kind.get(type(event)):
            handler(event)
            return
        if isinstance(event, WorkerStats):
            self._workers.heard(event.worker, self.clock())
            self.load.observe(event, self.clock())
            self._metrics.observe(event)
            return
        if isinstance(event, WorkerFailed):
            raise MediaThreadFailed(f"media thread {event.worker} has ended, its sessions are dead")
        if isinstance(event, Error):
            metrics.COMMANDS_FAILED.labels(event.command).inc()
            log.warning("The media plane refused a command", command=event.command, reason=event.message)
        for handler in self._handlers:
            handler(event)


class _Leaving:
    """What all media nodes do around the leaving of their service."""

    def __init__(self, media: MediaNode, service: Leaves) -> None:
        self._media = media
        self._service = service
        self.left = service.left
        self.named = service.named

    async def leave(self, departure: Departure) -> None:
        """See `Leaves.leave`."""
        self._media.draining = True
        await self._service.leave(departure)
        await self._media.outbox.flush()

    async def cut(self) -> None:
        """See `Leaves.cut`."""
        await self._service.cut()
        await self._media.outbox.flush()

    def stay(self) -> None:
        """See `Leaves.stay`."""
        self._media.draining = False
        self._service.stay()


@asynccontextmanager
async def open_media_node(
    settings: MediaSettings,
    kind: NodeKind,
    *,
    plane: PlaneConfig | None = None,
    raw: RawSockets | None = None,
) -> AsyncIterator[tuple[Node, MediaNode]]:
    """Start the node and its media threads; both end with the block. `plane`: instead of `plane_config(settings)`.
    `raw`: what `raw_egress.claim` opened. Raises StartError when the media plane does not start."""
    async with Node(settings, kind) as node:
        streams = await node.kv(subjects.BUCKET_STREAMS, subjects.STREAM_LEASE_S)
        renditions = await node.kv(subjects.BUCKET_RENDITIONS, subjects.STREAM_LEASE_S)
        events = PlaneEvents()
        config = plane or plane_config(settings)
        try:
            native = NativePlane(config, events, events.packet, raw)
        except OSError as error:
            raise StartError(f"the media plane can't start: {error}") from error
        if config.egress is not EgressMode.SOCKET:
            raw_egress.tell(native.egress)
        try:
            yield (
                node,
                MediaNode(
                    settings,
                    node.info,
                    plane=native,
                    events=events,
                    bus=node.bus,
                    streams=streams,
                    renditions=renditions,
                    relay_keys=SealedRelayKeys(node.info.node, node.identity, node.directory.get, node.directory.until),
                    identity=node.identity,
                    kept_from_writing=node.directory.kept_from_writing,
                    known=node.directory.get,
                    edges=lambda: node.directory.nodes(NodeKind.EDGE).values(),
                ),
            )
        finally:
            native.close()


def plane_config(settings: MediaSettings) -> PlaneConfig:
    """The plane of a node that clients reach."""
    return PlaneConfig(
        workers=settings.workers,
        media_bind=tuple(settings.media_bind),
        media_port=settings.media_port,
        tcp_connections=settings.ice_tcp_connections,
        relay_bind=settings.relays_listen_at,
        relay_port=settings.relay_port,
        pin=settings.pin,
        gso=settings.gso,
    )


def media_limits(settings: MediaSettings) -> MediaLimits:
    """At which figures the node takes no new sessions, from its settings."""
    return MediaLimits(
        max_sessions=settings.max_sessions,
        max_pps=settings.max_pps,
        max_egress_bps=settings.max_egress_bps,
        max_loop_lag_ms=settings.max_loop_lag_ms,
    )
