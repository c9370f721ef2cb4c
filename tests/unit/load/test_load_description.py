"""Generated peers' descriptions are understood by our own negotiation, and the other way round."""

from __future__ import annotations

import pytest

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.load.description import (
    LocalPeer,
    PublishedTrack,
    agreed,
    publish_offer,
    simulcast_track,
    view_answer,
    view_offer,
)
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import LocalTransport, SentStream, accept_play_answer, answer_play, answer_publish, offer_play

FINGERPRINT = ":".join(["AB"] * 32)
SERVER = LocalTransport(
    ufrag="server", pwd="s" * 24, fingerprint=":".join(["CD"] * 32), addresses=("192.0.2.7", "2001:db8::7"), port=50_000
)
TRACKS = (
    TrackRecord(
        track=TrackId("v0"),
        mid="v0",
        kind=MediaKind.VIDEO,
        codec="H264",
        clock_rate=90_000,
        fmtp="packetization-mode=1;profile-level-id=42e01f",
    ),
    TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2),
)


def local() -> LocalPeer:
    return LocalPeer.new(FINGERPRINT)


def test_a_generated_viewer_agrees_with_a_whep_answer() -> None:
    peer = local()
    negotiated = answer_play(view_offer(peer), [SentStream("s", TRACKS)], SERVER)
    assert negotiated.sdp is not None
    found = agreed(negotiated.sdp)
    assert (found.remote, found.remote_ufrag, found.client) == ("192.0.2.7:50000", "server", True)
    sent = {t.kind: (t.payload_type, t.rtx_payload_type) for t in negotiated.send}
    assert {("video" if t.video else "audio"): (t.payload_type, t.rtx_payload_type) for t in found.viewed} == sent


def test_a_generated_viewer_answers_a_servers_offer() -> None:
    peer = local()
    offer = offer_play([SentStream("s", TRACKS)], SERVER)
    answer, found = view_answer(peer, offer.sdp)
    accepted = accept_play_answer(offer, answer)
    assert accepted.ice_remote.ufrag == peer.ufrag
    assert {t.payload_type for t in accepted.send} == {t.payload_type for t in found.viewed}
    assert accepted.extensions.abs_send_time == offer.extensions.abs_send_time != 0


def test_a_generated_publisher_is_taken_with_both_tracks() -> None:
    tracks = (PublishedTrack(True, 90_000, 102, 7), PublishedTrack(False, 48_000, 111, 8))
    negotiated = answer_publish(
        publish_offer(local(), tracks), SERVER, allocate_source=map(SourceId, range(1, 9)).__next__
    )
    assert {(t.kind, t.codec, t.ssrcs) for t in negotiated.recv} == {("video", "H264", (7,)), ("audio", "opus", (8,))}
    assert agreed(negotiated.answer_sdp).client


@pytest.mark.parametrize("text", ["", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\n"])
def test_a_useless_answer_is_refused_in_words(text: str) -> None:
    with pytest.raises(RillcastError):
        agreed(text)


def test_simulcast_layers_are_sources_of_their_own_told_apart_by_rid() -> None:
    videos = [simulcast_track(90_000, 102, 7 + layer, layer) for layer in range(3)]
    tracks = [*videos, PublishedTrack(False, 48_000, 111, 3)]
    negotiated = answer_publish(
        publish_offer(local(), tracks), SERVER, allocate_source=map(SourceId, range(1, 9)).__next__
    )
    video = next(t for t in negotiated.recv if t.kind == "video")
    assert [e.rid for e in video.encodings] == ["r0", "r1", "r2"]
    ids = negotiated.extensions
    assert [t.extensions for t in videos] == [((ids.mid, video.mid), (ids.rid, f"r{i}")) for i in range(3)]


def test_the_time_of_sending_is_read_where_the_server_agreed_to_it() -> None:
    negotiated = answer_play(view_offer(local()), [SentStream("s", TRACKS)], SERVER)
    assert negotiated.sdp is not None
    found = {t.video: t.abs_send_time for t in agreed(negotiated.sdp).viewed}
    assert found == {True: negotiated.extensions.abs_send_time, False: 0}
