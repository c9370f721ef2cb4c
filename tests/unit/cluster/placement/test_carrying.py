"""Which edges have a stream already, and how many viewers it has there."""

from __future__ import annotations

from placement_reports import LIVE, STREAM, report

from rillcast.cluster.placement.carrying import REFRESH_S, Carriers
from rillcast.contracts.ids import AppName, StreamId

NOW = 100.0


def test_carriers_count_viewers_over_all_edges() -> None:
    carriers = Carriers()

    carriers.gather([report("e1", carries=2), report("e2", carries=3), report("e3")], NOW)

    assert carriers.nodes(LIVE, STREAM) == {"e1", "e2"}
    assert carriers.viewers(LIVE, STREAM) == carriers.viewers_of_app(LIVE) == 5


def test_reports_are_gathered_at_most_as_often_as_they_come() -> None:
    carriers = Carriers()
    assert carriers.stale(NOW)

    carriers.gather([], NOW)

    assert not carriers.stale(NOW + REFRESH_S / 2)
    assert carriers.stale(NOW + REFRESH_S)


def test_an_edge_that_no_longer_has_the_stream_is_forgotten() -> None:
    carriers = Carriers()
    carriers.gather([report("e1", carries=2), report("e2", carries=0)], NOW)

    carriers.gather([report("e1"), report("e2", carries=0)], NOW + 1.0)

    assert carriers.nodes(LIVE, STREAM) == {"e2"}
    assert carriers.viewers(LIVE, STREAM) == 0


def test_what_nobody_carries_has_no_nodes_and_no_viewers() -> None:
    carriers = Carriers()

    assert carriers.nodes(AppName("other"), StreamId("none")) == frozenset()
    assert carriers.viewers(AppName("other"), StreamId("none")) == carriers.viewers_of_app(AppName("other")) == 0
