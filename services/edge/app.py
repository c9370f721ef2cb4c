"""The edge, wired: the only place that builds its parts and connects them."""

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
from services.edge import metrics
from services.edge.adapters.bus_requests import serve_requests
from services.edge.adapters.native_plane import open_plane
from services.edge.config import EdgeSettings
from services.edge.domain.viewer import Viewers
from services.edge.ports import Bus, Clock, KeyValue, Plane
from services.edge.usecases.drain import Drain
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.stream_allocator import StreamAllocator
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_join import JoinLimits, ViewerJoin
from services.edge.usecases.viewer_sessions import ViewerSessions

__all__ = ["Edge", "EdgeSettings", "run"]

log = get_logger(__name__)

TICK_S = 0.05
REPORT_S = 1.0


class Edge:
    """One edge on whatever ports it is given: real ones here, fakes in tests."""

    def __init__(
        self,
        settings: EdgeSettings,
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
        node, self._node, self._bus, self._clock = info.node, info.node, bus, clock
        addresses = MediaAddresses(plane.fingerprint, plane.workers, info.media_addresses, info.relay_address)
        self._plane_metrics = PlaneMetrics()
        self.load = MediaLoad(len(plane.workers), limits)
        self.tasks = BackgroundTasks()
        self.outbox = Outbox(bus, metrics.EVENTS_DROPPED.inc)
        self.watch = StreamWatch(streams, renditions, bus, clock)
        stream = self.watch.directory.by_key
        self.viewers = Viewers(self.load, addresses.transport)
        self.upstream = UpstreamRelays(
            node=node,
            plane=plane,
            bus=bus,
            addresses=addresses,
            load=self.load,
            tasks=self.tasks,
            stream=stream,
            clock=clock,
            linger_s=settings.relay_linger_s,
        )
        self.session_end = SessionEnd(node, plane, self.upstream, self.viewers, self.outbox)
        self.allocator = StreamAllocator(
            node=node,
            plane=plane,
            upstream=self.upstream,
            session_end=self.session_end,
            viewers=self.viewers,
            tasks=self.tasks,
            stream=stream,
            clock=clock,
            relay_fill_s=settings.relay_fill_s,
        )
        self.join = ViewerJoin(
            node=node,
            plane=plane,
            load=self.load,
            watch=self.watch,
            upstream=self.upstream,
            viewers=self.viewers,
            session_end=self.session_end,
            limits=JoinLimits(max_connecting=settings.max_connecting, first_budget_bps=settings.first_budget_bps),
            clock=clock,
        )
        self.sessions = ViewerSessions(
            node=node,
            plane=plane,
            addresses=addresses,
            watch=self.watch,
            upstream=self.upstream,
            viewers=self.viewers,
            session_end=self.session_end,
            allocator=self.allocator,
            clock=clock,
            gone_grace_s=settings.stream_gone_grace_s,
        )
        self.drain = Drain(self.viewers, self.session_end, self.outbox, settings.drain_timeout_s)
        events.add(self.on_event)
        self.watch.on_change(self._stream_changed)

    def on_event(self, event: protocol.Event) -> None:
        """Hand an event of the plane to whom it concerns."""
        match event:
            case protocol.WorkerStats():
                self.load.observe(event, self._clock())
                self._plane_metrics.observe(event)
            case protocol.SessionStats():
                self.sessions.on_event(event)
            case _:
                if isinstance(event, protocol.Error):
                    metrics.COMMANDS_FAILED.inc()
                    log.warning("The media plane could not do it", command=event.command, reason=event.message)
                self.upstream.on_event(event)
                self.sessions.on_event(event)
                if isinstance(event, protocol.RelayParentLost):
                    self.sessions.on_parent_lost(event.source)

    async def serve(self) -> None:
        """Begin to answer requests."""
        await serve_requests(self._bus, self._node, self.join, self.sessions)

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
        return self.load.report(len(self.viewers.streams)), self.viewers.carried()

    def _stream_changed(self, key: str) -> None:
        live = self.watch.directory.by_key(key)
        self.upstream.on_stream_changed(key, live)
        self.sessions.on_stream_changed(key, live)

    async def _tick(self) -> None:
        while True:
            self.upstream.tick()
            self.sessions.tick()
            await asyncio.sleep(TICK_S)


async def run(settings: EdgeSettings) -> None:
    """Run an edge until it is told to stop."""
    async with Node(settings, NodeKind.EDGE) as node:
        streams = await node.kv(subjects.BUCKET_STREAMS, subjects.STREAM_LEASE_S)
        renditions = await node.kv(subjects.BUCKET_RENDITIONS, subjects.STREAM_LEASE_S)
        events = PlaneEvents()
        plane = open_plane(settings, events)
        try:
            edge = Edge(
                settings, node.info, plane=plane, events=events, bus=node.bus, streams=streams, renditions=renditions
            )
            await edge.serve()
            node.spawn(edge.run(), "edge")
            node.spawn(_report(node, edge), "load report")
            node.on_drain(edge.drain.drain)
            await node.until_stopped()
        finally:
            plane.close()


async def _report(node: Node, edge: Edge) -> None:
    while True:
        node.report_load(*edge.report())
        await asyncio.sleep(REPORT_S)
