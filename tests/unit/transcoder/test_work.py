"""A second kind of work: everything about claims, feeds, overload and moving holds for any kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import LADDER, AppName, JobKind, NodeId, TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import AddRelaySource, ClockSeen, RemoveSource, RequestKeyframe, SourceId, Tap
from rillcast.testing.eventually import eventually
from services.transcoder.domain.overuse_detector import CALM_S, WINDOW_S
from services.transcoder.ports import StartCodecs
from services.transcoder.usecases.work import Host, Intake, Order, OrderRefused, WorkKind
from tests.unit.transcoder import cluster as fakes
from tests.unit.transcoder.cluster import AUDIO, SIZED, Cluster, TestNode

TALLY = JobKind("tally")
NOTICED_S = CALM_S + WINDOW_S + 2.0
"""Overload, or the death of a node."""


class Tally:
    """`work.Work` that counts packets of the source. It has two parts until it is told to do without one."""

    def __init__(self, host: Host, node: Tallies) -> None:
        self._host = host
        self._node = node
        self.parts = 0
        self.shed_to = 2
        self.packets = 0
        self.closed = False
        self.feeds = 0

    tracks: tuple[TrackRecord, ...] = ()
    cpu_s = 0.0

    def update(self, live: LiveStream, source: TrackRecord) -> None:
        pass

    async def step(self, now: float) -> Intake:
        self.parts = self.shed_to if self._node.wanted else 0
        return Intake.PACKETS if self._node.wanted else Intake.NOTHING

    def progress(self) -> tuple[int, int]:
        return (10, 90) if self._node.slow else (100, 0)

    def shed(self, now: float) -> None:
        self.shed_to -= 1

    def on_packet(self, data: bytes) -> None:
        self.packets += 1

    def on_size(self, width: int, height: int) -> None:
        pass

    def on_clock(self, seen: ClockSeen) -> None:
        pass

    def on_feed_replaced(self) -> None:
        self.feeds += 1
        self._host.want_keyframe()

    def on_keyframe_wanted(self, source: SourceId) -> None:
        pass

    def makes(self, track: TrackId) -> bool:
        return False

    def source_of(self, track: TrackId) -> SourceId:
        raise AssertionError("it has no tracks")

    async def close(self) -> None:
        self.closed = True


class Tallies:
    """`work.WorkKind`: tallies of the audio of every stream that has some."""

    kind = TALLY

    def __init__(self) -> None:
        self.wanted = True
        self.slow = False
        self.works: list[Tally] = []
        self.ordered = True
        self.changed: list[Callable[[AppName], None]] = []

    def order(self, live: LiveStream) -> Order | None:
        if not self.ordered:
            return None
        audio = [track for track in live.record.tracks if track.kind == "audio"]
        if not audio:
            raise OrderRefused("there is no audio")
        return Order(audio[0], "all of it")

    def start(self, host: Host, live: LiveStream, order: Order, worker: int) -> Tally:
        self.works.append(Tally(host, self))
        return self.works[-1]

    def on_change(self, listener: Callable[[AppName], None]) -> None:
        self.changed.append(listener)


class TallyCluster(Cluster):
    """Its nodes tally, too."""

    def __init__(self, lease_s: float = 2.0, codecs: StartCodecs | None = None) -> None:
        super().__init__(lease_s, codecs)
        self.tallies: dict[NodeId, Tallies] = {}

    def kinds_for(self, node: TestNode) -> tuple[WorkKind, ...]:
        self.tallies[node.name] = Tallies()
        return (self.tallies[node.name],)

    async def owner(self) -> NodeId | None:
        record = await self.rendition(kind=TALLY)
        return record.owner if record else None

    async def moves_to(self, node: TestNode) -> None:
        """Wait until the node has the tally."""

        async def moved() -> bool:
            return await self.owner() == node.name

        await eventually(moved, NOTICED_S, f"the move to {node.name}")


@asynccontextmanager
async def tallying(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TallyCluster]:
    monkeypatch.setattr(fakes, "Cluster", TallyCluster)
    async with fakes.cluster() as around:
        assert isinstance(around, TallyCluster)
        yield around


async def test_two_kinds_of_work_on_one_stream_have_leases_feeds_and_orders_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with tallying(monkeypatch) as around:
        node = await around.node()
        tallies = around.tallies[node.name]
        await around.ladder(*fakes.LADDER)
        await around.publish(SIZED, AUDIO)
        await eventually(around.owner)
        assert (await around.announced()).kind == LADDER
        assert node.running.held == 2

        await eventually(lambda: node.plane.of(Tap))
        (tally,) = tallies.works
        (fed,) = node.plane.of(AddRelaySource)
        assert (fed.kind, tally.feeds) == ("audio", 1)
        assert node.plane.of(RequestKeyframe)[0].source == fed.source
        node.running.on_packet(fed.source, b"packet")
        assert tally.packets == 1

        tallies.ordered = False
        for listener in tallies.changed:
            listener(fakes.APP)
        await eventually(lambda: tally.closed)
        assert node.plane.of(RemoveSource) == [RemoveSource(source=fed.source)]
        assert await around.rendition(kind=TALLY) is None
        assert await around.rendition() is not None


async def test_work_that_needs_nothing_gives_its_source_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with tallying(monkeypatch) as around:
        node = await around.node()
        await around.publish(SIZED, AUDIO)
        await eventually(lambda: node.plane.of(Tap))
        around.tallies[node.name].wanted = False
        await eventually(lambda: around.closed)
        assert await around.owner() == node.name
        around.tallies[node.name].wanted = True
        await eventually(lambda: len(node.plane.of(Tap)) == 2)


async def test_too_much_work_is_shed_and_then_moves_to_a_node_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async with tallying(monkeypatch) as around:
        first = await around.node()
        await around.publish(SIZED, AUDIO)
        await eventually(lambda: first.plane.of(Tap))
        (tally,) = around.tallies[first.name].works
        around.tallies[first.name].slow = True
        await eventually(lambda: tally.shed_to == 1, NOTICED_S)
        assert await around.owner() == first.name, "nobody else has room"
        second = await around.node("transcoder-2")
        await around.moves_to(second)
        assert tally.closed
        assert first.running.held == 0


async def test_work_of_a_dead_or_draining_node_goes_on_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with tallying(monkeypatch) as around:
        nodes = [await around.node("transcoder-1")]
        await around.publish(SIZED, AUDIO)
        await eventually(around.owner)
        nodes += [await around.node(name) for name in ("transcoder-2", "transcoder-3")]
        await nodes[0].kill()

        async def next_owner() -> NodeId | None:
            owner = await around.owner()
            return owner if owner != nodes[0].name else None

        owner = await eventually(next_owner)
        (drained,) = [node for node in nodes if node.name == owner]
        await drained.jobs.drain()
        (last,) = [node for node in nodes[1:] if node is not drained]
        await around.moves_to(last)


async def test_a_stream_that_can_not_be_worked_on_is_refused_in_words_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with tallying(monkeypatch) as around:
        node = await around.node()
        await around.publish(SIZED)
        await eventually(lambda: node.watch.get(fakes.APP, fakes.STREAM))
        for _ in range(3):
            node.jobs.look(fakes.KEY)
        assert caplog.text.count("A stream can't be worked on") == 1
        assert node.running.held == 0
