"""Joins that a node's load does not show yet."""

from __future__ import annotations

from rillcast.cluster.placement import PendingJoins
from rillcast.contracts.ids import NodeId, SessionId

EDGE, JOIN = NodeId("e1"), SessionId("s1")


def test_a_join_counts_less_each_moment_and_nothing_after_twenty_seconds() -> None:
    pending = PendingJoins()
    pending.placed(JOIN, EDGE, 0.0)

    assert [pending.weight(EDGE, now) for now in (0.0, 10.0, 20.0)] == [1.0, 0.5, 0.0]


def test_a_connected_join_counts_until_the_reports_have_it() -> None:
    pending = PendingJoins()
    pending.placed(JOIN, EDGE, 0.0)
    pending.connected(JOIN, 1.0)

    assert pending.weight(EDGE, 2.0) > 0
    assert pending.weight(EDGE, 4.0) == 0


def test_a_refused_join_does_not_count() -> None:
    pending = PendingJoins()
    pending.placed(JOIN, EDGE, 0.0)
    pending.dropped(JOIN)
    pending.dropped(JOIN)

    assert pending.weight(EDGE, 0.0) == 0


def test_a_join_sent_elsewhere_counts_there_only() -> None:
    pending = PendingJoins()
    pending.placed(JOIN, EDGE, 0.0)
    pending.placed(JOIN, NodeId("e2"), 0.0)

    assert pending.weight(EDGE, 0.0) == 0
    assert pending.weight(NodeId("e2"), 0.0) == 1
