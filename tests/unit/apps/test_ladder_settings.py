"""Impossible encoder settings are refused with the reason."""

from __future__ import annotations

import pytest

from rillcast.apps.ladder_settings import LadderRefused, check_rungs
from rillcast.contracts.records import LadderRung


def rung(height: int, bitrate_bps: int = 500_000) -> LadderRung:
    return LadderRung(height=height, video_bitrate=bitrate_bps)


@pytest.mark.parametrize(
    ("rungs", "word"),
    [
        ([rung(0)], "height is 0"),
        ([rung(-360)], "height is -360"),
        ([rung(100_000)], "height is 100000"),
        ([rung(360, 0)], "videoBitrate is 0"),
        ([rung(360, 1_000_000_000)], "videoBitrate is 1000000000"),
        ([LadderRung(height=360, video_bitrate=500_000, audio_bitrate=-1)], "audioBitrate is -1 .*no effect"),
        ([LadderRung(height=360, video_bitrate=500_000, audio_bitrate=10**9)], "audioBitrate is 1000000000"),
        ([rung(100 + 2 * n) for n in range(50)], "50 rungs"),
        ([rung(360), rung(360, 300_000)], "two rungs of height 360"),
    ],
)
def test_impossible_settings_are_refused_naming_them(rungs: list[LadderRung], word: str) -> None:
    with pytest.raises(LadderRefused, match=word):
        check_rungs(rungs)


def test_sixteen_rungs_are_possible() -> None:
    check_rungs([rung(100 + 2 * n) for n in range(16)])
