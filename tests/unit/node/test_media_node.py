"""What every node with a media plane does around its own work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import (
    CarriedStream,
    Condition,
    NodeInfo,
    NodeLeft,
    NodeLoad,
    RestartIceRequest,
    TreePlace,
)
from rillcast.contracts.words import NodeKind
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SourceId
from rillcast.node import metrics
from rillcast.node.events import PlaneEvents
from rillcast.node.ice import restart_ice
from rillcast.node.media_node import MediaNode, MediaThreadFailed
from rillcast.runtime.errors import NodeFault
from rillcast.runtime.process.departure import Departure, Leaves
from rillcast.runtime.process.draining import Hook
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.settings import MediaSettings
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import within
from rillcast.testing.kv import FakeKeyValue
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys

STATS = protocol.WorkerStats(
    worker=0,
    busy=0.45,
    loop_lag_ms=0.0,
    packets_in=0,
    packets_out=0,
    bytes_in=0,
    bytes_out=0,
    sessions=0,
    half_open=0,
    counters={},
)


class Bench:
    """A media node on fakes."""

    def __init__(self, clock: Callable[[], float], workers: int = 1) -> None:
        self.bus = FakeBus()
        self.plane = FakePlane(workers)
        events = PlaneEvents()
        self.plane.on_event = events
        info = NodeInfo(
            node=NodeId("n"),
            kind=NodeKind.EDGE,
            version="1",
            admin_address="127.0.0.1:1",
            media_addresses=("192.0.2.1",),
            relay_address="192.0.2.1",
            incarnation="i",
        )
        self.node = MediaNode(
            MediaSettings(node_id="n", max_sessions=1),
            info,
            plane=self.plane,
            events=events,
            bus=self.bus,
            streams=FakeKeyValue("streams", 6.0, clock),
            renditions=FakeKeyValue("renditions", 6.0, clock),
            relay_keys=PlainRelayKeys(),
            clock=clock,
        )


class Process:
    """A `Host` that drains when told to."""

    def __init__(self) -> None:
        self.readiness = Readiness()
        self.reported: list[tuple[NodeLoad, tuple[CarriedStream, ...]]] = []
        self.stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._parts: list[Leaves] = []

    def spawn(self, work: Coroutine[None, None, None], name: str) -> object:
        self._tasks.append(asyncio.create_task(work, name=name))
        return None

    def empties(self, part: Leaves) -> None:
        self._parts.append(part)

    def report_load(
        self,
        load: NodeLoad,
        carried: Iterable[CarriedStream] = (),
        tree: TreePlace | None = None,
        condition: Condition | None = None,
    ) -> None:
        self.reported.append((load, tuple(carried)))

    def failures(self) -> list[BaseException | None]:
        """How what was spawned and does not run any more ended."""
        return [task.exception() for task in self._tasks if task.done()]

    async def first_failure(self) -> BaseException | None:
        """Of what was spawned."""
        async with within(5, "the end of a task of the node"):
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().exception()

    async def until_stopped(self) -> None:
        await self.stopped.wait()
        for part in self._parts:
            await part.leave(Departure(10.0, ending=True, elsewhere=lambda: True, clock=lambda: 0.0))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench(FakeClock())
    yield made
    await made.bus.close()


class Living:
    """A node with two media threads that is up, on the time of its event loop and what it stood still."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.stood_still_s = 0.0
        self.bench = Bench(lambda: loop.time() + self.stood_still_s, workers=2)
        self.process = Process()
        self._living = asyncio.create_task(
            self.bench.node.live(self.process, report=lambda: (NodeLoad(), (), None, None), leaving=Hook(self._drain))
        )

    async def passes(self, seconds: float, speaking: Iterable[int] = ()) -> None:
        """Time in which some media threads go on sending their figures."""
        for _ in range(int(seconds)):
            await asyncio.sleep(0.5)
            for worker in speaking:
                self.bench.plane.emit(msgspec.structs.replace(STATS, worker=worker))
            await asyncio.sleep(0.5)

    async def stop(self) -> None:
        self.process.stopped.set()
        await self._living
        await self.bench.bus.close()

    async def _drain(self) -> None:
        pass


@pytest.fixture
async def living() -> AsyncIterator[Living]:
    made = Living()
    await asyncio.sleep(0.25)  # no look of the node falls together with the end of a time that passes
    yield made
    await made.stop()


async def test_the_planes_figures_become_load_and_are_nobody_elses_business(bench: Bench) -> None:
    heard: list[protocol.Event] = []
    bench.node.on_event(heard.append)

    bench.plane.emit(STATS)

    assert bench.node.load.report(0).cpu == pytest.approx(0.5)
    assert heard == []


async def test_what_the_plane_has_is_in_the_metrics(bench: Bench) -> None:
    bench.plane.emit(msgspec.structs.replace(STATS, sessions=3, half_open=2, sources=5))

    gauges = (metrics.SESSIONS, metrics.HALF_OPEN, metrics.SOURCES)
    assert [gauge.labels("0")._value.get() for gauge in gauges] == [3, 2, 5]


async def test_one_kind_of_event_may_have_its_own_way(bench: Bench) -> None:
    heard: list[protocol.Event] = []
    apart: list[protocol.SessionMedia] = []
    bench.node.on_event(heard.append)
    bench.node.on(protocol.SessionMedia, apart.append)

    bench.plane.emit(protocol.SessionMedia(session=PlaneSession(1)))
    bench.plane.emit(protocol.SourceStarted(source=SourceId(2)))

    assert (apart, heard) == (
        [protocol.SessionMedia(session=PlaneSession(1))],
        [protocol.SourceStarted(source=SourceId(2))],
    )


async def test_a_refused_command_is_counted_and_heard(bench: Bench) -> None:
    heard: list[protocol.Event] = []
    bench.node.on_event(heard.append)
    counter = metrics.COMMANDS_FAILED.labels("add_relay")
    before = counter._value.get()

    bench.plane.emit(protocol.Error(command="add_relay", id=3, message="no such source"))

    assert counter._value.get() == before + 1
    assert [type(event) for event in heard] == [protocol.Error]


async def test_a_full_node_and_one_that_goes_away_send_newcomers_elsewhere(bench: Bench) -> None:
    bench.node.room("edge")
    bench.node.load.joined(0)
    with pytest.raises(RillcastError, match="this edge is full: all 1 sessions") as full:
        bench.node.room("edge")
    bench.node.draining = True
    with pytest.raises(RillcastError, match="going away") as leaving:
        bench.node.room("edge")

    assert full.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert leaving.value.code is ErrorCode.NO_NODE_AVAILABLE


async def test_a_part_that_fails_ends_the_whole_and_its_background_tasks(bench: Bench) -> None:
    background = bench.node.tasks.start(asyncio.sleep(3_600), "long")

    def tick() -> None:
        raise ZeroDivisionError

    bench.node.every(0.01, tick)
    with pytest.raises(ExceptionGroup) as failure:
        await bench.node.run()

    assert failure.group_contains(ZeroDivisionError)
    assert background.cancelled()


async def test_a_node_reports_drains_and_says_its_last_words(bench: Bench) -> None:
    process = Process()
    seen: list[bool] = []
    carried = (CarriedStream(app=AppName("live"), stream=StreamId("s"), viewers=2),)

    async def drain() -> None:
        seen.append(bench.node.draining)
        bench.node.outbox.put("rc.v1.node.left", NodeLeft(node=NodeId("n"), kind=NodeKind.EDGE))

    def report() -> tuple[NodeLoad, tuple[CarriedStream, ...], TreePlace | None, Condition | None]:
        return NodeLoad(streams=1), carried, None, None

    living = asyncio.create_task(bench.node.live(process, report=report, leaving=Hook(drain)))
    async with within(5, "the report of the load"):
        while not process.reported:
            await asyncio.sleep(0)
    process.stopped.set()
    await living

    assert process.reported[0] == (NodeLoad(streams=1), carried)
    assert seen == [True]
    assert [subject for subject, _ in bench.bus.emitted] == ["rc.v1.node.left"]


async def test_a_handler_that_fails_is_known_to_the_node_and_the_next_event_is_heard(bench: Bench) -> None:
    process, heard = Process(), list[protocol.Event]()

    def fail_once(event: protocol.Event) -> None:
        heard.append(event)
        if len(heard) == 1:
            raise ZeroDivisionError

    async def drain() -> None:
        pass

    bench.node.on_event(fail_once)
    living = asyncio.create_task(
        bench.node.live(process, report=lambda: (NodeLoad(), (), None, None), leaving=Hook(drain))
    )
    await asyncio.sleep(0)
    started = [protocol.SourceStarted(source=SourceId(number)) for number in (1, 2)]
    with pytest.raises(ZeroDivisionError):
        bench.plane.emit(*started)
    failed = await process.first_failure()
    process.stopped.set()
    await living

    assert isinstance(failed, ZeroDivisionError)
    assert heard == started


async def test_a_media_thread_that_ends_ends_the_node(bench: Bench) -> None:
    with pytest.raises(MediaThreadFailed, match="media thread 1"):
        bench.plane.emit(protocol.WorkerFailed(worker=1))
    with pytest.raises(MediaThreadFailed):
        await bench.plane.until_failure()


async def test_media_threads_that_go_on_leave_the_node_ready(living: Living) -> None:
    await living.passes(60, speaking=(0, 1))
    assert living.process.readiness.ready
    assert living.process.failures() == []


async def test_a_media_thread_that_is_late_costs_readiness_and_no_more(living: Living) -> None:
    await living.passes(5, speaking=(0,))
    assert living.process.readiness.sentence() == "media threads: media thread 1 has said nothing for 5 s"
    await living.passes(3, speaking=(0, 1))
    assert living.process.readiness.ready
    assert living.process.failures() == []


async def test_a_media_thread_that_hangs_ends_the_node(living: Living) -> None:
    await living.passes(12, speaking=(0,))
    assert not living.process.readiness.ready
    (failure,) = living.process.failures()
    assert isinstance(failure, MediaThreadFailed)
    assert str(failure) == "media thread 1 has said nothing for 10 s"
    assert isinstance(failure, NodeFault), "the supervisor logs one line and no traceback"


async def test_a_process_that_stood_still_does_not_blame_its_media_threads(living: Living) -> None:
    await living.passes(3, speaking=(0, 1))
    living.stood_still_s = 60.0
    await living.passes(3)
    assert living.process.readiness.ready
    await living.passes(60, speaking=(0, 1))
    assert living.process.readiness.ready
    assert living.process.failures() == []


async def test_an_ice_restart_gives_both_sides_what_the_other_needs(bench: Bench) -> None:
    request = RestartIceRequest(session=SessionId("s"), remote_ufrag="theirs", remote_pwd="p" * 22)

    answer = restart_ice(bench.plane, PlaneSession(7), bench.node.addresses.transport(0), request)

    (command,) = bench.plane.of(protocol.RestartIce)
    assert (command.session, command.ice.remote_ufrag) == (7, "theirs")
    assert (answer.local_ufrag, answer.local_pwd) == (command.ice.local_ufrag, command.ice.local_pwd)
    assert "192.0.2.1 50000" in answer.candidates[0]
