"""Which rungs a stream gets."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.ladder_wish import LadderWish
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import LadderRung, TrackRecord
from rillcast.contracts.words import MediaKind
from services.transcoder.domain.ladder import (
    Rung,
    h264_fmtp,
    source_track,
    track_record,
    width_for,
)
from services.transcoder.domain.ladder import plan as plan_for

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000)
AUDIO = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)


def rung(height: int, bitrate_bps: int = 500_000, *, force: bool = True) -> LadderRung:
    return LadderRung(height=height, video_bitrate=bitrate_bps, force_encode=force)


def plan(settings: list[LadderRung], source: TrackRecord, width: int, height: int) -> tuple[Rung, ...]:
    return plan_for(LadderWish(rungs=tuple(settings)), source, [source, AUDIO], width, height)


def layers(codec: str = "VP8", **heights: int) -> list[TrackRecord]:
    """Simulcast layers by rid, all of which carry something."""
    return [
        msgspec.structs.replace(
            VIDEO, track=TrackId(f"v0.{rid}"), rid=rid, codec=codec, height=height, bitrate_bps=height * 1000
        )
        for rid, height in heights.items()
    ]


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


def test_only_video_gets_a_ladder() -> None:
    assert source_track([AUDIO]) is None
    assert source_track([]) is None
    assert source_track([AUDIO, VIDEO]) is VIDEO


def test_the_ladder_of_a_simulcast_publisher_is_made_of_its_largest_living_layer() -> None:
    low, middle, high = layers(l=180, m=360, h=720)
    assert source_track([low, high, middle, AUDIO]) is high
    silent = msgspec.structs.replace(high, bitrate_bps=0)
    assert source_track([low, silent, middle]) is middle


def test_rungs_that_a_simulcast_layer_provides_are_skipped() -> None:
    sent = layers(l=180, m=360, h=720)
    wish = LadderWish(rungs=(rung(720), rung(480), rung(370), rung(240)), codecs=())
    assert [one.track for one in plan_for(wish, sent[2], sent, 1280, 720)] == ["v0.480p", "v0.240p"]


def test_a_layer_that_carries_nothing_provides_nothing() -> None:
    sent = layers(l=180, m=360, h=720)
    sent[1] = msgspec.structs.replace(sent[1], bitrate_bps=0)
    wish = LadderWish(rungs=(rung(360),), codecs=())
    assert [one.track for one in plan_for(wish, sent[2], sent, 1280, 720)] == ["v0.360p"]


def test_a_rung_never_takes_the_name_of_a_layer() -> None:
    sent = [msgspec.structs.replace(layer, track=TrackId("v0.480p"), rid="480p") for layer in layers(h=720)]
    wish = LadderWish(rungs=(rung(480), rung(240)), codecs=())
    assert [one.track for one in plan_for(wish, sent[0], sent, 1280, 720)] == ["v0.240p"]


def test_in_another_codec_every_rung_is_made_whatever_the_publisher_sends() -> None:
    sent = layers(l=180, m=360, h=720)
    wish = LadderWish(rungs=(rung(720, force=False), rung(360)), codecs=("H264",))
    made = plan_for(wish, sent[2], sent, 1280, 720)
    assert [(one.track, one.codec) for one in made] == [("v0.720p.h264", "H264"), ("v0.360p.h264", "H264")]


@pytest.mark.parametrize(
    ("source", "enabled", "codecs"),
    [
        ("H264", ("H264",), ["H264"]),
        ("H264", ("H264", "VP8"), ["H264", "VP8"]),
        ("VP8", ("H264",), ["H264", "VP8"]),
        ("VP8", (), ["VP8"]),
        ("VP9", ("H264",), ["H264"]),
        ("AV1", ("H264", "VP8"), ["H264", "VP8"]),
        ("H265", ("H264",), ["H264"]),
        ("VP9", (), []),
    ],
)
def test_rungs_are_made_in_the_sources_codec_and_those_enabled(
    source: str, enabled: tuple[str, ...], codecs: list[str]
) -> None:
    video = msgspec.structs.replace(VIDEO, codec=source)
    made = plan_for(LadderWish(rungs=(rung(360),), codecs=enabled), video, [video], 1280, 720)
    assert sorted(one.codec for one in made) == codecs
    assert len({one.track for one in made}) == len(made)


def test_a_codec_the_publisher_lacks_gets_a_rung_of_the_sources_size_if_none_fits() -> None:
    wish = LadderWish(rungs=(rung(720),), codecs=("H264", "VP8"))
    (one,) = plan_for(wish, VIDEO, [VIDEO], 640, 360)
    assert (one.track, one.codec, one.width, one.height) == ("v0.360p.vp8", "VP8", 640, 360)
    assert 300_000 < one.bitrate_bps < 800_000


def test_without_encoder_settings_only_vp8_asked_for_makes_anything() -> None:
    assert not LadderWish()
    assert not LadderWish(codecs=())
    assert LadderWish(codecs=("H264", "VP8"))
    assert [one.codec for one in plan_for(LadderWish(codecs=("H264", "VP8")), VIDEO, [VIDEO], 640, 360)] == ["VP8"]


@pytest.mark.parametrize(("codec", "clock_rate", "word"), [("H266", 90_000, "H266"), ("H264", 48_000, "48000")])
def test_a_source_that_cannot_be_decoded_is_refused_with_the_reason(codec: str, clock_rate: int, word: str) -> None:
    with pytest.raises(LadderRefused, match=word):
        source_track([msgspec.structs.replace(VIDEO, codec=codec, clock_rate=clock_rate)])


def test_a_rung_is_known_by_the_sources_mid_and_codec() -> None:
    (one,) = plan([rung(360, 600_000)], VIDEO, 1280, 720)
    record = track_record(one, VIDEO)
    assert (record.track, record.mid, record.codec, record.height, record.bitrate_bps) == (
        "v0.360p",
        "v0",
        "H264",
        360,
        600_000,
    )
    vp8 = msgspec.structs.replace(one, codec="VP8")
    assert (track_record(vp8, VIDEO).codec, track_record(vp8, VIDEO).fmtp) == ("VP8", "")


@pytest.mark.parametrize(
    ("size", "level"), [((640, 360), "1e"), ((1280, 720), "1f"), ((1920, 1080), "28"), ((3840, 2160), "34")]
)
def test_the_h264_level_fits_the_size(size: tuple[int, int], level: str) -> None:
    assert h264_fmtp(*size).endswith(f"profile-level-id=42e0{level}")
