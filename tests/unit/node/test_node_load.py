"""Load figures, admission and the choice of a worker."""

from __future__ import annotations

from rillcast.media.protocol import WorkerStats
from rillcast.node.load import LASTING_SAMPLES, MediaLimits, MediaLoad


def stats(
    worker: int, *, busy: float = 0.0, packets_out: int = 0, bytes_out: int = 0, lag_ms: float = 0.0
) -> WorkerStats:
    return WorkerStats(
        worker=worker,
        busy=busy,
        loop_lag_ms=lag_ms,
        packets_in=0,
        packets_out=packets_out,
        bytes_in=0,
        bytes_out=bytes_out,
        sessions=0,
        half_open=0,
        counters={},
    )


def test_sessions_that_come_at_once_are_spread_over_the_workers() -> None:
    load = MediaLoad(3, MediaLimits())
    taken = [0, 0, 0]

    for _ in range(30):
        worker = load.least_loaded()
        load.joined(worker)
        taken[worker] += 1

    assert taken == [10, 10, 10]


def test_a_busy_worker_is_passed_over_though_it_has_fewer_sessions() -> None:
    load = MediaLoad(2, MediaLimits())
    load.joined(1)
    load.observe(stats(0, busy=0.8), 0.0)

    assert load.least_loaded() == 1


def test_rates_come_from_the_difference_of_totals() -> None:
    load = MediaLoad(1, MediaLimits(max_pps=1000, max_egress_bps=80_000))
    load.observe(stats(0, packets_out=10_000, bytes_out=1_000), 1.0)
    load.observe(stats(0, packets_out=11_000, bytes_out=11_000), 3.0)

    report = load.report(streams=2)

    assert (report.packets, report.egress, report.streams) == (0.5, 0.5, 2)
    assert load.full() == ""


def test_each_limit_names_itself_when_reached() -> None:
    sessions = MediaLoad(1, MediaLimits(max_sessions=1))
    sessions.joined(0)
    late = MediaLoad(1, MediaLimits(max_loop_lag_ms=50))
    for second in range(LASTING_SAMPLES):
        late.observe(stats(0, lag_ms=60), float(second))

    assert "sessions" in sessions.full()
    assert "timer delay" in late.full()


def test_timers_late_for_a_moment_do_not_fill_a_node() -> None:
    load = MediaLoad(1, MediaLimits(max_loop_lag_ms=50))
    for second in range(LASTING_SAMPLES):
        load.observe(stats(0, lag_ms=2 if second == 1 else 900), float(second))

    assert load.full() == ""
    assert load.report(0).loop_lag < 0.1


def test_a_session_that_left_makes_room() -> None:
    load = MediaLoad(1, MediaLimits(max_sessions=1))
    load.joined(0)

    load.left(0)

    assert load.full() == ""


def test_an_address_with_as_many_sessions_as_are_free_gets_no_more() -> None:
    load = MediaLoad(1, MediaLimits(max_sessions=10))
    for _ in range(5):
        assert load.full("192.0.2.1") == ""
        load.joined(0, "192.0.2.1")

    assert "of your address" in load.full("192.0.2.1")
    assert load.full("198.51.100.7") == load.full("") == ""

    load.left(0, "192.0.2.1")
    assert load.full("192.0.2.1") == ""
    for _ in range(4):
        load.left(0, "192.0.2.1")
    assert (load.sessions, load._of) == (0, {})


def test_an_address_that_is_alone_may_have_any_number_where_nothing_is_limited() -> None:
    load = MediaLoad(1, MediaLimits())
    for _ in range(100):
        load.joined(0, "192.0.2.1")

    assert load.full("192.0.2.1") == ""
