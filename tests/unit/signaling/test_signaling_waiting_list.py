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
    assert [waiting.add("k", n) for n in range(4)] == [None, None, None, "full"]
    assert waiting.add("k", 1) is None

    assert waiting.remove("k", 1)
    assert not waiting.remove("k", 1)

    assert waiting.add("other", 9) is None
    assert waiting.size == 3


def test_an_address_that_waits_for_all_it_may_leaves_places_to_others() -> None:
    waiting = WaitingList(most=10, rate_per_s=2.0, longest_s=10.0, rng=random.Random(1))
    flood = [waiting.add(f"k{number}", number, "192.0.2.1") for number in range(10)]

    assert flood == [None] * 5 + ["address_full"] * 5
    assert waiting.add("k0", 0, "192.0.2.1") is None, "it waits already"
    assert waiting.add("k", 99, "198.51.100.7") is None

    assert waiting.add("k9", 9, "192.0.2.1") == "address_full"
    waiting.remove("k0", 0)
    assert waiting.add("k9", 9, "192.0.2.1") is None, "places come free again"


def test_who_waits_with_many_sockets_is_not_told_before_the_others() -> None:
    waiting = WaitingList(most=10_000, rate_per_s=100.0, longest_s=60.0, rng=random.Random(1))
    for number in range(1_000):
        waiting.add("k", number, "192.0.2.1")
    waiting.add("k", 5_000, "198.51.100.7")

    told = list(waiting.schedule("k"))

    assert [entry.waiter for entry in told[:3]] == [0, 5_000, 1]
    assert len(told) == 1_001
