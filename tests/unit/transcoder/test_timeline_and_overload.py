"""The RTP timeline, and what is done when encoding is too slow."""

from __future__ import annotations

from services.transcoder.domain.overuse_detector import CALM_S, OveruseDetector, Verdict, Withdrawn
from services.transcoder.domain.timeline import Place, Timeline, Unwrapper


def test_timestamps_unwrap_forwards_and_backwards() -> None:
    unwrapper = Unwrapper()
    first = unwrapper.unwrap(0xFFFF_FFF0)
    assert unwrapper.unwrap(0x10) == first + 0x20
    assert unwrapper.unwrap(0xFFFF_FFF8) == first + 8


def test_frames_are_placed_on_the_timeline() -> None:
    timeline = Timeline(2.0)
    base = 1 << 32
    places = [timeline.place(base + ticks) for ticks in (0, 3000, 3000, 1500, 6000, 6000 + 9000 * 400, 100)]
    assert places == [Place.NEXT, Place.NEXT, Place.STALE, Place.STALE, Place.NEXT, Place.RESTART, Place.RESTART]


def test_a_pause_of_seconds_is_no_restart() -> None:
    timeline = Timeline(2.0)
    timeline.place(1 << 32)
    assert timeline.place((1 << 32) + 20 * 90_000) is Place.NEXT


def test_keyframes_are_due_once_per_cell_even_when_frames_are_rare() -> None:
    timeline = Timeline(2.0)
    base = 1 << 32
    due = [timeline.keyframe_due(base + second * 90_000) for second in (0, 1, 2, 3, 7, 8)]
    assert due == [True, False, True, False, True, True]


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
