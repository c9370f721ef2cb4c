"""A signaling instance on a real port whose nodes and streams are hollow, and never stand still: hours of a large
cluster in seconds."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.routing import Route

from rillcast.contracts import subjects
from rillcast.contracts.event_records import ClusterEvent, EventKind, SessionFate, SessionMove
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, NodeId, StreamId, stream_key
from rillcast.contracts.messages import (
    CarriedStream,
    Condition,
    NodeInfo,
    NodeLeft,
    NodeLoad,
    NodeReport,
    RelayLink,
    StreamTrouble,
)
from rillcast.contracts.status import LIVE_PATH
from rillcast.contracts.words import NodeKind, Role
from services.signaling.core.usecases.event_feed import Happened
from services.signaling.rest.usecases import live_feed
from services.signaling.rest.usecases.live_feed import LiveFeed
from tests.integration.signaling.wire import WireCluster, wire_cluster

APP = AppName("live")
ROUND_S = 0.02
"""A round of the feed, which takes 0.25 s otherwise."""


def feed_of(c: WireCluster) -> LiveFeed:
    """What stands behind the route."""
    (route,) = (one for one in c.service.routes if isinstance(one, Route) and one.path == LIVE_PATH)
    cells = dict(zip(route.endpoint.__code__.co_freevars, route.endpoint.__closure__ or (), strict=True))
    feed: LiveFeed = cells["feed"].cell_contents
    return feed


def hollow_edge(
    number: int, moment: int = 0, *, zones: int = 2, edges: int = 40, kind: NodeKind = NodeKind.EDGE
) -> NodeReport:
    """A node behind which nobody is, as it is at a moment."""
    name = NodeId(f"{kind.value}-{number}")
    zone = number % zones
    info = NodeInfo(
        node=name,
        kind=kind,
        version="1",
        region=f"region-{zone % 5}",
        zone=f"zone-{zone}",
        admin_address="192.0.2.1:9100",
        incarnation=f"{name}/1",
    )
    streams = [(number * 7 + at) % 20 for at in range(5)]
    carried = tuple(CarriedStream(app=APP, stream=StreamId(f"s{one}"), viewers=(moment + one) % 50) for one in streams)
    trouble = StreamTrouble(app=APP, stream=StreamId(f"s{streams[0]}"), trouble=Trouble.PACKET_LOSS, viewers=2)
    parent = NodeId(f"edge-{max(0, number - edges // 2)}")
    troubles = (trouble,) if (number + moment) % 5 == 0 else ()
    return NodeReport(
        info=info,
        load=NodeLoad(cpu=(moment * 7 + number) % 90 / 100, sessions=moment % 500, streams=5),
        ready=True,
        carried=carried if kind is NodeKind.EDGE else (),
        condition=Condition(links=(RelayLink(parent=parent, tracks=10, streams=5),), troubles=troubles, suffering=2),
    )


class Restless:
    """What happens, step by step. Whatever there is at one time has a bound, and nothing stays for long."""

    def __init__(self, c: WireCluster, *, edges: int = 40, streams: int = 20) -> None:
        self._c = c
        self._feed = feed_of(c)
        self._edges = deque(range(edges))
        self._next_edge = edges
        self._streams: deque[str] = deque()
        self._most_streams = streams
        self._next_stream = itertools.count()
        self._place = itertools.count(1)
        self.changes = 0
        """How much has changed so far."""

    @property
    def newest(self) -> str:
        """The node that came last."""
        return f"edge-{self._edges[-1]}"

    async def step(self, moment: int) -> None:
        """All nodes say something new, one of them is another one, and so is one of the streams."""
        directory = self._c.host.directory
        gone = self._edges.popleft()
        directory.left(NodeLeft(node=NodeId(f"edge-{gone}"), kind=NodeKind.EDGE))
        self._edges.append(self._next_edge)
        self._next_edge += 1
        for number in self._edges:
            directory.heard(hollow_edge(number, moment))
        await self._another_stream()
        self._feed.happened([Happened(next(self._place), 0, one) for one in self._events(moment, gone)])
        self.changes += len(self._edges) + 8
        await asyncio.sleep(ROUND_S)

    async def _another_stream(self) -> None:
        name = f"s{next(self._next_stream) % 1_000}"
        await self._c.go_live(name, app=APP)
        self._streams.append(name)
        if len(self._streams) > self._most_streams:
            bucket = self._c.host.buckets[subjects.BUCKET_STREAMS]
            await bucket.delete(stream_key(APP, StreamId(self._streams.popleft())))

    def _events(self, moment: int, gone: int) -> list[ClusterEvent]:
        edge, at = self.newest, 1_800_000_000_000 + moment * 1_000
        move = SessionMove(at_ms=at, left=f"edge-{gone}", why="node_gone", node=edge)
        fate = SessionFate(id=f"join-{moment}", role=Role.PLAY, mark=f"{moment:016x}", moves=1, trail=(move,))
        stream = self._streams[-1]
        return [
            ClusterEvent(kind=EventKind.NODE_LEFT, at_ms=at, node=f"edge-{gone}", node_kind=NodeKind.EDGE, why="gone"),
            ClusterEvent(kind=EventKind.NODE_JOINED, at_ms=at, node=edge, node_kind=NodeKind.EDGE),
            ClusterEvent(kind=EventKind.STREAM_STARTED, at_ms=at, app=APP, stream=stream, node="origin-1"),
            ClusterEvent(kind=EventKind.VIEWER_MOVED, at_ms=at, app=APP, stream="s1", node=edge, session=fate),
            ClusterEvent(kind=EventKind.VIEWER_LEFT, at_ms=at, app=APP, stream="s1", node=edge, session=fate),
        ]

    async def until(self, changes: int) -> None:
        """Let so much change."""
        moment = self.changes
        while self.changes < changes:
            moment += 1
            await self.step(moment)


@asynccontextmanager
async def restless(monkeypatch: pytest.MonkeyPatch, **settings: object) -> AsyncIterator[tuple[WireCluster, Restless]]:
    """An instance whose feed makes a round as soon as the last one is told."""
    monkeypatch.setattr(live_feed, "TICK_S", ROUND_S)
    monkeypatch.setattr(live_feed, "RESTS", 0)
    async with wire_cluster(**settings) as c:
        yield c, Restless(c)
