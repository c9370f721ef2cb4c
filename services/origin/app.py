"""The origin, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

import asyncio
import time

from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts import subjects
from rillcast.contracts.messages import CarriedStream, NodeInfo, NodeLoad
from rillcast.contracts.words import NodeKind
from rillcast.media import protocol
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks, Outbox
from rillcast.node.events import PlaneEvents
from rillcast.node.load import MediaLimits, MediaLoad
from rillcast.node.metrics import PlaneMetrics
from rillcast.runtime.service import Node
from rillcast.runtime.telemetry import get_logger
from services.origin import metrics
from services.origin.adapters.bus_requests import serve_requests
from services.origin.adapters.native_plane import open_plane
from services.origin.config import OriginSettings
from services.origin.domain.claims import Claims
from services.origin.domain.parenting import Parenting
from services.origin.domain.publishing import Publishing
from services.origin.ports import Bus, Clock, KeyValue, Plane

__all__ = ["Origin", "OriginSettings", "run"]

log = get_logger(__name__)

TICK_S = 0.1
REPORT_S = 1.0


class Origin:
    """One origin on whatever ports it is given: real ones here, fakes in tests."""

    def __init__(
        self,
        settings: OriginSettings,
        info: NodeInfo,
        *,
        plane: Plane,
        events: PlaneEvents,
        bus: Bus,
        streams: KeyValue,
        renditions: KeyValue,
        clock: Clock = time.monotonic,
    ) -> None:
        limits = MediaLimits(
            max_sessions=settings.max_sessions,
            max_pps=settings.max_pps,
            max_egress_bps=settings.max_egress_bps,
            max_loop_lag_ms=settings.max_loop_lag_ms,
        )
        addresses = MediaAddresses(plane.fingerprint, plane.workers, info.media_addresses, info.relay_address)
        self._bus = bus
        self._clock = clock
        self._plane_metrics = PlaneMetrics()
        self.load = MediaLoad(len(plane.workers), limits)
        self.tasks = BackgroundTasks()
        self.outbox = Outbox(bus, metrics.EVENTS_DROPPED.inc)
        self.watch = StreamWatch(streams, renditions, bus, clock)
        self.parenting = Parenting(plane, addresses, settings.relay_child_limit)
        self.publishing = Publishing(
            node=info.node,
            plane=plane,
            addresses=addresses,
            load=self.load,
            claims=Claims(info.node, streams, bus, clock, subjects.STREAM_LEASE_S),
            parenting=self.parenting,
            outbox=self.outbox,
            tasks=self.tasks,
            clock=clock,
            wall_ms=lambda: time.time_ns() // 1_000_000,
        )
        self._node = info.node
        events.add(self.on_event)
        self.watch.on_change(lambda key: self.publishing.on_stream_changed(key, self.watch.directory.by_key(key)))

    def on_event(self, event: protocol.Event) -> None:
        """Hand an event of the plane to whom it concerns."""
        match event:
            case protocol.WorkerStats():
                self.load.observe(event, self._clock())
                self._plane_metrics.observe(event)
            case protocol.SourceStats():
                self.publishing.on_source_stats(event)
            case _:
                if isinstance(event, protocol.Error):
                    metrics.COMMANDS_FAILED.inc()
                    log.warning("The media plane could not do it", command=event.command, reason=event.message)
                self.publishing.on_event(event)
                self.parenting.on_event(event)

    async def serve(self) -> None:
        """Begin to answer requests."""
        await serve_requests(self._bus, self._node, self.publishing, self.parenting)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.watch.run())
                group.create_task(self.outbox.run())
                group.create_task(self._tick())
        finally:
            await self.tasks.close()

    def report(self) -> tuple[NodeLoad, tuple[CarriedStream, ...]]:
        """What the heartbeat shall say."""
        carried = self.publishing.carried()
        return self.load.report(self.publishing.streams), carried

    async def _tick(self) -> None:
        while True:
            self.publishing.tick()
            await asyncio.sleep(TICK_S)


async def run(settings: OriginSettings) -> None:
    """Run an origin until it is told to stop."""
    async with Node(settings, NodeKind.ORIGIN) as node:
        streams = await node.kv(subjects.BUCKET_STREAMS, subjects.STREAM_LEASE_S)
        renditions = await node.kv(subjects.BUCKET_RENDITIONS, subjects.STREAM_LEASE_S)
        events = PlaneEvents()
        plane = open_plane(settings, events)
        try:
            origin = Origin(
                settings, node.info, plane=plane, events=events, bus=node.bus, streams=streams, renditions=renditions
            )
            await origin.serve()
            node.spawn(origin.run(), "origin")
            node.spawn(_report(node, origin), "load report")
            node.on_drain(origin.publishing.drain)
            await node.until_stopped()
        finally:
            plane.close()


async def _report(node: Node, origin: Origin) -> None:
    while True:
        node.report_load(*origin.report())
        await asyncio.sleep(REPORT_S)
