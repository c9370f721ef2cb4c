"""The directory of live nodes, on a clock that tests turn."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import (
    NodeInfo,
    NodeLeft,
    NodeLoad,
    NodeReport,
)
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import EXPIRY_S, LOAD_COUNTS_S, SUCCESSION_S, NodeDirectory
from rillcast.runtime.discovery.judging import Gone
from rillcast.testing.clock import FakeClock
from rillcast.testing.discovery import FakeDiscovery


def report(
    node: str, kind: NodeKind = NodeKind.EDGE, *, ready: bool = True, incarnation: str = "1", cpu: float = 0.0
) -> NodeReport:
    info = NodeInfo(node=NodeId(node), kind=kind, version="0", admin_address="127.0.0.1:1", incarnation=incarnation)
    return NodeReport(info=info, load=NodeLoad(cpu=cpu), ready=ready)


class Setting:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hearing = 1
        self.directory = NodeDirectory(clock=self.clock, hearing=lambda: self.hearing)
        self.gone: list[str] = []
        self.directory.on_gone(lambda last: self.gone.append(last.info.node))


def test_the_latest_report_counts() -> None:
    setting = Setting()
    setting.directory.heard(report("e1", cpu=0.1))
    setting.directory.heard(report("e1", cpu=0.7))
    setting.directory.heard(report("o1", NodeKind.ORIGIN))
    assert {n: r.load.cpu for n, r in setting.directory.nodes(NodeKind.EDGE).items()} == {"e1": 0.7}


def test_a_silent_node_is_gone_after_five_seconds() -> None:
    setting = Setting()
    setting.directory.heard(report("e1"))
    setting.clock.advance(EXPIRY_S)
    assert setting.directory.alive(NodeId("e1"))
    setting.clock.advance(0.1)
    assert not setting.directory.alive(NodeId("e1"))
    assert setting.gone == ["e1"]


def test_a_goodbye_counts_at_once_and_once() -> None:
    setting = Setting()
    setting.directory.heard(report("e1"))
    for _ in range(2):
        setting.directory.left(NodeLeft(node=NodeId("e1"), kind=NodeKind.EDGE))
    assert setting.directory.nodes(NodeKind.EDGE) == {}
    assert setting.gone == ["e1"]


def test_nobody_is_gone_while_the_bus_is_not_heard() -> None:
    setting = Setting()
    setting.directory.heard(report("e1"))
    setting.hearing = 0
    setting.directory.expire()
    setting.clock.advance(60)
    assert setting.directory.alive(NodeId("e1"))
    setting.hearing = 2
    setting.directory.expire()
    setting.clock.advance(EXPIRY_S - 0.1)
    assert setting.directory.alive(NodeId("e1"))
    setting.clock.advance(0.2)
    assert not setting.directory.alive(NodeId("e1"))


def test_nobody_is_gone_by_a_silence_of_the_bus_that_was_over_before_anybody_asked() -> None:
    setting = Setting()
    setting.directory.heard(report("e1"))
    setting.clock.advance(60)  # e.g. this process was frozen
    setting.hearing = 2
    assert setting.directory.alive(NodeId("e1"))
    setting.clock.advance(EXPIRY_S + 0.1)
    assert not setting.directory.alive(NodeId("e1"))


def test_a_restarted_node_was_gone_in_between() -> None:
    setting = Setting()
    setting.directory.heard(report("e1", incarnation="1"))
    setting.clock.advance(SUCCESSION_S + 0.1)
    assert setting.directory.heard(report("e1", incarnation="2"))
    assert setting.gone == ["e1"]
    assert setting.directory.alive(NodeId("e1"))


def test_a_second_process_under_an_id_is_none_while_the_first_one_speaks() -> None:
    setting = Setting()
    for _ in range(10):
        assert setting.directory.heard(report("e1", incarnation="1"))
        assert not setting.directory.heard(report("e1", incarnation="2"))
        setting.clock.advance(1.0)
    assert setting.gone == []
    assert [one.info.incarnation for one in setting.directory.all()] == ["1"]


def test_who_was_succeeded_does_not_come_back_while_its_successor_lives() -> None:
    for silent_s in (SUCCESSION_S + 0.1, EXPIRY_S + 0.1):
        setting = Setting()
        setting.directory.heard(report("e1", incarnation="1"))
        setting.clock.advance(silent_s)
        setting.directory.expire()
        assert setting.directory.heard(report("e1", incarnation="2"))
        setting.clock.advance(SUCCESSION_S + 0.1)
        assert not setting.directory.heard(report("e1", incarnation="1")), "the second one is only late"
        assert setting.directory.heard(report("e1", incarnation="2"))
        assert setting.gone == ["e1"]
        setting.directory.left(NodeLeft(node=NodeId("e1"), kind=NodeKind.EDGE))
        assert setting.directory.heard(report("e1", incarnation="1")), "nobody else has the id any more"


def test_only_ready_nodes_that_are_not_draining_are_placeable() -> None:
    setting = Setting()
    setting.directory.heard(report("ready"))
    setting.directory.heard(report("starting", ready=False))
    assert list(setting.directory.placeable(NodeKind.EDGE)) == ["ready"]


def test_a_load_report_older_than_three_seconds_places_nobody() -> None:
    setting = Setting()
    setting.directory.heard(report("e1"))
    setting.directory.heard(report("e2"))
    setting.clock.advance(LOAD_COUNTS_S)
    assert sorted(setting.directory.placeable(NodeKind.EDGE)) == ["e1", "e2"]
    setting.directory.heard(report("e2"))
    setting.clock.advance(0.1)
    assert list(setting.directory.placeable(NodeKind.EDGE)) == ["e2"]
    assert setting.directory.alive(NodeId("e1")), "it is given up later, and by its silence"
    setting.directory.heard(report("e1"))
    assert sorted(setting.directory.placeable(NodeKind.EDGE)) == ["e1", "e2"]


def test_a_node_that_answers_and_does_not_report_its_load_gets_no_new_work() -> None:
    setting = Setting()
    setting.directory.heard(report("e1"))
    for _ in range(4):
        setting.clock.advance(1.0)
        setting.directory.confirmed(report("e1").info)
    assert setting.directory.placeable(NodeKind.EDGE) == {}
    assert setting.directory.alive(NodeId("e1"))


def test_what_was_known_counts_while_the_bus_is_silent_and_a_moment_longer() -> None:
    setting = Setting()
    setting.directory.heard(report("e1"))
    setting.hearing = 0
    setting.clock.advance(60.0)
    assert list(setting.directory.placeable(NodeKind.EDGE)) == ["e1"]
    setting.hearing = 2
    assert list(setting.directory.placeable(NodeKind.EDGE)) == ["e1"]
    setting.clock.advance(LOAD_COUNTS_S + 0.1)
    assert setting.directory.placeable(NodeKind.EDGE) == {}


def test_a_node_that_fails_its_check_is_left_out_while_the_registry_answers() -> None:
    discovery = FakeDiscovery()
    directory = NodeDirectory(discovery)
    for node in ("e1", "e2"):
        directory.heard(report(node))
    discovery.add(report("e1").info)
    assert list(directory.nodes(NodeKind.EDGE)) == ["e1"]
    assert directory.alive(NodeId("e2"))
    discovery.reachable = False
    assert sorted(directory.nodes(NodeKind.EDGE)) == ["e1", "e2"]


def test_a_process_that_was_taken_for_gone_and_lives_is_told_of_once() -> None:
    setting = Setting()
    back: list[str] = []
    setting.directory.on_back(lambda report: back.append(report.info.node))
    setting.directory.heard(report("e1"))
    setting.clock.advance(EXPIRY_S + 0.1)
    setting.directory.expire()
    assert (setting.gone, back) == (["e1"], [])
    setting.directory.heard(report("e1"))
    setting.directory.heard(report("e1"))
    assert back == ["e1"]


def test_a_process_that_took_the_place_of_one_that_is_gone_is_not_back() -> None:
    setting = Setting()
    back: list[str] = []
    setting.directory.on_back(lambda report: back.append(report.info.node))
    setting.directory.heard(report("e1", incarnation="1"))
    setting.clock.advance(EXPIRY_S + 0.1)
    setting.directory.expire()
    setting.directory.heard(report("e1", incarnation="2"))
    setting.directory.left(NodeLeft(node=NodeId("e1"), kind=NodeKind.EDGE))
    setting.directory.heard(report("e1", incarnation="2"))
    assert back == []


def test_how_many_departed_nodes_are_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rillcast.runtime.discovery.directory.MOST_DEPARTED", 3)
    setting = Setting()
    for number in range(5):
        setting.directory.heard(report(f"e{number}"))
    setting.clock.advance(EXPIRY_S + 0.1)
    setting.directory.expire()
    assert len(setting.gone) == 5
    assert len(setting.directory._departed) == 3


@pytest.mark.parametrize(
    ("why", "ended"),
    [(Gone.LEFT, True), (Gone.DEAD, True), (Gone.MISSING, False), (Gone.FROZEN, False), (Gone.SILENT, False)],
)
def test_only_a_goodbye_and_its_machine_say_that_a_process_has_ended(why: Gone, ended: bool) -> None:
    setting = Setting()
    told: list[bool] = []
    setting.directory.on_gone(lambda last: told.append(setting.directory.has_ended(last.info)))
    setting.directory.heard(report("o1"))
    if why is Gone.LEFT:
        setting.directory.left(NodeLeft(node=NodeId("o1"), kind=NodeKind.EDGE))
    elif why is Gone.SILENT:
        setting.clock.advance(EXPIRY_S + 0.1)
        setting.directory.expire()
    else:
        setting.directory.given_up(report("o1").info, why)
    assert told == [ended]
    assert not setting.directory.has_ended(report("o1", incarnation="2").info)


def test_how_many_ended_processes_are_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rillcast.runtime.discovery.directory.MOST_DEPARTED", 2)
    setting = Setting()
    for number in range(3):
        setting.directory.heard(report(f"o{number}"))
        setting.directory.left(NodeLeft(node=NodeId(f"o{number}"), kind=NodeKind.EDGE))
    assert [setting.directory.has_ended(report(f"o{number}").info) for number in range(3)] == [False, True, True]
