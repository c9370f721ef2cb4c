"""How a server does, as dashboards ask for it: samples over time, nodes that died, what is asked too often."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId
from rillcast.contracts.messages import CarriedStream, MachineMemory, NodeLoad, NodeReport, TreePlace
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import EXPIRY_S, NodeDirectory
from rillcast.runtime.telemetry.kept_lines import kept
from rillcast.testing.clock import FakeClock
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.psutil_machine import PsutilMachine
from services.signaling.rest.domain.cluster_shapes import carriers, cluster_node, described, node_status
from services.signaling.rest.domain.refusal import Refused
from services.signaling.rest.domain.system import LogPage
from services.signaling.rest.ports import Traffic
from services.signaling.rest.usecases import histories, node_book, system
from services.signaling.rest.usecases.histories import Histories
from services.signaling.rest.usecases.node_book import DEAD_S, NodeBook
from services.signaling.rest.usecases.system import COLLECT_EVERY_S, System
from tests.unit.signaling.fake_nodes import info

LIVE, OTHER = AppName("live"), AppName("other")


class FakeStreams:
    def __init__(self) -> None:
        self.live: list[Any] = []

    def all(self) -> Iterable[LiveStream]:
        return self.live

    def go_live(self, app: AppName, stream: str) -> None:
        self.live.append(SimpleNamespace(app=app, stream=stream))


class FakeAudience:
    def viewers(self, app: AppName, stream: str) -> int:
        return 3

    def viewers_of_app(self, app: AppName) -> int:
        return 7 if app == LIVE else 0


class SlowNetwork(PsutilMachine):
    """Whose network cards count what a test says."""

    def __init__(self) -> None:
        self.counted = Traffic(0, 0)
        super().__init__()

    def traffic(self) -> Traffic:
        return self.counted


class Site:
    def __init__(self) -> None:
        self.clock, self.machine, self.streams = FakeClock(), SlowNetwork(), FakeStreams()
        self.apps = [LIVE, OTHER]
        self.answer_s: float | None = 0.004
        self.histories = Histories(
            self.machine,
            self.streams,  # type: ignore[arg-type]
            FakeAudience(),
            apps=lambda: self.apps,
            answer_s=self._answer,
            clock=self.clock,
        )
        self.log = kept()
        self.system = System(
            NodeId("signaling-1"),
            "9",
            self.machine,
            self.histories,
            streams=self.streams,  # type: ignore[arg-type]
            audience=FakeAudience(),
            apps=SimpleNamespace(settings=lambda app: app if app in self.apps else None),
            licenses=SimpleNamespace(status=None),
            log=self.log,
            clock=self.clock,
        )

    async def _answer(self) -> float:
        if self.answer_s is None:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the store is away")
        return self.answer_s


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_history_has_the_latest_values_and_no_more(site: Site) -> None:
    for number in range(histories.VALUES + 5):
        site.streams.go_live(LIVE, f"s{number}")
        await site.histories.sample()
        site.clock.advance(histories.EVERY_S)
    found = await site.system.history()
    assert len(found.live) == len(found.cpu) == len(found.db) == histories.VALUES
    assert (found.live[0], found.live[-1]) == (6, histories.VALUES + 5)
    assert all(0 <= value <= 100 for value in (*found.cpu, *found.mem, *found.disk, *found.heap))
    assert site.histories.store_ms == 4


async def test_traffic_is_that_between_two_samples(site: Site) -> None:
    await site.histories.sample()
    site.clock.advance(4.0)
    site.machine.counted = Traffic(sent=1_000_000, received=500_000)
    await site.histories.sample()
    network = await site.system.network()
    assert (network.outbound_mbps, network.inbound_mbps) == (2.0, 1.0)
    site.clock.advance(4.0)
    site.machine.counted = Traffic(0, 0)  # the counters began anew
    await site.histories.sample()
    assert (await site.system.network()).outbound_mbps == 0


async def test_what_the_store_does_not_answer_has_no_time_and_stops_nothing(site: Site) -> None:
    site.answer_s = None
    await site.histories.sample()
    assert (await site.system.history()).db == ()
    assert len((await site.system.history()).cpu) == 1
    assert site.histories.store_ms == 0


async def test_apps_have_a_history_from_their_begin_to_their_end(site: Site) -> None:
    site.streams.go_live(LIVE, "s1")
    await site.histories.sample()
    site.apps = [LIVE]
    for _ in range(histories.APPS_EACH):
        await site.histories.sample()
    found = await site.system.app_history(LIVE)
    assert (found.viewers, found.streams) == ((7, 7), (1, 1))
    with pytest.raises(Refused, match="no app"):
        await site.system.app_history(OTHER)


async def test_streams_and_viewers_are_those_of_the_cluster(site: Site) -> None:
    for stream in ("s1", "s2"):
        site.streams.go_live(LIVE, stream)
    resources, clients = await site.system.resources(), await site.system.live_clients()
    assert (clients.total_live_stream_size, clients.total_connection_size) == (2, 8)
    assert (resources.local_live_streams, resources.local_webrtc_viewers) == (2, 6)
    assert b'"license"' not in msgspec.json.encode(resources)


async def test_a_collection_is_not_done_again_at_once(site: Site) -> None:
    assert await site.system.collect() == Result(success=True)
    site.clock.advance(COLLECT_EVERY_S - 1)
    assert await site.system.collect() == system.TOO_SOON
    site.clock.advance(1)
    assert await site.system.collect() == Result(success=True)


async def test_the_log_is_shown_by_its_kind_and_in_bounds(site: Site) -> None:
    assert await site.system.log(-1, 100, "error") == system.NO_LOG
    site.log.all.keep("x" * 99)
    assert await site.system.log(-1, 10**12, "null") == LogPage(
        log_content="x" * 99 + "\n", log_content_size=100, log_file_size=100
    )
    assert await site.system.log(0, 10, "ERROR") == system.NO_LOG
    with pytest.raises(Refused, match="logType"):
        await site.system.log(0, 10)


def test_what_the_machine_says_fits_together() -> None:
    machine = PsutilMachine()
    memory, own, disk, time = machine.memory(), machine.process_memory(), machine.disk(), machine.time()
    assert memory.in_use_memory + memory.free_memory == memory.total_memory
    assert own.in_use_memory + own.free_memory == own.total_memory > own.in_use_memory > 0
    assert disk.in_use_space + disk.free_space == disk.total_space
    assert time.up_time >= 0 and time.start_time > 1_600_000_000_000
    threads = machine.threads()
    assert threads.thread_peak_count >= threads.thread_count >= 1
    assert {one.thread_id for one in machine.thread_states()}
    assert "test_what_the_machine_says_fits_together" in machine.thread_dump()


# ---- nodes


def report(name: str = "edge-1", **fields: Any) -> NodeReport:
    return msgspec.structs.replace(
        NodeReport(info=info(name, NodeKind.EDGE), load=NodeLoad(cpu=0.256), ready=True), **fields
    )


class Book:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.directory = NodeDirectory(clock=self.clock)
        self.book = NodeBook(self.directory, self.clock)

    def states(self) -> dict[str, bool]:
        return {one.report.info.node: one.alive for one in self.book.all()}


def test_a_node_that_died_is_shown_for_a_while_and_one_that_left_is_not() -> None:
    site = Book()
    for name in ("edge-1", "edge-2", "edge-3"):
        site.directory.heard(report(name))
    site.directory.left(SimpleNamespace(node=NodeId("edge-2")))  # type: ignore[arg-type]
    site.clock.advance(EXPIRY_S + 1)
    site.directory.heard(report("edge-3", beat=1))
    site.directory.expire()
    assert site.states() == {"edge-1": False, "edge-3": True}
    site.clock.advance(DEAD_S)
    site.directory.heard(report("edge-3", beat=2))
    assert site.states() == {"edge-3": True}


def test_a_node_that_comes_back_is_alive_and_one_that_is_forgotten_is_gone() -> None:
    site = Book()
    for name in ("edge-1", "edge-2"):
        site.directory.heard(report(name))
    site.clock.advance(EXPIRY_S + 1)
    site.directory.expire()
    assert site.states() == {"edge-1": False, "edge-2": False}
    site.directory.heard(report("edge-1", beat=1))
    assert site.states() == {"edge-1": True, "edge-2": False}
    assert not site.book.forget(NodeId("edge-1"))
    assert site.book.forget(NodeId("edge-2"))
    assert site.states() == {"edge-1": True}


def test_of_many_that_died_the_first_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_book, "MOST_DEAD", 2)
    site = Book()
    for name in ("edge-1", "edge-2", "edge-3"):
        site.directory.heard(report(name))
        site.clock.advance(EXPIRY_S + 1)
        site.directory.expire()
    assert site.states() == {"edge-2": False, "edge-3": False}


def test_a_node_has_numbers_that_a_panel_can_read() -> None:
    site = Book()
    carried = (CarriedStream(app=LIVE, stream="s1", viewers=4), CarriedStream(app=LIVE, stream="s2", viewers=1))  # type: ignore[arg-type]
    site.directory.heard(report(carried=carried, memory=MachineMemory(used_mb=512, total_mb=2_048)))
    (booked,) = site.book.all()
    shown = cluster_node(booked, "")
    assert (shown.cpu, shown.memory, shown.status, shown.streams, shown.viewers) == ("26", "512/2048", "alive", 2, 5)
    assert shown.note == described(booked) == "edge ready"
    assert cluster_node(booked, "in the cellar").note == "in the cellar"
    assert shown.last_update_time == int(site.clock() * 1000)


def test_who_carries_a_stream_is_told_with_its_place_in_the_tree() -> None:
    carried = (CarriedStream(app=LIVE, stream="s1", viewers=4),)  # type: ignore[arg-type]
    tree = TreePlace(parents=(NodeId("origin-1"),), level=1, children=2)
    near = report("edge-1", carried=carried, tree=tree)
    far = report("edge-2", carried=carried, tree=msgspec.structs.replace(tree, level=2, parents=(NodeId("edge-1"),)))
    found = carriers([far, near, report("edge-3")])
    assert list(found) == [(LIVE, "s1")]
    assert {(one.node, one.level, one.parents) for one in found[(LIVE, "s1")]} == {
        ("edge-1", 1, ("origin-1",)),
        ("edge-2", 2, ("edge-1",)),
    }
    site = Book()
    site.directory.heard(near)
    status = node_status(site.book.all()[0], "x")
    assert (status.tree, status.viewers, status.note, status.state) == (tree, 4, "x", "ready")
