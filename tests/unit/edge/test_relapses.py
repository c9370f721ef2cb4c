"""What a viewer had to leave again soon after going up to it."""

from __future__ import annotations

import pytest

from services.edge.domain.relapses import (
    DOUBTED_S,
    FAR_LESS,
    GROWTH,
    LASTED_S,
    MARGIN,
    MOST_MARGIN,
    MOST_OPTIONS,
    Key,
    Relapses,
)

HIGH: Key = ("v0.h", 2)
LOW: Key = ("v0.l", 2)
NEEDS_BPS = 1_000_000


def relapsed(relapses: Relapses, now: float, key: Key = HIGH) -> Relapses:
    relapses.went_up(key, NEEDS_BPS, now)
    relapses.went_down(now + 5)
    return relapses


def test_every_relapse_asks_for_more_room_and_only_for_what_was_left() -> None:
    relapses, margins = Relapses(), []
    for now in (0, 100, 200, 300, 400):
        relapsed(relapses, now)
        margins.append(relapses.margin(HIGH, now + 6))

    assert margins == sorted(margins)
    assert margins[0] == pytest.approx(MARGIN * GROWTH)
    assert margins[-1] == MOST_MARGIN
    assert relapses.margin(LOW, 500) == MARGIN


def test_who_stays_long_enough_has_not_relapsed() -> None:
    relapses = Relapses()
    relapses.went_up(HIGH, NEEDS_BPS, 0)
    relapses.went_down(LASTED_S)

    assert relapses.margin(HIGH, LASTED_S + 1) == MARGIN


def test_going_down_from_what_was_there_from_the_beginning_is_no_relapse() -> None:
    relapses = Relapses()
    relapses.went_down(1)

    assert len(relapses) == 0


def test_the_doubt_ends_after_a_time_that_grows() -> None:
    relapses = relapsed(Relapses(), 0)
    assert relapses.margin(HIGH, 5 + DOUBTED_S - 1) > MARGIN
    assert relapses.margin(HIGH, 5 + DOUBTED_S) == MARGIN

    relapsed(relapses, 1_000)
    assert relapses.margin(HIGH, 1_005 + 2 * DOUBTED_S - 1) == pytest.approx(MARGIN * GROWTH**2)


def test_what_has_lasted_is_not_doubted_any_more() -> None:
    relapses = relapsed(Relapses(), 0)
    relapses.went_up(HIGH, NEEDS_BPS, 100)
    relapses.stays(100 + LASTED_S - 1)
    assert len(relapses) == 1
    relapses.stays(100 + LASTED_S)

    assert len(relapses) == 0


def test_a_link_that_got_far_slower_in_that_moment_was_no_relapse() -> None:
    relapses = relapsed(Relapses(), 0)
    relapses.found_room(int(NEEDS_BPS * FAR_LESS) + 1)
    assert relapses.margin(HIGH, 10) > MARGIN
    relapses.found_room(int(NEEDS_BPS * FAR_LESS) - 1)

    assert relapses.margin(HIGH, 10) == MARGIN


def test_a_bounded_number_of_renditions_is_remembered_the_latest() -> None:
    relapses = Relapses()
    for number in range(MOST_OPTIONS + 10):
        relapsed(relapses, number, (f"v{number}", 2))

    assert len(relapses) == MOST_OPTIONS
    assert relapses.margin(("v0", 2), 100) == MARGIN
    assert relapses.margin((f"v{MOST_OPTIONS + 9}", 2), 100) > MARGIN
