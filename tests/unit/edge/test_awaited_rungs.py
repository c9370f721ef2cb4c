"""How long subscriptions wait for a rendition that only a ladder can give them."""

from __future__ import annotations

import pytest

from rillcast.apps.ladder_wish import RUNG_WAIT_S
from services.edge.domain.awaited_rungs import AwaitedRungs
from services.edge.domain.stream_change import Left
from services.edge.domain.subscription import Subscription

KEY, PATIENCE_S = "live/s1", 10.0


def waiting(now: float = 0.0) -> tuple[AwaitedRungs, Subscription]:
    awaited, subscription = AwaitedRungs(PATIENCE_S), Subscription(KEY)
    assert not awaited.is_over(subscription, Left.AWAITED, now)
    return awaited, subscription


@pytest.mark.parametrize(
    ("left", "over"),
    [
        (Left.ENOUGH, False),
        (Left.AWAITED, False),
        (Left.COMING, False),
        (Left.NOTHING, True),
        (Left.ANOTHER_CODEC, True),
    ],
)
def test_only_what_a_ladder_makes_is_waited_for(left: Left, over: bool) -> None:
    awaited = AwaitedRungs(PATIENCE_S)

    assert awaited.is_over(Subscription(KEY), left, 0.0) is over
    assert len(awaited) == (left in {Left.AWAITED, Left.COMING})


def test_the_wait_is_over_when_it_has_lasted_long_enough_and_not_before() -> None:
    awaited, subscription = waiting()

    assert (awaited.due(PATIENCE_S - 0.1), awaited.is_over(subscription, Left.AWAITED, PATIENCE_S - 0.1)) == ([], False)
    assert (awaited.due(PATIENCE_S), awaited.is_over(subscription, Left.AWAITED, PATIENCE_S)) == ([KEY], True)


def test_a_ladder_that_begins_anew_is_waited_for_as_a_join_waits() -> None:
    awaited, subscription = AwaitedRungs(PATIENCE_S), Subscription(KEY)
    awaited.is_over(Subscription(KEY), Left.AWAITED, 0.0)

    assert not awaited.is_over(subscription, Left.COMING, 0.0)
    assert awaited.due(RUNG_WAIT_S) == [KEY]
    assert awaited.is_over(subscription, Left.COMING, RUNG_WAIT_S)


def test_a_stream_is_due_once() -> None:
    awaited, _ = waiting()

    assert (awaited.due(PATIENCE_S), awaited.due(PATIENCE_S), len(awaited)) == ([KEY], [], 0)


def test_who_begins_to_wait_later_is_looked_at_later() -> None:
    awaited, first = waiting()
    second = Subscription(KEY)
    awaited.is_over(second, Left.AWAITED, 4.0)
    awaited.due(PATIENCE_S)
    assert [awaited.is_over(s, Left.AWAITED, PATIENCE_S) for s in (first, second)] == [True, False]

    assert awaited.due(PATIENCE_S + 4.0) == [KEY]
    assert awaited.is_over(second, Left.AWAITED, PATIENCE_S + 4.0)


def test_a_gap_that_was_filled_does_not_count_for_the_next_one() -> None:
    awaited, subscription = waiting()
    awaited.is_over(subscription, Left.ENOUGH, 8.0)

    assert not awaited.is_over(subscription, Left.AWAITED, 9.0)
    assert not awaited.is_over(subscription, Left.AWAITED, 18.0)
    assert awaited.is_over(subscription, Left.AWAITED, 19.0)


def test_a_stream_that_nobody_watches_is_not_waited_for() -> None:
    awaited, _ = waiting()

    awaited.forget(KEY)

    assert (len(awaited), awaited.due(PATIENCE_S)) == (0, [])
