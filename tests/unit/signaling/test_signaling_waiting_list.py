"""Whom to tell when of a stream that has begun, and how many may wait."""

from __future__ import annotations

import random

from services.signaling.websocket.domain.waiting_list import WaitingList


def waiting_list(**changes: float) -> WaitingList:
    return WaitingList(most=3, rate_per_s=2.0, longest_s=changes.get("longest_s", 10.0), rng=random.Random(1))


def test_waiting_viewers_are_told_at_a_bounded_rate_in_order_of_time() -> None:
    waiting = WaitingList(most=1_000, rate_per_s=100.0, longest_s=60.0, rng=random.Random(1))
    for waiter in range(1_000):
        waiting.add("k", waiter)

    told = list(waiting.schedule("k"))

    assert [entry.waiter for entry in told] == list(range(1_000))
    delays = [entry.delay_s for entry in told]
    assert delays == sorted(delays)
    assert all(sum(second <= delay < second + 1 for delay in delays) <= 101 for second in range(10))


def test_however_many_wait_the_last_is_told_in_time() -> None:
    waiting = WaitingList(most=10_000, rate_per_s=1.0, longest_s=20.0, rng=random.Random(1))
    for waiter in range(10_000):
        waiting.add("k", waiter)

    assert max(entry.delay_s for entry in waiting.schedule("k")) <= 20.0


def test_the_waiting_list_is_bounded_and_frees_places() -> None:
    waiting = waiting_list()
    assert [waiting.add("k", n) for n in range(4)] == [True, True, True, False]
    assert waiting.add("k", 1)

    assert waiting.remove("k", 1)
    assert not waiting.remove("k", 1)

    assert waiting.add("other", 9)
    assert waiting.size == 3
