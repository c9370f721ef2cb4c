"""The edge, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from rillcast.contracts.messages import RelayOpen
from rillcast.contracts.words import NodeKind
from rillcast.media.protocol import EgressMode, SessionStats
from rillcast.node.associations import associations
from rillcast.node.media_node import MediaNode, Report, open_media_node, plane_config
from rillcast.node.raw_egress import claim
from rillcast.relay.child import ChildRelays
from rillcast.relay.parent import RelayOffer, RelayParent
from rillcast.relay.witness import DoubtWitness
from services.edge import metrics
from services.edge.adapters.bus_requests import serve_associations, serve_looks, serve_relays, serve_requests
from services.edge.config import EdgeSettings
from services.edge.domain.condition import condition
from services.edge.domain.supply import Supplies
from services.edge.domain.tree_place import tree_place
from services.edge.domain.viewer import Viewers
from services.edge.usecases.command_backlog import CommandBacklog
from services.edge.usecases.downstream_relays import DownstreamRelays
from services.edge.usecases.drain import Drain
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.looks import Looks
from services.edge.usecases.relay_figures import RelayFigures
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.session_events import SessionEvents
from services.edge.usecases.session_start import SessionStart
from services.edge.usecases.stopped_layers import StoppedLayers
from services.edge.usecases.stream_allocator import StreamAllocator
from services.edge.usecases.stream_changes import StreamChanges
from services.edge.usecases.track_switch import TrackSwitch
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_associations import ViewerAssociations
from services.edge.usecases.viewer_join import ViewerJoin
from services.edge.usecases.viewer_requests import ViewerRequests
from services.edge.usecases.viewer_sessions import ViewerSessions

__all__ = ["Edge", "EdgeSettings", "run"]

TICK_S = 0.05
LOOKS_KEPT_S = 5.0
FLOWS_S = 3.0
"""A stream flows while its last packet is no older. The plane tells of packets once a second."""


class Edge:
    """One edge on whatever its media node stands on: real ports here, fakes in tests."""

    def __init__(self, settings: EdgeSettings, media: MediaNode) -> None:
        self._media = media
        node, plane, watch, tasks, clock = media.node, media.plane, media.watch, media.tasks, media.clock
        stream, linger_s, grace_s = watch.directory.by_key, settings.relay_linger_s, settings.stream_gone_grace_s
        # who is there, and whom it concerns when something happens to them
        self.backlog = CommandBacklog(plane)
        self.viewers = viewers = Viewers(media.load, media.addresses.transport)
        self.first_packets = first = FirstPackets(clock)
        events = SessionEvents(node, media.outbox)
        giver, taker = associations(media)
        self.associations = links = ViewerAssociations(plane, self.backlog, viewers, events, giver=giver, taker=taker)
        self.session_end = end = SessionEnd(self.backlog, viewers, events, first, links)
        # what comes in
        children = _children(media, gives=settings.max_children > 0)
        self.relays = relays = UpstreamRelays(
            children, load=media.load, tasks=tasks, stream=stream, clock=clock, linger_s=linger_s
        )
        media.watch.keep_what(lambda key: relays.silent_s(key) < FLOWS_S)
        # what goes on to other edges
        self.downstream = downstream = DownstreamRelays(
            relays,
            node=node,
            new_parent=partial(_parent, media, settings.max_children),
            outbox=media.outbox,
            clock=clock,
            room=partial(media.room, "edge"),
        )
        self._witness = DoubtWitness(node, media.outbox, parents=children.witness, children=downstream.parent.witness)
        # what each viewer is sent of it
        self.switch = TrackSwitch(self.backlog, relays, tasks=tasks, clock=clock, relay_fill_s=settings.relay_fill_s)
        self.supplies = supplies = Supplies(stream)
        self.figures = RelayFigures(relays.of_source, clock)
        self.stopped = stopped = StoppedLayers(relays.of_source, relays.feeds_of, self._layers_changed, clock)
        self.allocator = StreamAllocator(
            self.backlog,
            viewers,
            relays,
            self.switch,
            events,
            supplies=supplies,
            stream=stream,
            stopped=stopped.of,
            clock=clock,
        )
        self.sessions = ViewerSessions(viewers, self.allocator, events, end, first, clock=clock, gone_grace_s=grace_s)
        self.streams = StreamChanges(
            viewers,
            relays,
            downstream,
            self.sessions,
            end,
            supplies=supplies,
            stream=stream,
            tasks=tasks,
            clock=clock,
            gone_grace_s=grace_s,
        )
        self.looks = Looks(viewers, relays, self.allocator.room_bps, clock)
        # who asks for something
        self.requests = ViewerRequests(viewers, self.allocator, end, plane=plane, addresses=media.addresses)
        begun, budget_bps = self.sessions.begun, settings.first_budget_bps
        self.start = SessionStart(
            viewers,
            relays,
            end,
            first,
            links,
            watch=watch,
            supplies=supplies,
            begun=begun,
            first_budget_bps=budget_bps,
        )
        room, most = partial(media.room, "edge"), settings.max_connecting
        self.join = ViewerJoin(
            viewers, self.start, end, first, links, node=node, room=room, watch=watch, clock=clock, max_connecting=most
        )
        self.drain = Drain(
            viewers,
            relays,
            downstream,
            end,
            outbox=media.outbox,
            tasks=tasks,
            hears=lambda: media.bus.hearing,
        )

    async def serve(self) -> None:
        """Begin to hear the plane, the change feed and the clock, and to answer requests on the bus."""
        media, sessions = self._media, self.sessions
        media.on(SessionStats, sessions.queue.put)
        children = self.downstream.parent
        for handler in (
            self._witness.on_event,
            children.on_event,
            self.relays.on_event,
            self.figures.on_event,
            self.looks.on_event,
            self.stopped.on_event,
            self.streams.on_event,
            sessions.on_event,
            self.associations.on_event,
        ):
            media.on_event(handler)
        ticks = (self.backlog, self.relays, self.stopped, self.downstream, sessions, self.streams)
        for ticking in ticks:
            media.every(TICK_S, ticking.tick)
        media.every(LOOKS_KEPT_S, self.looks.tick)
        media.also(sessions.queue.run)
        media.watch.on_change(self.streams.changed)
        await serve_requests(media.bus, media.node, self.join, self.requests, self.streams)
        await serve_looks(media.bus, media.node, self.looks)
        await serve_relays(media.bus, media.node, self.relays, children)
        await serve_associations(media.bus, media.node, self.associations.giver)
        await self._witness.serve(media.bus)

    def _layers_changed(self, key: str) -> None:
        self.sessions.stream_silent(key)

    def report(self) -> Report:
        """What the heartbeat shall say: the load, the streams with their viewers, by whom they are fed, who suffers."""
        load = self._media.load.report(len(self.viewers.streams))
        tree = tree_place(self.relays.all(), self.downstream.children())
        metrics.RELAY_STANDBYS.set(0 if tree is None else len(tree.standbys))
        now = self._media.clock()
        return load, self.viewers.carried(), tree, condition(self.relays.all(), self.viewers, now)


def _children(media: MediaNode, *, gives: bool) -> ChildRelays:
    return ChildRelays(
        node=media.node,
        bus=media.bus,
        plane=media.plane,
        addresses=media.addresses,
        keys=media.relay_keys,
        tasks=media.tasks,
        clock=media.clock,
        gives=gives,
        on_outcome=metrics.relay_opened,
    )


def _parent(
    media: MediaNode,
    child_limit: int,
    *,
    offer_of: Callable[[RelayOpen], RelayOffer],
    ready: Callable[[RelayOpen], Awaitable[None]],
) -> RelayParent:
    return RelayParent(
        plane=media.plane,
        addresses=media.addresses,
        keys=media.relay_keys,
        here=media.place,
        known=media.known,
        edges_at=media.zone_sizes.at,
        clock=media.clock,
        offer_of=offer_of,
        ready=ready,
        child_limit=child_limit,
        span="edge.relay_give",
        on_outcome=lambda outcome: metrics.RELAY_CHILD_OPENS.labels(outcome).inc(),
        on_count=metrics.RELAY_CHILDREN.set,
        on_child_lost=metrics.RELAY_CHILDREN_LOST.inc,
    )


async def run(settings: EdgeSettings) -> None:
    """Run an edge until it is told to stop."""
    egress = EgressMode(settings.egress)
    raw = claim(egress, settings.workers, "RILLCAST_EDGE_EGRESS")
    plane = msgspec.structs.replace(plane_config(settings), max_half_open=settings.max_connecting, egress=egress)
    async with open_media_node(settings, NodeKind.EDGE, plane=plane, raw=raw) as (node, media):
        edge = Edge(settings, media)
        await edge.serve()
        await media.live(node, report=edge.report, leaving=edge.drain)
