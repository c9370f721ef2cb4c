"""Whether a newcomer can feed the living sources, and how."""

from __future__ import annotations

import itertools

import msgspec
from origin_harness import OFFER, SIMULCAST_OFFER

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import LocalTransport, PublishNegotiation, answer_publish
from services.origin.domain.track_layout import onto_sources, same_layout

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000, fmtp="a")
AUDIO = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)


def negotiated(offer: str) -> PublishNegotiation:
    local = LocalTransport(ufrag="ufrag", pwd="p" * 22, fingerprint="AA:BB", addresses=("192.0.2.1",), port=50_000)
    numbers = itertools.count(1)
    return answer_publish(offer, local, allocate_source=lambda: SourceId(next(numbers)))


def test_order_format_parameters_and_measurements_make_no_other_layout() -> None:
    measured = msgspec.structs.replace(VIDEO, fmtp="b", width=640, bitrate_bps=9)

    assert same_layout([VIDEO, AUDIO], [AUDIO, measured])


def test_another_codec_layer_track_or_channel_count_does() -> None:
    for other in (
        [VIDEO],
        [VIDEO, AUDIO, msgspec.structs.replace(VIDEO, track=TrackId("v1"))],
        [msgspec.structs.replace(VIDEO, codec="VP8"), AUDIO],
        [msgspec.structs.replace(VIDEO, rid="h"), AUDIO],
        [VIDEO, msgspec.structs.replace(AUDIO, channels=1)],
    ):
        assert not same_layout([VIDEO, AUDIO], other)


def test_every_encoding_feeds_the_source_of_its_track() -> None:
    for offer in (OFFER, SIMULCAST_OFFER):
        negotiation = negotiated(offer)
        sources = {track.track: 100 + index for index, track in enumerate(negotiation.tracks)}

        recv = onto_sources(negotiation, sources)

        fed = {e.source: e.rid for track in recv for e in track.encodings}
        assert fed == {sources[track.track]: track.rid for track in negotiation.tracks}
        assert [track.mid for track in recv] == [track.mid for track in negotiation.recv]
