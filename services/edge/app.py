"""The edge, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

import msgspec

from rillcast.contracts.words import NodeKind
from rillcast.media import protocol
from rillcast.node.media_node import MediaNode, Report, open_media_node, plane_config
from rillcast.relay.child import ChildRelays
from services.edge import metrics
from services.edge.adapters.bus_requests import serve_requests
from services.edge.config import EdgeSettings
from services.edge.domain.viewer import Viewers
from services.edge.usecases.command_backlog import CommandBacklog
from services.edge.usecases.drain import Drain
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.stream_allocator import StreamAllocator
from services.edge.usecases.track_switch import TrackSwitch
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_join import JoinLimits, ViewerJoin
from services.edge.usecases.viewer_sessions import ViewerSessions

__all__ = ["Edge", "EdgeSettings", "run"]

TICK_S = 0.05


class Edge:
    """One edge on whatever its media node stands on: real ports here, fakes in tests."""

    def __init__(self, settings: EdgeSettings, media: MediaNode) -> None:
        self._settings = settings
        self._media = media
        self.backlog = CommandBacklog(media.plane)
        self.viewers = Viewers(media.load, media.addresses.transport)
        self.first_packets = FirstPackets(media.clock)
        self.session_end = SessionEnd(media.node, self.backlog, self.viewers, media.outbox, self.first_packets)
        self.relays = self._make_relays()
        self.switch = TrackSwitch(
            plane=self.backlog,
            relays=self.relays,
            tasks=media.tasks,
            clock=media.clock,
            relay_fill_s=settings.relay_fill_s,
        )
        self.allocator = self._make_allocator()
        self.sessions = self._make_sessions()
        self.join = self._make_join()
        self.drain = Drain(
            viewers=self.viewers,
            session_end=self.session_end,
            relays=self.relays,
            outbox=media.outbox,
            tasks=media.tasks,
            drain_timeout_s=settings.drain_timeout_s,
        )
        media.on(protocol.SessionStats, self.sessions.queue.put)
        media.on_event(self._heard)
        media.every(TICK_S, self.tick)
        media.also(self.sessions.queue.run)
        media.watch.on_change(self._stream_changed)

    async def serve(self) -> None:
        """Begin to answer requests."""
        await serve_requests(self._media.bus, self._media.node, self.join, self.sessions)

    def report(self) -> Report:
        """What the heartbeat shall say."""
        return self._media.load.report(len(self.viewers.streams)), self.viewers.carried()

    def tick(self) -> None:
        """Do what is due because time has passed. It is called many times a second."""
        self.backlog.tick()
        self.relays.tick()
        self.sessions.tick()

    def _make_relays(self) -> UpstreamRelays:
        media = self._media
        children = ChildRelays(
            node=media.node,
            bus=media.bus,
            plane=media.plane,
            addresses=media.addresses,
            tasks=media.tasks,
            clock=media.clock,
            on_outcome=lambda outcome: metrics.RELAY_OPENS.labels(outcome).inc(),
        )
        return UpstreamRelays(
            children=children,
            load=media.load,
            tasks=media.tasks,
            stream=media.watch.directory.by_key,
            clock=media.clock,
            linger_s=self._settings.relay_linger_s,
        )

    def _make_allocator(self) -> StreamAllocator:
        media = self._media
        return StreamAllocator(
            node=media.node,
            plane=self.backlog,
            relays=self.relays,
            session_end=self.session_end,
            viewers=self.viewers,
            switch=self.switch,
            stream=media.watch.directory.by_key,
            clock=media.clock,
        )

    def _make_sessions(self) -> ViewerSessions:
        media = self._media
        return ViewerSessions(
            node=media.node,
            plane=media.plane,
            addresses=media.addresses,
            watch=media.watch,
            relays=self.relays,
            viewers=self.viewers,
            session_end=self.session_end,
            allocator=self.allocator,
            first_packets=self.first_packets,
            tasks=media.tasks,
            clock=media.clock,
            gone_grace_s=self._settings.stream_gone_grace_s,
        )

    def _make_join(self) -> ViewerJoin:
        media, settings = self._media, self._settings
        return ViewerJoin(
            node=media.node,
            plane=media.plane,
            room=lambda: media.room("edge"),
            watch=media.watch,
            relays=self.relays,
            viewers=self.viewers,
            session_end=self.session_end,
            first_packets=self.first_packets,
            begun=self.sessions.begun,
            limits=JoinLimits(max_connecting=settings.max_connecting, first_budget_bps=settings.first_budget_bps),
            clock=media.clock,
        )

    def _heard(self, event: protocol.Event) -> None:
        self.relays.on_event(event)
        self.sessions.on_event(event)

    def _stream_changed(self, key: str) -> None:
        live = self._media.watch.directory.by_key(key)
        self.relays.on_stream_changed(key, live)
        self.sessions.on_stream_changed(key, live)


async def run(settings: EdgeSettings) -> None:
    """Run an edge until it is told to stop."""
    plane = msgspec.structs.replace(plane_config(settings), max_half_open=settings.max_connecting)
    async with open_media_node(settings, NodeKind.EDGE, plane=plane) as (node, media):
        edge = Edge(settings, media)
        await edge.serve()
        await media.live(node, report=edge.report, drain=edge.drain.drain)
