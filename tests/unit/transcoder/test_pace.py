"""What is dear is done as often as a rate says."""

from __future__ import annotations

from services.transcoder.domain.pace import Pace


def test_some_come_at_once_and_the_others_one_after_the_other() -> None:
    pace = Pace(per_s=2.0, at_once=3, now=10.0)
    assert [pace.wait_s(10.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]


def test_after_a_rest_no_more_come_at_once_than_at_first() -> None:
    pace = Pace(per_s=2.0, at_once=3, now=10.0)
    for _ in range(3):
        pace.wait_s(10.0)
    assert [pace.wait_s(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_a_whole_second_has_as_many_as_the_rate_says() -> None:
    pace, now, times = Pace(per_s=4.0, at_once=1, now=0.0), 0.0, 0
    while now < 10.0:
        now += pace.wait_s(now)
        times += 1
    assert times == 41
