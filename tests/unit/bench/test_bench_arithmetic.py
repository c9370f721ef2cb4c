"""Medians, ratios, slopes and climbs of the benchmark."""

from __future__ import annotations

import pytest

from tests.bench.arithmetic import area, climb, flatness, median_ratio, settled, slope


def test_disturbed_rounds_are_left_out_when_two_were_quiet() -> None:
    assert settled([1, 2, 3], [True, False, True]) == [1, 3]
    assert settled([1, 2, 3], [True, False, False]) == [1, 2, 3]


def test_a_round_that_is_slow_as_a_whole_does_not_change_the_ratio() -> None:
    assert median_ratio([20, 400, 22], [10, 200, 10]) == pytest.approx(2)


def test_memory_per_viewer_is_the_slope() -> None:
    assert slope([(500, 70_000), (1_000, 76_000), (1_500, 82_000)]) == pytest.approx(12)
    with pytest.raises(ValueError, match="two points"):
        slope([(500, 1), (500, 2)])


def test_viewer_seconds_are_the_area_under_the_viewers() -> None:
    assert area([(0, 0), (2, 100), (3, 100)]) == pytest.approx(200)
    assert area([(0, 5)]) == 0


def test_flat_is_one() -> None:
    assert flatness([5, 5]) == 1
    assert flatness([4, 5, 6]) == pytest.approx(1.5)


async def test_a_climb_ends_where_a_step_fails_twice() -> None:
    outcomes = {100: [True], 200: [False, True], 300: [False, False], 400: [True]}

    async def attempt(step: int) -> bool:
        return outcomes[step].pop(0)

    attempts, best = await climb([100, 200, 300, 400], attempt, bool)

    assert attempts == [True, False, True, False, False]
    assert best == 200
    assert outcomes[400] == [True]
