"""Which encoder settings are possible. Asked where they are set, and again where they are used: the store may hold
what no check has seen."""

from __future__ import annotations

from collections.abc import Sequence

from rillcast.contracts.records import LadderRung

MAX_RUNGS = 16
MIN_HEIGHT, MAX_HEIGHT = 16, 4320
MIN_BITRATE_BPS, MAX_BITRATE_BPS = 10_000, 100_000_000
MAX_AUDIO_BITRATE_BPS = 1_000_000
"""Twice what Opus can have."""


class LadderRefused(ValueError):
    """Settings or a source no ladder can be made for; the message says why."""


def check_rungs(rungs: Sequence[LadderRung]) -> None:
    """Raises LadderRefused, with the name of the setting that is impossible."""
    if len(rungs) > MAX_RUNGS:
        raise LadderRefused(f"encoderSettings: {len(rungs)} rungs are set; at most {MAX_RUNGS} are possible")
    heights: set[int] = set()
    for rung in rungs:
        if not MIN_HEIGHT <= rung.height <= MAX_HEIGHT:
            raise LadderRefused(
                f"encoderSettings: a rung's height is {rung.height}; it must be {MIN_HEIGHT} to {MAX_HEIGHT}"
            )
        if not MIN_BITRATE_BPS <= rung.video_bitrate <= MAX_BITRATE_BPS:
            raise LadderRefused(
                f"encoderSettings: the {rung.height}p rung's videoBitrate is {rung.video_bitrate} bit/s; "
                f"it must be {MIN_BITRATE_BPS} to {MAX_BITRATE_BPS}"
            )
        if not 0 <= rung.audio_bitrate <= MAX_AUDIO_BITRATE_BPS:
            raise LadderRefused(
                f"encoderSettings: the {rung.height}p rung's audioBitrate is {rung.audio_bitrate} bit/s; "
                f"it must be 0 to {MAX_AUDIO_BITRATE_BPS}, and has no effect: audio is not transcoded"
            )
        if rung.height in heights:
            raise LadderRefused(f"encoderSettings: there are two rungs of height {rung.height}")
        heights.add(rung.height)
