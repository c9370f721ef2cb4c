"""Which rungs a stream gets."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import LadderRung, TrackRecord
from services.transcoder.domain.ladder import (
    LadderRefused,
    check_settings,
    h264_fmtp,
    plan,
    source_track,
    track_record,
    width_for,
)

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind="video", codec="H264", clock_rate=90_000)
AUDIO = TrackRecord(track=TrackId("a0"), mid="a0", kind="audio", codec="opus", clock_rate=48_000, channels=2)


def rung(height: int, bitrate_bps: int = 500_000, *, force: bool = True) -> LadderRung:
    return LadderRung(height=height, video_bitrate=bitrate_bps, force_encode=force)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ([rung(0)], "height is 0"),
        ([rung(-360)], "height is -360"),
        ([rung(100_000)], "height is 100000"),
        ([rung(360, 0)], "videoBitrate is 0"),
        ([rung(360, 1_000_000_000)], "videoBitrate is 1000000000"),
        ([rung(100 + 2 * n) for n in range(50)], "50 rungs"),
        ([rung(360), rung(360, 300_000)], "two rungs of height 360"),
    ],
)
def test_impossible_settings_are_refused_naming_them(settings: list[LadderRung], word: str) -> None:
    with pytest.raises(LadderRefused, match=word):
        check_settings(settings)


def test_sixteen_rungs_are_possible() -> None:
    check_settings([rung(100 + 2 * n) for n in range(16)])


def test_rungs_above_the_source_are_skipped_and_the_rest_keeps_its_aspect_ratio() -> None:
    rungs = plan([rung(240), rung(1080), rung(480)], VIDEO, 1280, 720)
    assert [(one.track, one.width, one.height) for one in rungs] == [("v0.480p", 852, 480), ("v0.240p", 426, 240)]


def test_a_rung_of_the_sources_height_is_made_unless_encoding_is_not_forced() -> None:
    assert [one.height for one in plan([rung(720), rung(360)], VIDEO, 1280, 720)] == [720, 360]
    assert [one.height for one in plan([rung(720, force=False), rung(360)], VIDEO, 1280, 720)] == [360]


def test_odd_heights_become_even() -> None:
    (one,) = plan([rung(361)], VIDEO, 1281, 721)
    assert (one.width % 2, one.height) == (0, 360)


@pytest.mark.parametrize("size", [(0, 0), (0, 720), (100_000, 720)])
def test_a_source_of_unknown_or_absurd_size_gets_no_rungs(size: tuple[int, int]) -> None:
    assert plan([rung(360)], VIDEO, *size) == ()


def test_extreme_aspect_ratios_stay_encodable() -> None:
    assert width_for(360, 2, 8192) == 2
    assert width_for(4320, 8192, 2) == 8192


def test_audio_only_and_simulcast_streams_need_no_ladder() -> None:
    layers = [msgspec.structs.replace(VIDEO, track=TrackId(f"v0.{rid}"), rid=rid) for rid in "hml"]
    assert source_track([AUDIO]) is None
    assert source_track([*layers, AUDIO]) is None
    assert source_track([]) is None
    assert source_track([AUDIO, VIDEO]) is VIDEO


@pytest.mark.parametrize(("codec", "clock_rate", "word"), [("AV1", 90_000, "AV1"), ("H264", 48_000, "48000")])
def test_a_source_that_cannot_be_decoded_is_refused_with_the_reason(codec: str, clock_rate: int, word: str) -> None:
    with pytest.raises(LadderRefused, match=word):
        source_track([msgspec.structs.replace(VIDEO, codec=codec, clock_rate=clock_rate)])


def test_a_rung_is_known_by_the_sources_mid_and_codec() -> None:
    (one,) = plan([rung(360, 600_000)], VIDEO, 1280, 720)
    record = track_record(one, VIDEO)
    assert (record.track, record.mid, record.codec, record.height, record.bitrate_bps) == (
        "v0.360p", "v0", "H264", 360, 600_000,
    )  # fmt: skip
    assert track_record(one, msgspec.structs.replace(VIDEO, codec="VP8")).fmtp == ""


@pytest.mark.parametrize(
    ("size", "level"), [((640, 360), "1e"), ((1280, 720), "1f"), ((1920, 1080), "28"), ((3840, 2160), "34")]
)
def test_the_h264_level_fits_the_size(size: tuple[int, int], level: str) -> None:
    assert h264_fmtp(*size).endswith(f"profile-level-id=42e0{level}")
