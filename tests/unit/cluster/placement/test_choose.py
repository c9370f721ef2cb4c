"""Which node gets a session."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from placement_reports import LIVE, STREAM, report

from rillcast.cluster.placement import PendingJoins, Place, Placement, PlacementLimits, RegionOrder
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.words import NodeKind

NOW = 100.0
NOWHERE = Place()
ORIGIN = NodeKind.ORIGIN
WANTED = (LIVE, STREAM)


def placement(nodes: list[NodeReport], pending: PendingJoins | None = None, order: str = "") -> Placement:
    """As after one heartbeat of each node."""
    found = Placement(
        pending or PendingJoins(), order=RegionOrder.parse(order), limits=PlacementLimits(), rng=random.Random(1)
    )
    for node in nodes:
        found.heard(node)
        found.changed(node, node.ready and not node.draining, NOW)
    return found


def refusal(edges: list[NodeReport]) -> RillcastError:
    with pytest.raises(RillcastError) as caught:
        placement(edges).viewer(WANTED, NOWHERE, NOW)
    return caught.value


def test_nobody_there_is_told_with_a_time_to_retry() -> None:
    error = refusal([report("e1", ready=False), report("e2", draining=True)])

    assert error.code is ErrorCode.NO_NODE_AVAILABLE
    assert error.retry_after_s


def test_everybody_full_is_high_resource_usage_with_a_time_to_retry() -> None:
    error = refusal([report("e1", load=1.0), report("e2", load=1.2)])

    assert error.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert error.retry_after_s


def test_viewers_of_one_stream_spread_over_near_idle_edges() -> None:
    edges = [report("e1", load=0.08, sessions=1, carries=1), report("e2", load=0.01), report("e3", load=0.05)]
    pending = PendingJoins()
    chooser = placement(edges, pending)
    given: Counter[NodeId] = Counter()

    for n in range(11):
        node = chooser.viewer(WANTED, NOWHERE, NOW)
        pending.placed(SessionId(f"s{n}"), node, NOW)
        given[node] += 1

    assert given == {NodeId("e1"): 3, NodeId("e2"): 4, NodeId("e3"): 4}


def test_timer_delay_that_neighbours_cause_does_not_stop_the_spreading() -> None:
    edges = [report("e1", loop_lag=0.9, sessions=1, carries=1), report("e2", loop_lag=0.5)]

    assert placement(edges).viewer(WANTED, NOWHERE, NOW) == "e2"


def test_a_busy_cluster_prefers_an_edge_that_has_the_stream() -> None:
    edges = [
        report("e1", load=0.7, sessions=500, carries=1),
        report("e2", load=0.3, sessions=200),
        report("e3", load=0.4),
    ]

    chosen = {placement(edges).viewer(WANTED, NOWHERE, NOW) for _ in range(20)}

    assert chosen == {NodeId("e1")}


def test_an_edge_that_has_the_stream_but_hardly_any_room_is_not_preferred() -> None:
    edges = [report("e1", load=0.9, sessions=500, carries=1), report("e2", load=0.3, sessions=200)]

    assert placement(edges).viewer(WANTED, NOWHERE, NOW) == "e2"


def test_of_two_busy_edges_the_less_loaded_one_is_taken() -> None:
    edges = [report("e1", load=0.8, sessions=500), report("e2", load=0.4, sessions=500)]

    assert placement(edges).viewer(WANTED, NOWHERE, NOW) == "e2"


def test_among_many_busy_edges_the_choice_varies_and_avoids_the_worst() -> None:
    edges = [report(f"e{n}", load=0.3 + n / 100, sessions=500) for n in range(10)]
    chooser = placement(edges)

    chosen = {chooser.viewer(WANTED, NOWHERE, NOW) for _ in range(300)}

    assert len(chosen) > 4
    assert "e9" not in chosen


def test_joins_on_their_way_fill_a_node_before_its_load_shows_them() -> None:
    pending = PendingJoins()
    for n in range(200):
        pending.placed(SessionId(f"s{n}"), NodeId("e1"), NOW)
    edges = [report("e1", load=0.3, sessions=100), report("e2", load=0.5, sessions=100)]

    assert placement(edges, pending).viewer(WANTED, NOWHERE, NOW) == "e2"


def test_a_node_that_just_refused_is_left_out() -> None:
    edges = [report("e1"), report("e2", sessions=50)]

    assert placement(edges).viewer(WANTED, NOWHERE, NOW, excluded={NodeId("e1")}) == "e2"


def test_the_viewers_zone_comes_first_then_its_region_then_the_operators_order() -> None:
    edges = [
        report("far", region="us", zone="1"),
        report("next", region="eu-north"),
        report("other", region="ap"),
        report("region", region="eu", zone="2", sessions=9),
        report("zone", region="eu", zone="1", sessions=20),
    ]
    chooser = placement(edges, order="eu>eu-north,us")
    order: list[NodeId] = []
    for _ in range(len(edges)):
        order.append(chooser.viewer(WANTED, Place("eu", "1"), NOW, excluded=order))

    assert order == ["zone", "region", "next", "far", "other"]


def test_a_full_region_overflows_into_the_next_one() -> None:
    edges = [report("near", region="eu", load=1.0), report("far", region="us")]

    assert placement(edges).viewer(WANTED, Place("eu"), NOW) == "far"


def test_a_publisher_returns_to_the_origin_that_has_its_stream() -> None:
    origins = [report("o1", load=0.9, kind=ORIGIN), report("o2", kind=ORIGIN)]

    assert placement(origins).publisher(NodeId("o1"), NOWHERE, NOW) == "o1"


def test_a_publisher_does_not_return_to_an_origin_that_is_leaving() -> None:
    origins = [report("o1", draining=True, kind=ORIGIN), report("o2", kind=ORIGIN)]

    assert placement(origins).publisher(NodeId("o1"), NOWHERE, NOW) == "o2"
