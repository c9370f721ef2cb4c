"""Offers to viewers with their captured answers, and answers to captured WHEP offers."""

from __future__ import annotations

import msgspec
import pytest
from aiortc.sdp import SessionDescription
from sdp_samples import LOCAL, PLAYERS, audio, lines, sections, sources, vector, video

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.sdp import (
    PlayNegotiation,
    PlayOffer,
    SentStream,
    accept_play_answer,
    answer_play,
    answer_publish,
    offer_play,
)


def groups(negotiation: PlayNegotiation) -> dict[str, int]:
    return {agreed.group: agreed.track for agreed in negotiation.of(0)}


def offer(*tracks: TrackRecord) -> PlayOffer:
    return offer_play([SentStream("s1", tracks or (video("VP8"), audio()))], LOCAL)


def test_our_offer_is_what_ant_medias_clients_need() -> None:
    made = offer()
    parsed = SessionDescription.parse(made.sdp)
    assert [(m.kind, m.direction, m.port, m.msid) for m in parsed.media] == [
        ("video", "sendonly", 50_000, "s1 ARDAMSvs1"),
        ("audio", "sendonly", 50_000, "s1 ARDAMSas1"),
    ]
    assert made.id_mapping == {"0": "ARDAMSvs1", "1": "ARDAMSas1"}
    assert set(lines(made.sdp, "a=setup")) == {"a=setup:actpass"}
    assert "a=ice-lite" in made.sdp
    picture, sound = made.send
    assert f"a=ssrc-group:FID {picture.ssrc} {picture.rtx_ssrc}" in made.sdp
    assert f"a=ssrc:{sound.ssrc} cname:{sound.cname}" in made.sdp
    assert picture.cname == sound.cname
    assert len({picture.ssrc, picture.rtx_ssrc, sound.ssrc, 0}) == 4
    assert (picture.source, picture.rtx_payload_type, sound.rtx_ssrc) == (None, 97, 0)
    assert lines(made.sdp, "a=rtcp-fb:96") == [
        f"a=rtcp-fb:96 {feedback}" for feedback in ("nack", "nack pli", "ccm fir", "goog-remb")
    ]


def test_mids_and_payload_types_are_the_same_at_every_edge() -> None:
    first, second = offer(), offer()
    assert lines(first.sdp, "m=") == lines(second.sdp, "m=")
    assert lines(first.sdp, "a=extmap") == lines(second.sdp, "a=extmap")


def test_renditions_of_one_track_are_one_m_line() -> None:
    made = offer(video("VP8", track="v0.h"), video("VP8", track="v0.l"), audio())
    assert len(sections(made.sdp)) == 2


def test_a_ladder_in_another_codec_is_offered_behind_the_sources_codec() -> None:
    made = offer(video("VP8"), video("H264", track="v0.360p"), audio())
    assert [line.split()[1] for line in lines(made.sdp, "a=rtpmap")][:4] == [
        "VP8/90000",
        "rtx/90000",
        "H264/90000",
        "rtx/90000",
    ]
    answer = (
        vector("chromium-156-answer-vp8")
        .replace("SAVPF 96 97", "SAVPF 98 99")
        .replace("a=rtpmap:96 VP8", "a=rtpmap:98 H264")
        .replace("a=rtpmap:97 rtx", "a=rtpmap:99 rtx")
        .replace("a=fmtp:97 apt=96", "a=fmtp:99 apt=98")
        .replace("SAVPF 98\r\n", "SAVPF 100\r\n")
        .replace("a=rtpmap:98 opus", "a=rtpmap:100 opus")
    )
    negotiation = accept_play_answer(made, answer)
    assert negotiation.codecs(0)["v0"] == "H264"
    assert [track.payload_type for track in negotiation.send] == [98, 100]


def test_stereo_is_announced_when_the_publisher_has_it() -> None:
    assert "stereo=1;sprop-stereo=1" in offer(audio("useinbandfec=1;stereo=1")).sdp
    assert "stereo" not in offer(audio()).sdp


@pytest.mark.parametrize(
    ("answer", "tracks", "video_payload"),
    [
        ("chromium-156-answer-vp8", (video("VP8"), audio()), 96),
        ("firefox-esr-answer-vp8", (video("VP8"), audio()), 96),
        ("chromium-156-answer-av1", (video("AV1", "level-idx=5;profile=0;tier=0"), audio()), 96),
        ("chromium-156-answer-high", (video("H264", "packetization-mode=1;profile-level-id=64002a"), audio()), 98),
    ],
)
def test_captured_answers_are_accepted(answer: str, tracks: tuple[TrackRecord, ...], video_payload: int) -> None:
    made = offer(*tracks)
    negotiation = accept_play_answer(made, vector(answer))
    assert negotiation.sdp is None
    assert negotiation.dtls.role == "server"
    assert groups(negotiation) == {"v0": 0, "a0": 1}
    assert [track.ssrc for track in negotiation.send] == [track.ssrc for track in made.send]
    assert negotiation.send[0].payload_type == video_payload
    assert negotiation.send[0].rtx_payload_type == video_payload + 1
    assert negotiation.extensions.mid == 1
    assert negotiation.extensions.abs_send_time == 2


def test_an_m_line_that_is_not_wanted_drops_out() -> None:
    answer = vector("firefox-esr-answer-vp8").replace("a=recvonly", "a=inactive", 1)
    negotiation = accept_play_answer(offer(video("VP8"), audio()), answer)
    assert [track.kind for track in negotiation.send] == ["audio"]
    assert groups(negotiation) == {"a0": 1}
    assert negotiation.codecs(0) == {"a0": "opus"}
    assert negotiation.extensions.abs_send_time == 0


def test_who_has_none_of_the_videos_codecs_is_told_and_not_given_the_sound_alone() -> None:
    with pytest.raises(RillcastError, match="the client refuses video; possible here: H264") as caught:
        accept_play_answer(offer(video(), audio()), vector("firefox-esr-answer-h264"))
    assert caught.value.code is ErrorCode.NO_COMMON_CODEC


def test_one_of_two_videos_may_be_refused() -> None:
    second = msgspec.structs.replace(video("H264"), track=TrackId("v1"), mid="v1")
    answer = vector("firefox-esr-answer-vp8")
    head, seen, heard = answer.partition("m=video")[0], *("m=" + part for part in answer.split("m=")[1:])
    assert seen.startswith("m=video") and heard.startswith("m=audio")
    refused = (
        "m=video 0 UDP/TLS/RTP/SAVPF 120\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:2\r\na=rtpmap:120 VP8/90000\r\n"
    )
    made = offer(video("VP8"), audio(), second)
    negotiation = accept_play_answer(made, head + seen + heard + refused)
    assert negotiation.codecs(0) == {"v0": "VP8", "a0": "opus"}


def test_refusing_everything_is_no_common_codec() -> None:
    answer = vector("firefox-esr-answer-vp8").replace("m=video 9", "m=video 0").replace("m=audio 9", "m=audio 0")
    with pytest.raises(RillcastError, match="possible here: VP8, opus") as caught:
        accept_play_answer(offer(), answer)
    assert caught.value.code is ErrorCode.NO_COMMON_CODEC


def test_rtx_and_extensions_the_client_leaves_out_are_not_used() -> None:
    answer = vector("chromium-156-answer-vp8")
    answer = "\r\n".join(
        line.replace("SAVPF 96 97", "SAVPF 96")
        for line in answer.split("\r\n")
        if not line.startswith(("a=rtpmap:97", "a=fmtp:97", "a=extmap:4"))
    )
    negotiation = accept_play_answer(offer(), answer)
    assert (negotiation.send[0].rtx_payload_type, negotiation.send[0].rtx_ssrc) == (0, 0)
    assert negotiation.extensions.video_orientation == 0


def test_a_passive_client_makes_us_the_dtls_client() -> None:
    answer = vector("chromium-156-answer-vp8").replace("a=setup:active", "a=setup:passive")
    assert accept_play_answer(offer(), answer).dtls.role == "client"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("a=setup:active", "a=setup:actpass"), "not actpass"),
        (("m=audio", "m=video"), r"m-line 1 \(video\) of the answer does not belong"),
        (("a=mid:1", "a=mid:5"), "does not belong"),
    ],
)
def test_answers_that_do_not_fit_the_offer_are_refused(change: tuple[str, str], message: str) -> None:
    with pytest.raises(RillcastError, match=message) as caught:
        accept_play_answer(offer(), vector("chromium-156-answer-vp8").replace(*change))
    assert caught.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION


def test_an_answer_with_missing_m_lines_is_refused() -> None:
    answer = vector("chromium-156-answer-vp8")
    with pytest.raises(RillcastError, match="1 m-lines, the offer 2"):
        accept_play_answer(offer(), answer[: answer.index("m=audio")])


@pytest.mark.parametrize("name", PLAYERS)
def test_every_captured_whep_viewer_gets_a_published_vp8_stream(name: str) -> None:
    published = answer_publish(vector("chromium-156-publish"), LOCAL, allocate_source=sources())
    negotiation = answer_play(vector(name), [SentStream("s1", published.tracks)], LOCAL)
    assert negotiation.sdp is not None
    theirs, ours = SessionDescription.parse(vector(name)), SessionDescription.parse(negotiation.sdp)
    assert [(m.kind, m.rtp.muxId) for m in theirs.media] == [(m.kind, m.rtp.muxId) for m in ours.media]
    assert {m.direction for m in ours.media} == {"sendonly"}
    assert [m.rtp.codecs[0].payloadType for m in ours.media] == [t.payload_type for t in negotiation.send]
    assert [m.rtp.codecs[0].name for m in ours.media] == ["VP8", "opus"]
    assert [m.ssrc[0].ssrc for m in ours.media] == [t.ssrc for t in negotiation.send]
    assert negotiation.dtls.role == "server"
    assert groups(negotiation) == {"v0": 0, "a0": 1}


@pytest.mark.parametrize(
    ("stream", "payload_type"),
    [
        ("packetization-mode=1;profile-level-id=42e01f", 108),
        ("packetization-mode=1;profile-level-id=42001f", 102),
        ("packetization-mode=1;profile-level-id=4d0032", 116),
        ("packetization-mode=0;profile-level-id=42e01f", 114),
        ("packetization-mode=1;profile-level-id=64001f", 41),
        ("packetization-mode=1;profile-level-id=f4001f", 41),
    ],
)
def test_whep_viewers_get_the_h264_format_that_fits_the_stream(stream: str, payload_type: int) -> None:
    negotiation = answer_play(vector("chromium-156-play"), [SentStream("s", [video("H264", stream)])], LOCAL)
    assert negotiation.send[0].payload_type == payload_type


def test_whep_extra_m_lines_are_refused_and_leave_the_bundle() -> None:
    negotiation = answer_play(vector("chromium-156-play"), [SentStream("s", [audio()])], LOCAL)
    assert negotiation.sdp is not None
    assert [line.split()[1] for line in lines(negotiation.sdp, "m=")] == ["0", "50000"]
    assert lines(negotiation.sdp, "a=group") == ["a=group:BUNDLE 1"]
    assert len(negotiation.send) == 1


def test_whep_takes_the_rendition_codec_the_viewer_has() -> None:
    tracks = [video("H264"), video("VP8", track="v0.360p"), audio()]
    negotiation = answer_play(vector("firefox-esr-play"), [SentStream("s", tracks)], LOCAL)
    assert negotiation.codecs(0) == {"v0": "VP8", "a0": "opus"}


def test_whep_viewers_without_the_codec_are_told() -> None:
    with pytest.raises(RillcastError, match="possible here: H264") as caught:
        answer_play(vector("firefox-esr-play"), [SentStream("s", [video("H264")])], LOCAL)
    assert caught.value.code is ErrorCode.NO_COMMON_CODEC


def test_whep_extensions_never_hold_transport_wide_numbers() -> None:
    negotiation = answer_play(vector("chromium-156-play"), [SentStream("s", [video("VP8"), audio()])], LOCAL)
    assert negotiation.sdp is not None
    assert "transport-wide" not in negotiation.sdp
    assert "transport-cc" not in negotiation.sdp
    assert negotiation.extensions.abs_send_time
    assert "playout-delay" in negotiation.sdp


def test_a_stream_of_nothing_cannot_be_offered() -> None:
    with pytest.raises(ValueError, match="without tracks"):
        offer_play([SentStream("s", ())], LOCAL)


def test_names_that_would_break_a_line_are_refused() -> None:
    with pytest.raises(ValueError, match="a=msid"):
        offer_play([SentStream("s\r\na=x", (audio(),))], LOCAL)


@pytest.mark.parametrize(
    ("tracks", "named"),
    [
        ((video("H264"), audio()), "video: VP8, VP9, AV1; possible here: H264"),
        ((video("H264", track="v0.360p"), video("H264"), audio()), "possible here: H264"),
    ],
)
def test_whep_viewers_are_not_given_the_sound_alone_of_what_they_cannot_see(
    tracks: tuple[TrackRecord, ...], named: str
) -> None:
    with pytest.raises(RillcastError, match=named) as caught:
        answer_play(vector("firefox-esr-play"), [SentStream("s", tracks)], LOCAL)
    assert caught.value.code is ErrorCode.NO_COMMON_CODEC


def test_whep_viewers_of_two_streams_get_what_one_of_them_has() -> None:
    streams = [SentStream("s", [video("H264"), audio()]), SentStream("t", [video("VP8")])]
    negotiation = answer_play(vector("firefox-esr-play"), streams, LOCAL)
    assert {(agreed.subscription, agreed.codec) for agreed in negotiation.agreed} == {(0, "opus"), (1, "VP8")}
