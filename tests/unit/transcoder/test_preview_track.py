"""Of which layer a small picture is made."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from services.transcoder.domain.preview_track import is_decoded, preview_track
from tests.unit.transcoder.cluster import AUDIO, VIDEO


def layer(name: str, height: int, bitrate_bps: int = 1, **fields: object) -> TrackRecord:
    return msgspec.structs.replace(
        VIDEO, track=TrackId(name), width=height * 16 // 9, height=height, bitrate_bps=bitrate_bps, **fields
    )


def test_sound_alone_has_no_picture() -> None:
    assert preview_track((AUDIO,)) is None
    assert preview_track(()) is None


def test_the_smallest_layer_that_is_large_enough_is_taken() -> None:
    layers = (layer("h", 1080), layer("m", 360), layer("l", 90))
    assert preview_track((AUDIO, *layers)) == layers[1]


def test_a_layer_that_carries_nothing_is_passed_over() -> None:
    layers = (layer("h", 1080), layer("m", 360, bitrate_bps=0))
    assert preview_track(layers) == layers[0]


def test_where_all_are_small_the_largest_is_taken() -> None:
    assert preview_track((layer("l", 90), layer("m", 120))) == layer("m", 120)


def test_a_second_video_of_the_stream_does_not_count() -> None:
    assert preview_track((VIDEO, layer("v1", 360, mid="v1"))) == VIDEO


def test_what_is_not_decoded_here_is_known() -> None:
    assert is_decoded(VIDEO)
    assert not is_decoded(msgspec.structs.replace(VIDEO, codec="H263"))
    assert not is_decoded(msgspec.structs.replace(VIDEO, clock_rate=8_000))
