"""The source's RTP timeline."""

from __future__ import annotations

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
