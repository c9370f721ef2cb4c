"""Nodes and viewers that exist only as what is said of them: heartbeats go into the real directory, and joins through
the real placement. An edge that gets its first viewer of a stream finds its parent by the real rules of the relay
tree. No process, no socket, and a clock that is turned by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import cast

import msgspec

from rillcast.cluster.grown_tree import GrownTree
from rillcast.cluster.placement import Place
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import CarriedStream, NodeInfo, NodeLoad, NodeReport, PlayRequest, SessionAnswer
from rillcast.contracts.subjects import node_reported
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.runtime.discovery.beats import Beats
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.testing.clock import FakeClock

APP = AppName("live")
GREAT = StreamId("great")
"""Half of all viewers watch this one; of the others a hundred watch one."""
REGIONS, ZONES = ("eu", "us", "ap"), ("a", "b", "c")
FULL_AT = 200
"""Viewers that make a node full."""
MAX_CHILDREN = 64
OWNER = NodeId("origin-1")
OWNER_AT = Place("eu", "a")

Stream = StreamId


class HollowEdge:
    """One edge, as its heartbeats show it."""

    def __init__(self, number: int) -> None:
        self.place = Place(REGIONS[number % 3], ZONES[number // 3 % 3])
        self.node = NodeId(f"edge-{number}")
        self.viewers: dict[Stream, int] = {}
        self.sessions = 0
        self.beats = 0
        self.info = NodeInfo(
            node=self.node,
            kind=NodeKind.EDGE,
            version="1",
            region=self.place.region,
            zone=self.place.zone,
            admin_address="192.0.2.1:9100",
            relay_address="192.0.2.1",
            incarnation="1",
        )

    def takes(self, stream: Stream, viewers: int = 1) -> None:
        self.viewers[stream] = self.viewers.get(stream, 0) + viewers
        self.sessions += viewers

    def beat(self) -> bytes:
        """Its next heartbeat, as it comes from the bus."""
        self.beats += 1
        full = min(1.0, self.sessions / FULL_AT)
        carried = tuple(CarriedStream(app=APP, stream=s, viewers=n) for s, n in self.viewers.items())
        load = NodeLoad(cpu=full, packets=full / 2, sessions=self.sessions, streams=len(carried))
        report = NodeReport(info=self.info, load=load, ready=True, carried=carried, beat=self.beats)
        return msgspec.json.encode(report)


class HollowTree:
    """Who feeds whom, of each stream one track. The owner of all is one origin."""

    def __init__(self, edges: dict[NodeId, HollowEdge]) -> None:
        self._edges = edges
        self._zones = Counter(edge.place for edge in edges.values())
        self._trees: dict[Stream, GrownTree] = {}
        self.asked = 0
        self.clock: Callable[[], float] = lambda: 0.0
        self.took_s = 0.0

    def feed(self, edge: HollowEdge, stream: Stream) -> None:
        """The edge asks for the track until somebody takes it."""
        before = self.clock()
        if stream not in self._trees:
            self._trees[stream] = GrownTree(OWNER, OWNER_AT, most=MAX_CHILDREN, zones=self._zones)
        self.asked += self._trees[stream].add(edge.node, edge.place).asked
        self.took_s += self.clock() - before

    def levels(self, stream: Stream) -> dict[int, int]:
        """How many edges there are at each level of its tree."""
        return self._trees[stream].levels()

    def copies(self, stream: Stream) -> dict[Place, int]:
        """Into each zone but the owner's: from how many parents outside of it the track comes."""
        found: dict[Place, int] = {}
        for (_, zone), count in self._trees[stream].copies().items():
            found[zone] = found.get(zone, 0) + count
        return found


class HollowCluster:
    """The edges, and the directory of the one signaling instance that hears of them. It is that one's `MediaNodes`."""

    def __init__(self, count: int) -> None:
        self.clock = FakeClock()
        self.directory = NodeDirectory(clock=self.clock)
        self.edges = {edge.node: edge for edge in map(HollowEdge, range(count))}
        self.tree = HollowTree(self.edges)
        self._beats = Beats(lambda *_: True, self.clock)
        self._turn = self._in_turns()
        self._opened: list[tuple[HollowEdge, Stream]] = []
        self.place = Place()
        """Of the viewer that joins right now."""
        self.near = 0
        """Sessions in the zone of their viewers."""

    # ---- heartbeats

    def settle(self, viewers_per_edge: int) -> None:
        """Every edge has viewers already, half of them of the great stream, and has said so."""
        for number, edge in enumerate(self.edges.values() if viewers_per_edge else ()):
            edge.takes(GREAT, viewers_per_edge // 2)
            edge.takes(StreamId(f"s{number // 2}"), viewers_per_edge - viewers_per_edge // 2)
        self.hear([edge.beat() for edge in self.edges.values()])

    def next_beats(self, count: int) -> list[bytes]:
        """Of the edges whose turn it is."""
        return [next(self._turn).beat() for _ in range(count)]

    def hear(self, beats: list[bytes]) -> None:
        """Take heartbeats in, as `feed_directory` does."""
        for beat in beats:
            report = msgspec.json.decode(beat, type=NodeReport)
            info = report.info
            why = self._beats.fault(node_reported(info.kind, info.node), report, self.directory.last(info.node))
            assert not why, why
            assert self.directory.heard(report)

    def _in_turns(self) -> Iterator[HollowEdge]:
        while True:
            yield from self.edges.values()

    # ---- `MediaNodes`, as far as joins use it

    async def play(self, node: NodeId, request: PlayRequest, timeout_s: float) -> SessionAnswer:
        wanted = request.subscriptions[0]
        self.opened(node, wanted.stream)
        return SessionAnswer(session=request.session, node=node, sdp="")

    def opened(self, node: NodeId, stream: Stream) -> None:
        edge = self.edges[node]
        if stream not in edge.viewers:
            self.tree.feed(edge, stream)
        edge.takes(stream)
        self._opened.append((edge, stream))
        self.near += self.place == edge.place

    def all_left(self) -> None:
        """Whoever has joined since the last time leaves again."""
        for edge, stream in self._opened:
            edge.takes(stream, -1)
        self._opened.clear()

    async def close(
        self,
        session: SessionId,
        node: NodeId,
        reason: EndReason,
        keep_stream_s: float = 0.0,
        *,
        forgotten: bool = False,
    ) -> bool:
        return True


class Audience:
    """Where the next viewer is, and what it wants."""

    def __init__(self, streams: int, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self._streams = streams
        self._count = 0

    def next(self) -> tuple[SessionId, Stream, Place]:
        rng = self._rng
        self._count += 1
        stream = GREAT if rng.random() < 0.5 else StreamId(f"s{rng.randrange(self._streams)}")
        place = Place(rng.choice(REGIONS), rng.choice(ZONES))
        return cast(SessionId, f"v{self._count}"), stream, place
