"""A day of node-hours, look by look."""

from __future__ import annotations

from datetime import date

import pytest

from services.license.domain.usage import MS_PER_HOUR, DayRecord, LicenseUse, count, day_of, node_hours, report

HOUR = MS_PER_HOUR
FIRST = DayRecord(measured_at_ms=0)


def looked(before: DayRecord, hours: float, license_id: str = "L", longest: float = 2.0, **used: int) -> DayRecord:
    return count(before, int(hours * HOUR), used, license_id, int(longest * HOUR))


def test_the_time_since_the_last_look_counts_for_every_seat_that_is_taken_now() -> None:
    record = looked(looked(FIRST, 1.0, edge=2), 1.5, edge=4, origin=1)

    assert node_hours([record], "L") == {"edge": 4.0, "origin": 0.5}
    assert record.licenses["L"].peak == {"edge": 4, "origin": 1}


def test_a_gap_in_which_nobody_looked_is_noted_and_not_counted() -> None:
    record = looked(looked(FIRST, 1.0, edge=1), 4.0, edge=1)

    assert node_hours([record], "L") == {"edge": 1.0}
    assert record.unmetered_ms == 3 * HOUR


def test_a_clock_that_was_set_back_adds_nothing_and_counts_on_from_there() -> None:
    record = looked(looked(looked(FIRST, 2.0, edge=1), 1.0, edge=1), 1.5, edge=1)

    assert node_hours([record], "L") == {"edge": 2.5}
    assert record.unmetered_ms == 0


def test_every_license_of_a_day_has_its_own_hours() -> None:
    record = looked(looked(FIRST, 1.0, "old", edge=1), 2.0, "new", edge=3)

    assert (node_hours([record], "old"), node_hours([record], "new")) == ({"edge": 1.0}, {"edge": 3.0})
    assert node_hours([record], "never") == {}


def test_a_look_at_no_seats_leaves_no_trace_of_the_license() -> None:
    assert looked(FIRST, 1.0, edge=0).licenses == {}


def test_a_kind_whose_nodes_left_keeps_its_hours_and_its_peak() -> None:
    record = looked(looked(FIRST, 1.0, edge=2), 2.0)

    assert record.licenses["L"] == LicenseUse(node_ms={"edge": 2 * HOUR}, peak={"edge": 2})


@pytest.mark.parametrize(
    ("now_ms", "day"), [(0, date(1970, 1, 1)), (86_399_999, date(1970, 1, 1)), (86_400_000, date(1970, 1, 2))]
)
def test_days_are_those_of_utc(now_ms: int, day: date) -> None:
    assert day_of(now_ms) == day


def test_a_report_has_the_days_asked_for_in_order_and_their_sum() -> None:
    days = {date(2026, 1, number): looked(FIRST, 1.0, edge=number) for number in (3, 1, 2, 4)}

    made = report(days, date(2026, 1, 2), date(2026, 1, 3), issued_at_s=9, licensee="Acme")

    assert [day.day for day in made.days] == ["2026-01-02", "2026-01-03"]
    assert made.node_hours == {"edge": 5.0}
    assert (made.issued_at_s, made.licensee, made.unmetered_hours) == (9, "Acme", 0.0)
