"""How long to wait before the next attempt."""

from __future__ import annotations

import random

import pytest

from rillcast.cluster.backoff import Backoff


class Fixed(random.Random):
    """Draws the same share each time."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._share


def test_delays_double_up_to_the_most() -> None:
    backoff = Backoff(0.1, 1.0, Fixed(1.0))

    assert [backoff.next_delay_s() for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    assert backoff.failures == 6


def test_a_delay_is_at_least_half_of_its_step_so_that_many_children_do_not_come_at_once() -> None:
    shortest = Backoff(0.1, 1.0, Fixed(0.0))
    drawn = Backoff(0.1, 1.0, random.Random(1))

    assert [shortest.next_delay_s() for _ in range(2)] == pytest.approx([0.05, 0.1])
    assert len({drawn.next_delay_s() for _ in range(10)}) == 10


def test_after_a_success_the_delays_begin_anew() -> None:
    backoff = Backoff(0.1, 1.0, Fixed(1.0))
    for _ in range(5):
        backoff.next_delay_s()

    backoff.reset()

    assert backoff.failures == 0
    assert backoff.next_delay_s() == pytest.approx(0.1)


def test_a_parent_that_stays_away_for_days_is_still_asked() -> None:
    backoff = Backoff(0.1, 2.0, Fixed(1.0))
    backoff.failures = 10_000

    assert backoff.next_delay_s() == 2.0
