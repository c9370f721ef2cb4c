"""How full a node is."""

from __future__ import annotations

import pytest
from placement_reports import report

from rillcast.cluster.placement.score import (
    LEAST_JOIN_COST,
    MOST_JOIN_COST,
    TELLING_SESSIONS,
    UNKNOWN_JOIN_COST,
    fullness,
    join_cost,
    work,
)


def test_what_a_join_costs_follows_from_the_sessions_that_run() -> None:
    assert join_cost(report("n", load=0.5, sessions=100)) == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("load", "sessions", "cost"),
    [
        (0.9, TELLING_SESSIONS - 1, UNKNOWN_JOIN_COST),
        (0.0, TELLING_SESSIONS, LEAST_JOIN_COST),
        (1.0, TELLING_SESSIONS, MOST_JOIN_COST),
    ],
)
def test_the_cost_of_a_join_has_bounds_and_few_sessions_tell_nothing(load: float, sessions: int, cost: float) -> None:
    assert join_cost(report("n", load=load, sessions=sessions)) == cost


def test_expected_joins_add_to_the_work() -> None:
    node = report("n", load=0.5, sessions=100)

    assert work(node, 0.0) == 0.5
    assert work(node, 20.0) == fullness(node, 20.0) == pytest.approx(0.6)


def test_a_delay_of_timers_makes_a_node_full_but_is_no_work_of_its_own() -> None:
    node = report("n", load=0.1, loop_lag=0.9)

    assert fullness(node, 0.0) == 0.9
    assert work(node, 0.0) == 0.1
