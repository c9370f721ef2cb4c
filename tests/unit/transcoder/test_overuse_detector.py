"""When a job is too much for a machine, and what is done without for how long."""

from __future__ import annotations

from services.transcoder.domain.overuse_detector import CALM_S, WINDOW_S, OveruseDetector, Verdict, Withdrawn


def run_guard(
    guard: OveruseDetector, start: float, seconds: int, *, encoded: int, left_out: int, rungs: int
) -> list[Verdict]:
    return [guard.observe(encoded, left_out, rungs, start + second) for second in range(seconds)]


def test_a_start_from_a_cached_gop_is_not_taken_for_overload() -> None:
    guard = OveruseDetector(100.0)
    assert set(run_guard(guard, 100.0, 4, encoded=10, left_out=50, rungs=3)) == {Verdict.KEEP}
    assert set(run_guard(guard, 100.0 + CALM_S, 20, encoded=30, left_out=0, rungs=3)) == {Verdict.KEEP}


def test_a_few_frames_left_out_are_tolerated() -> None:
    assert set(run_guard(OveruseDetector(0.0), CALM_S, 60, encoded=27, left_out=3, rungs=3)) == {Verdict.KEEP}


def test_lasting_overload_drops_the_top_rung_then_waits_for_the_effect() -> None:
    guard = OveruseDetector(0.0)
    verdicts = run_guard(guard, CALM_S, 8, encoded=15, left_out=15, rungs=3)
    assert verdicts.count(Verdict.SHED) == 1
    dropped = verdicts.index(Verdict.SHED)
    assert set(verdicts[dropped + 1 :]) == {Verdict.KEEP}


def test_with_one_rung_left_the_job_is_given_up() -> None:
    assert Verdict.GIVE_UP in run_guard(OveruseDetector(0.0), CALM_S, 8, encoded=5, left_out=25, rungs=1)


def test_a_job_is_slow_once_people_can_see_it_also_where_nothing_is_done_about_it() -> None:
    guard = OveruseDetector(0.0)
    assert set(run_guard(guard, CALM_S, 10, encoded=95, left_out=5, rungs=3)) == {Verdict.KEEP}
    assert not guard.slow
    assert set(run_guard(guard, CALM_S + 10, 10, encoded=85, left_out=15, rungs=3)) == {Verdict.KEEP}
    assert guard.slow
    run_guard(guard, CALM_S + 20, int(WINDOW_S) + 1, encoded=100, left_out=0, rungs=3)
    assert not guard.slow


def test_a_start_from_a_cached_gop_is_not_slow() -> None:
    guard = OveruseDetector(0.0)
    run_guard(guard, 0.0, int(CALM_S), encoded=10, left_out=50, rungs=3)
    assert not guard.slow


def test_a_job_that_was_slow_stays_so_while_a_measure_takes_effect_and_then_is_not() -> None:
    guard = OveruseDetector(0.0)
    assert Verdict.SHED in run_guard(guard, CALM_S, 4, encoded=50, left_out=50, rungs=3)
    assert guard.slow
    run_guard(guard, CALM_S + 4, int(CALM_S) + 2, encoded=100, left_out=0, rungs=2)
    assert not guard.slow


def test_a_job_that_makes_nothing_is_not_slow() -> None:
    guard = OveruseDetector(0.0)
    run_guard(guard, CALM_S, 10, encoded=0, left_out=0, rungs=3)
    assert not guard.slow


def test_a_rung_withdrawn_for_overload_is_tried_again_less_and_less_often() -> None:
    withdrawn, now, waits = Withdrawn(), 0.0, list[float]()
    for _ in range(7):
        withdrawn.for_a_while("v0.720p", now)
        began = now
        while not withdrawn.back(now):
            assert "v0.720p" in withdrawn
            now += 1.0
        waits.append(now - began)
        assert "v0.720p" not in withdrawn
    assert waits == [60, 120, 240, 480, 960, 960, 960]


def test_a_rung_that_cannot_be_made_stays_withdrawn() -> None:
    withdrawn = Withdrawn()
    withdrawn.for_good("v0.720p")
    withdrawn.for_a_while("v0.480p", 0.0)
    assert withdrawn.back(1e9)
    assert ("v0.720p" in withdrawn, "v0.480p" in withdrawn) == (True, False)
