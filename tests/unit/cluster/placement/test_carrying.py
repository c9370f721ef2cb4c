"""Which edges have a stream already, and how many viewers it has there."""

from __future__ import annotations

from placement_reports import LIVE, STREAM, report

from rillcast.cluster.placement import Carriers
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.words import NodeKind

KEY = (LIVE, STREAM)


def test_carriers_count_viewers_over_all_edges() -> None:
    carriers = Carriers()

    for said in (report("e1", carries=2), report("e2", carries=3), report("e3")):
        carriers.heard(said)

    assert set(carriers.nodes(KEY)) == {"e1", "e2"}
    assert carriers.viewers(LIVE, STREAM) == carriers.viewers_of_app(LIVE) == 5


def test_origins_have_no_viewers() -> None:
    carriers = Carriers()

    assert carriers.heard(report("o1", carries=7, kind=NodeKind.ORIGIN)) == ([], [])

    assert carriers.viewers(LIVE, STREAM) == 0


def test_a_heartbeat_tells_what_has_changed_since_the_last_one() -> None:
    carriers = Carriers()

    assert carriers.heard(report("e1", carries=2)) == ([KEY], [])
    assert carriers.heard(report("e1", carries=3)) == ([], [])
    assert carriers.viewers(LIVE, STREAM) == 3
    assert carriers.heard(report("e1")) == ([], [KEY])


def test_an_edge_that_no_longer_has_the_stream_or_is_gone_is_forgotten() -> None:
    carriers = Carriers()
    for name in ("e1", "e2", "e3"):
        carriers.heard(report(name, carries=2))

    carriers.heard(report("e1"))
    carriers.gone(NodeId("e3"))

    assert set(carriers.nodes(KEY)) == {"e2"}
    assert carriers.viewers(LIVE, STREAM) == carriers.viewers_of_app(LIVE) == 2


def test_an_edge_with_no_viewer_of_the_stream_has_it_all_the_same() -> None:
    carriers = Carriers()

    carriers.heard(report("e2", carries=0))

    assert set(carriers.nodes(KEY)) == {"e2"}


def test_what_nobody_carries_has_no_nodes_and_no_viewers() -> None:
    carriers = Carriers()

    assert not carriers.nodes((AppName("other"), StreamId("none")))
    assert carriers.viewers(AppName("other"), StreamId("none")) == carriers.viewers_of_app(AppName("other")) == 0
