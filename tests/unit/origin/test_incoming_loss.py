"""How much of what a publisher sends never comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.origin.domain.incoming_loss import LEAST_S, WEIGHT, IncomingLoss


def counted(*figures: tuple[int, int, float]) -> IncomingLoss:
    loss = IncomingLoss()
    for packets, lost, now in figures:
        loss.counted(packets, lost, now)
    return loss


def test_what_was_lost_before_the_first_figures_does_not_count() -> None:
    assert counted((100, 900, 0.0)).share == 0.0


def test_a_share_is_of_what_was_sent_since_the_last_figures() -> None:
    assert counted((100, 900, 0.0), (190, 910, LEAST_S)).share == pytest.approx(0.1 * WEIGHT)


def test_lasting_loss_becomes_the_share_and_goes_away_when_it_ends() -> None:
    steps = [(900 * n, 100 * n, LEAST_S * n) for n in range(20)]
    loss = counted(*steps)
    assert loss.share == pytest.approx(0.1, rel=0.01)
    for n in range(20, 40):
        loss.counted(900 * n, 1_900, LEAST_S * n)
    assert loss.share == pytest.approx(0.0, abs=1e-4)


def test_figures_that_come_too_soon_wait_and_are_not_lost() -> None:
    loss = counted((0, 0, 0.0), (10, 90, LEAST_S / 2))
    assert loss.share == 0.0
    loss.counted(900, 100, LEAST_S)
    assert loss.share == pytest.approx(0.1 * WEIGHT)


@pytest.mark.parametrize("figures", [(0, 0), (50, 0), (0, 50), (1_000, 99)])
def test_counters_that_begin_anew_say_nothing(figures: tuple[int, int]) -> None:
    loss = counted((1_000, 100, 0.0), (*figures, LEAST_S))
    assert loss.share == 0.0


def test_nothing_at_all_is_no_loss() -> None:
    assert counted((10, 1, 0.0), (10, 1, LEAST_S), (10, 1, 2 * LEAST_S)).share == 0.0


def test_all_that_is_lost_is_a_share_of_one_at_most() -> None:
    assert counted(*((0, 100 * n, LEAST_S * n) for n in range(50))).share == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 10)), max_size=40))
def test_whatever_is_counted_the_share_is_one(figures: list[tuple[int, int, float]]) -> None:
    loss, now = IncomingLoss(), 0.0
    for packets, lost, step_s in figures:
        now += step_s
        loss.counted(packets, lost, now)
        assert 0.0 <= loss.share <= 1.0
