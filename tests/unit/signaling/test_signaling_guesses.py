"""Guessing the codes of a subscriber locks the guesser out, and nobody else."""

from __future__ import annotations

import itertools

from services.signaling.core.domain.guesses import BURST, PER_S, Guesser, Guesses
from services.signaling.core.domain.totp import DIGITS, PERIODS_AROUND

HOME = "198.51.100.7"
YEAR_S = 365 * 86_400.0


def guesser(address: str, subscriber: str = "bob", *, shared: bool = False) -> Guesser:
    return Guesser(subscriber=subscriber, address=address, shared=shared)


def waits(guesses: Guesses, one: Guesser, now_s: float) -> float:
    locked = guesses.locked(one, now_s)
    return 0.0 if locked is None else locked[1]


def strangers_guess(guesses: Guesses, now_s: float) -> int:
    """From ten networks of one household, for as long as they are looked at. How many were."""
    looked_at = 0
    for net in range(10):
        for host in range(20):
            one = guesser(f"2001:db8:0:{net:x}::{host:x}")
            if waits(guesses, one, now_s) == 0.0:
                guesses.wrong(one, now_s)
                looked_at += 1
    return looked_at


def test_strangers_do_not_lock_a_subscriber_out_where_it_was_before() -> None:
    guesses = Guesses()
    guesses.right(guesser(HOME))

    for hour in range(200):
        strangers_guess(guesses, hour * 3_600.0)
        assert waits(guesses, guesser(HOME), hour * 3_600.0) == 0.0


def test_elsewhere_it_waits_half_an_hour_at_most_after_they_have_stopped() -> None:
    guesses, now_s = Guesses(), 0.0
    for _ in range(7):
        now_s += 86_400.0
        assert strangers_guess(guesses, now_s) > 0

    assert 0.0 < waits(guesses, guesser(HOME), now_s) <= 1 / PER_S
    assert waits(guesses, guesser(HOME), now_s + 1 / PER_S) == 0.0


def test_all_strangers_together_have_as_many_tries_as_a_year_has_half_hours() -> None:
    guesses, looked_at, now_s = Guesses(), 0, 0.0
    addresses = itertools.cycle(f"203.0.113.{n}" for n in range(250))
    while now_s < YEAR_S / 12:
        one = guesser(next(addresses))
        if waits(guesses, one, now_s) == 0.0:
            guesses.wrong(one, now_s)
            looked_at += 1
        now_s += 300.0
    hits_in_a_year = 12 * looked_at * (2 * PERIODS_AROUND + 1) / 10**DIGITS

    assert looked_at <= BURST + YEAR_S / 12 * PER_S + 1
    assert hits_in_a_year < 0.06


def test_the_guesser_itself_is_locked_for_longer_each_time_and_a_right_code_forgives() -> None:
    guesses, now_s, locked = Guesses(), 0.0, []
    for _ in range(3):
        for _ in range(5):
            assert waits(guesses, guesser(HOME), now_s) == 0.0
            guesses.wrong(guesser(HOME), now_s)
        locked.append(waits(guesses, guesser(HOME), now_s))
        now_s += locked[-1]

    assert locked == [60.0, 120.0, 240.0]
    guesses.right(guesser(HOME))
    for _ in range(5):
        guesses.wrong(guesser(HOME), now_s)
    assert waits(guesses, guesser(HOME), now_s) == 60.0


def test_where_it_was_right_before_its_own_mistakes_lock_it_alone() -> None:
    guesses = Guesses()
    guesses.right(guesser(HOME))
    for _ in range(5):
        guesses.wrong(guesser(HOME), 0.0)

    assert waits(guesses, guesser(HOME), 0.0) == 60.0
    assert waits(guesses, guesser("192.0.2.1"), 0.0) == 0.0


def test_an_address_that_many_share_is_not_locked_by_one_of_them() -> None:
    guesses = Guesses()
    for n in range(1_000):
        guesses.wrong(guesser("127.0.0.1", f"nobody-{n}", shared=True), 0.0)

    assert waits(guesses, guesser("127.0.0.1", "alice", shared=True), 0.0) == 0.0


def test_behind_an_address_that_many_share_there_are_no_more_tries_than_elsewhere() -> None:
    guesses, looked_at = Guesses(), 0
    one = guesser("127.0.0.1", shared=True)
    guesses.right(one)
    for _ in range(1_000):
        if waits(guesses, one, 0.0) == 0.0:
            guesses.wrong(one, 0.0)
            looked_at += 1

    assert looked_at == BURST


def test_guessing_at_many_subscribers_locks_an_address_that_is_not_shared() -> None:
    guesses = Guesses()
    for n in range(100):
        guesses.wrong(guesser("203.0.113.9", f"user-{n}"), 0.0)

    assert guesses.locked(guesser("203.0.113.9", "alice"), 0.0) == ("address", 300.0)
    guesses.right(guesser("203.0.113.9", "alice"))
    assert guesses.locked(guesser("203.0.113.9", "alice"), 0.0) is None


def test_what_is_kept_is_bounded() -> None:
    guesses = Guesses(most=10)
    for n in range(100):
        guesses.wrong(guesser(f"203.0.113.{n}", f"user-{n}"), 0.0)
        guesses.right(guesser(f"192.0.2.{n}", f"user-{n}"))

    kept = (guesses._clients, guesses._addresses, guesses._subscribers, guesses._seen)
    assert [len(one) for one in kept] == [10] * 4
