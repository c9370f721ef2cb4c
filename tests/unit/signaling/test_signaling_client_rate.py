"""Token buckets by address."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.signaling.core.domain.client_rate import ClientRate


def test_a_burst_is_let_in_and_then_so_many_per_second() -> None:
    rate = ClientRate(rate_per_s=2.0, burst=3)

    assert [rate.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.5)]
    assert rate.take("a", 0.4) == pytest.approx(0.1)
    assert rate.take("a", 0.5) == 0.0
    assert rate.take("a", 0.5) == pytest.approx(0.5)
    assert [rate.take("a", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.5)]


def test_one_client_s_bucket_is_not_another_s() -> None:
    rate = ClientRate(rate_per_s=1.0, burst=1)

    assert rate.take("a", 0.0) == 0.0
    assert rate.take("b", 0.0) == 0.0
    assert rate.take("a", 0.0) > 0.0


def test_what_costs_less_may_be_done_more_often() -> None:
    rate = ClientRate(rate_per_s=1.0, burst=1)

    assert [rate.take("a", 0.0, 0.25) for _ in range(4)] == [0.0] * 4
    assert rate.take("a", 0.0, 0.25) == pytest.approx(0.25)


def test_who_is_refused_waits_no_longer_for_having_asked() -> None:
    rate = ClientRate(rate_per_s=1.0, burst=1)
    rate.take("a", 0.0)
    for _ in range(1_000):
        rate.take("a", 0.5)

    assert rate.take("a", 1.0) == 0.0


def test_the_table_is_bounded_whoever_asks() -> None:
    rate = ClientRate(rate_per_s=1.0, burst=10, most=100)
    for number in range(10_000):
        rate.take(f"2001:db8::{number:x}", 0.0)

    assert len(rate) <= 100


def test_a_client_that_goes_on_is_remembered_while_others_come_and_go() -> None:
    rate = ClientRate(rate_per_s=1.0, burst=1, most=100)
    rate.take("a", 0.0)
    for number in range(10_000):
        rate.take(f"other {number}", 0.0)
        if number % 50 == 0:
            assert rate.take("a", 0.0) > 0.0


def test_full_buckets_are_forgotten() -> None:
    rate = ClientRate(rate_per_s=1.0, burst=10)
    for number in range(1_000):
        rate.take(f"client {number}", 0.0)
    for number in range(600):
        rate.take("last", 100.0 + number)

    assert len(rate) == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(0.0, 1.0), max_size=200), st.integers(1, 20))
def test_nobody_gets_more_than_the_burst_and_the_rate(pauses: list[float], burst: int) -> None:
    rate, now, taken = ClientRate(rate_per_s=5.0, burst=burst), 0.0, 0
    for pause in pauses:
        now += pause
        taken += rate.take("a", now) == 0.0
        assert taken <= burst + 5.0 * now + 1e-5


@given(
    now=st.floats(0.0, 1e8),
    rate=st.sampled_from([0.1, 0.3, 0.7, 1.0, 3.0, 7.0, 100.0]),
    burst=st.integers(1, 50),
)
def test_a_whole_burst_is_let_in_at_any_moment_and_not_one_more(now: float, rate: float, burst: int) -> None:
    limit = ClientRate(rate, burst)

    assert [limit.take("a", now) for _ in range(burst)] == [0.0] * burst
    assert limit.wait_s("a", now) > 0
    assert limit.take("a", now) > 0
