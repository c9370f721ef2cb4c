"""What a change of its stream leaves a subscription, state by state."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import AUDIO, VIDEO, rung
from test_supply import live

from rillcast.contracts.records import TrackRecord
from services.edge.domain.rendition_selector import RenditionSelector
from services.edge.domain.stream_change import Left, what_is_left
from services.edge.domain.subscription import Subscription
from services.edge.domain.supply import StreamSupply

VP8, H264, AV1, H265, H266 = (
    msgspec.structs.replace(VIDEO, codec=codec) for codec in ("VP8", "H264", "AV1", "H265", "H266")
)
RUNG = rung(360, 600_000, "VP8")
MONO = msgspec.structs.replace(AUDIO, codec="PCMU")


def supply(*tracks: TrackRecord) -> StreamSupply:
    """The publisher's tracks, and `RUNG` as a transcoder's."""
    stream = live(*tracks)
    published = tuple(track for track in tracks if track is not RUNG)
    return StreamSupply(
        msgspec.structs.replace(stream, record=msgspec.structs.replace(stream.record, tracks=published))
    )


def subscription(video: str = "VP8") -> Subscription:
    """Agreed on a video and an audio track."""
    wanted = Subscription("live/s1")
    for index, (track, codec) in enumerate(((VIDEO, video), (AUDIO, "opus"))):
        wanted.add_track(index, track.mid, kind=track.kind, codec=codec, selector=RenditionSelector())
    return wanted


@pytest.mark.parametrize(
    ("state", "left"),
    [
        ((H264, AUDIO), Left.COMING),
        ((AV1, AUDIO), Left.COMING),
        ((H265, AUDIO), Left.COMING),
        ((H266, AUDIO), Left.ANOTHER_CODEC),
        ((H264, MONO), Left.ANOTHER_CODEC),
        ((H264, RUNG, AUDIO), Left.ENOUGH),
        ((AUDIO,), Left.ENOUGH),
    ],
)
def test_what_is_left_when_a_ladder_makes_the_viewers_codec(state: tuple[TrackRecord, ...], left: Left) -> None:
    tracks = subscription().tracks
    what_is_left(tracks, supply(VP8, AUDIO), ("VP8",))

    assert what_is_left(tracks, supply(*state), ("VP8",)) is left


@pytest.mark.parametrize(
    ("states", "left"),
    [
        ([(VP8, AUDIO)], Left.ENOUGH),
        ([(VP8, AUDIO), (H264, AUDIO)], Left.ANOTHER_CODEC),
        ([(VP8, AUDIO), (VP8, MONO)], Left.ANOTHER_CODEC),
        ([(VP8, AUDIO), (H264, RUNG, AUDIO)], Left.ENOUGH),
        ([(VP8, AUDIO), (AUDIO,)], Left.ENOUGH),
        ([(VP8, AUDIO), (VP8,)], Left.ENOUGH),
        ([(VP8, AUDIO), (AUDIO,), (H264, AUDIO)], Left.ANOTHER_CODEC),
        ([(VP8, AUDIO), (MONO,)], Left.ANOTHER_CODEC),
        ([(VP8, AUDIO), ()], Left.NOTHING),
        ([(H264, RUNG, AUDIO), (H264, AUDIO)], Left.AWAITED),
        ([(H264, RUNG, AUDIO), (H264, AUDIO), (H264, RUNG, AUDIO)], Left.ENOUGH),
        ([(H264, RUNG, AUDIO), (H264, MONO)], Left.ANOTHER_CODEC),
        ([(H264, RUNG, AUDIO), (AV1, AUDIO)], Left.ANOTHER_CODEC),
        ([(H264, RUNG, AUDIO), (RUNG, AUDIO), (H264, AUDIO)], Left.AWAITED),
        ([(H264, RUNG, AUDIO), (AUDIO,), (H264, AUDIO)], Left.AWAITED),
        ([(VP8, AUDIO), (H264, RUNG, AUDIO), (H264, AUDIO)], Left.AWAITED),
        ([(H264, AUDIO)], Left.ANOTHER_CODEC),
    ],
)
def test_what_is_left_after_these_states(states: list[tuple[TrackRecord, ...]], left: Left) -> None:
    tracks = subscription().tracks
    for state in states[:-1]:
        what_is_left(tracks, supply(*state))

    assert what_is_left(tracks, supply(*states[-1])) is left
