"""Counting the edges of each zone."""

from __future__ import annotations

from rillcast.cluster.placement.nearness import Place
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.node.zone_sizes import COUNTED_EVERY_S, ZoneSizes
from rillcast.testing.clock import FakeClock


def edge(number: int, zone: str) -> NodeReport:
    info = NodeInfo(
        node=NodeId(f"e{number}"), kind=NodeKind.EDGE, version="1", admin_address="x:1", incarnation="1", zone=zone
    )
    return NodeReport(info=info, load=NodeLoad(), ready=True)


def test_edges_are_counted_by_zone_once_a_second_however_many_ask() -> None:
    clock, counts = FakeClock(), 0
    reports = [edge(1, "a"), edge(2, "a"), edge(3, "b"), edge(4, "")]

    def edges() -> list[NodeReport]:
        nonlocal counts
        counts += 1
        return reports

    sizes = ZoneSizes(edges, clock)
    for _ in range(100):
        assert [sizes.at(Place("", zone)) for zone in ("a", "b", "c", "")] == [2, 1, 0, 0]
    assert counts == 1
    del reports[0]
    assert sizes.at(Place("", "a")) == 2
    clock.advance(COUNTED_EVERY_S)
    assert sizes.at(Place("", "a")) == 1
