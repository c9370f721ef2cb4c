"""What an app and a broadcast together ask for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from rillcast.apps.ladder_wish import LadderWish, wish_of
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord, LadderRung

RUNG = LadderRung(height=360, video_bitrate=500_000)
OWN = LadderRung(height=240, video_bitrate=300_000)
APP = AppSettings(app_name=AppName("live"), encoder_settings=(RUNG,))


def test_nothing_is_transcoded_by_default() -> None:
    assert not wish_of(AppSettings(app_name=AppName("live")).ladder, None)


def heights(wish: LadderWish) -> list[int]:
    return [rung.height for rung in wish.rungs]


def test_a_broadcasts_own_rungs_replace_those_of_its_app() -> None:
    assert heights(wish_of(APP.ladder, BroadcastRecord(stream_id=StreamId("s"), encoder_settings_list=(OWN,)))) == [240]
    assert heights(wish_of(APP.ladder, BroadcastRecord(stream_id=StreamId("s"), encoder_settings_list=()))) == []
    assert heights(wish_of(APP.ladder, BroadcastRecord(stream_id=StreamId("s")))) == [360]


def test_codecs_and_always_are_the_apps() -> None:
    app = msgspec.structs.replace(APP, h264_enabled=False, vp8_enabled=True, always_encode=True)
    wish = wish_of(app.ladder, BroadcastRecord(stream_id=StreamId("s"), encoder_settings_list=(OWN,)))
    assert (wish.codecs, wish.always) == (("VP8",), True)


def test_the_bit_rate_of_the_audio_makes_no_other_wish() -> None:
    louder = msgspec.structs.replace(RUNG, audio_bitrate=128_000)
    assert wish_of(msgspec.structs.replace(APP.ladder, encoder_settings=(louder,)), None) == wish_of(APP.ladder, None)


@pytest.mark.parametrize(
    ("codecs", "present", "to_come"),
    [
        (("H264", "VP8"), ("H264",), ("VP8",)),
        (("H264", "VP8"), ("VP9",), ("H264", "VP8")),
        (("H264",), ("H264",), ()),
        (("H264", "VP8"), ("H265",), ("H264", "VP8")),
        (("H264", "VP8"), ("H266",), ()),
        (("H264", "VP8"), (), ()),
    ],
)
def test_codecs_to_come_are_those_asked_for_that_a_decodable_source_lacks(
    codecs: tuple[str, ...], present: Sequence[str], to_come: tuple[str, ...]
) -> None:
    assert LadderWish(rungs=(RUNG,), codecs=codecs).codecs_to_come(present) == to_come
