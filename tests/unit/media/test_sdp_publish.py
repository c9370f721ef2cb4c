"""Answers to publishers, on captured offers."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription
from sdp_samples import LOCAL, PUBLISHERS, lines, sections, sources, vector

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.protocol import Encoding, SourceId
from rillcast.media.sdp import PublishNegotiation, answer_publish


def answer(offer: str) -> PublishNegotiation:
    return answer_publish(offer, LOCAL, allocate_source=sources())


@pytest.mark.parametrize("name", PUBLISHERS)
def test_every_captured_publisher_gets_an_answer_in_its_own_m_line_order(name: str) -> None:
    offer = vector(name)
    negotiation = answer(offer)
    theirs, ours = SessionDescription.parse(offer), SessionDescription.parse(negotiation.answer_sdp)
    assert [(m.kind, m.rtp.muxId) for m in theirs.media] == [(m.kind, m.rtp.muxId) for m in ours.media]
    accepted = [m.rtp.muxId for m in ours.media if m.port]
    assert lines(negotiation.answer_sdp, "a=group") == [f"a=group:BUNDLE {' '.join(accepted)}"]
    assert [track.mid for track in negotiation.recv] == accepted
    assert len(negotiation.ice_remote.ufrag) >= 4
    assert negotiation.sources == {track.track: number for number, track in enumerate(negotiation.tracks, 1)}, (
        "one source per track, allocated in order"
    )
    for media in ours.media:
        if media.port:
            assert media.port == LOCAL.port
            assert media.direction == "recvonly"
            assert [c.ip for c in media.ice_candidates] == list(LOCAL.addresses)
            assert media.ice_candidates[0].priority > media.ice_candidates[1].priority
            assert media.rtcp_mux
            assert media.ice_candidates_complete


@pytest.mark.parametrize(
    ("name", "codec", "payload_type", "rtx"),
    [
        ("chromium-156-publish", "VP8", 96, 97),
        ("chromium-156-publish-h264", "H264", 102, 103),
        ("chromium-156-publish-vp9", "VP9", 98, 99),
        ("chromium-156-publish-av1", "AV1", 45, 46),
        ("firefox-esr-publish", "VP8", 120, 124),
        ("ffmpeg-9-whip", "H264", 106, 105),
        ("gstreamer-1.22-publish", "VP8", 96, 0),
        ("aiortc-1.16-publish", "VP8", 97, 98),
    ],
)
def test_the_publishers_first_codec_is_taken_with_its_rtx(name: str, codec: str, payload_type: int, rtx: int) -> None:
    track = next(track for track in answer(vector(name)).recv if track.kind == "video")
    assert (track.codec, track.payload_type, track.rtx_payload_type) == (codec, payload_type, rtx)


def test_codecs_that_are_not_enabled_are_passed_over() -> None:
    negotiation = answer_publish(
        vector("chromium-156-publish"), LOCAL, allocate_source=sources(), video_codecs=["H264"]
    )
    assert negotiation.recv[0].codec == "H264"
    assert "packetization-mode=1" in negotiation.tracks[0].fmtp


def test_h264_that_may_fragment_frames_wins_over_an_earlier_one_that_may_not() -> None:
    offer = (
        vector("chromium-156-publish-h264").replace("96 97 ", "").replace("SAVPF 102 103 ", "SAVPF 104 105 102 103 ")
    )
    assert lines(offer, "m=video")[0].split()[3] == "104"
    assert answer(offer).recv[0].payload_type == 102


def test_the_data_channel_is_refused_and_leaves_the_bundle() -> None:
    negotiation = answer(vector("chromium-156-publish"))
    application = sections(negotiation.answer_sdp)[2]
    assert application.startswith("m=application 0 ")
    assert "a=inactive" in application
    assert lines(negotiation.answer_sdp, "a=group") == ["a=group:BUNDLE 0 1"]


def test_a_second_video_is_refused() -> None:
    offer = vector("chromium-156-publish-h264")
    second = sections(offer)[0].replace("a=mid:0", "a=mid:7").rstrip() + "\r\n"
    negotiation = answer(offer.replace("BUNDLE 0 1", "BUNDLE 0 1 7") + second)
    assert [line.split()[1] for line in lines(negotiation.answer_sdp, "m=")] == ["50000", "50000", "0"]
    assert lines(negotiation.answer_sdp, "a=group") == ["a=group:BUNDLE 0 1"]


def test_simulcast_is_answered_with_one_source_per_layer() -> None:
    for name in (
        "chromium-156-publish-simulcast",
        "chromium-156-publish-simulcast-h264",
        "firefox-esr-publish-simulcast",
    ):
        negotiation = answer(vector(name))
        track = negotiation.recv[0]
        assert track.encodings == (
            Encoding(source=SourceId(1), rid="h"),
            Encoding(source=SourceId(2), rid="m"),
            Encoding(source=SourceId(3), rid="l"),
        )
        assert [t.track for t in negotiation.tracks[:3]] == ["v0.h", "v0.m", "v0.l"]
        assert {t.mid for t in negotiation.tracks[:3]} == {"v0"}
        assert track.ssrcs == ()
        assert lines(negotiation.answer_sdp, "a=rid") == ["a=rid:h recv", "a=rid:m recv", "a=rid:l recv"]
        assert lines(negotiation.answer_sdp, "a=simulcast") == ["a=simulcast:recv h;m;l"]
        assert negotiation.extensions.rid and negotiation.extensions.repaired_rid


def test_of_simulcast_alternatives_the_first_is_taken_and_other_payload_types_are_left_out() -> None:
    offer = (
        vector("chromium-156-publish-simulcast")
        .replace("a=simulcast:send h;m;l", "a=simulcast:send h,x;~m;l")
        .replace("a=rid:l send", "a=rid:l send pt=45;max-width=320")
    )
    assert [e.rid for e in answer(offer).recv[0].encodings] == ["h", "m"]


def test_simulcast_without_the_rid_extension_becomes_one_encoding() -> None:
    offer = vector("chromium-156-publish-simulcast").replace("sdes:rtp-stream-id", "sdes:something-else")
    negotiation = answer(offer)
    assert [e.rid for e in negotiation.recv[0].encodings] == [""]
    assert lines(negotiation.answer_sdp, "a=rid") == []


def test_feedback_is_what_both_know_and_never_transport_wide() -> None:
    negotiation = answer(vector("chromium-156-publish"))
    assert lines(negotiation.answer_sdp, "a=rtcp-fb:96") == [
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir",
        "a=rtcp-fb:96 goog-remb",
    ]
    assert "transport" not in negotiation.answer_sdp
    ffmpeg = next(track for track in answer(vector("ffmpeg-9-whip")).recv if track.kind == "video")
    assert (ffmpeg.nack, ffmpeg.pli, ffmpeg.remb) == (True, False, False)


def test_the_dependency_descriptor_is_taken_for_av1_only() -> None:
    assert answer(vector("firefox-esr-publish-simulcast")).extensions.dependency_descriptor == 0
    offer = vector("chromium-156-publish-av1")
    if "dependency-descriptor" not in offer:
        offer = offer.replace(
            "a=mid:0\r\n",
            "a=mid:0\r\na=extmap:13 https://aomediacodec.github.io/av1-rtp-spec/"
            "#dependency-descriptor-rtp-header-extension\r\n",
            1,
        )
    assert answer(offer).extensions.dependency_descriptor > 0


def test_an_extension_offered_for_one_direction_is_answered_for_the_other() -> None:
    negotiation = answer(vector("firefox-esr-publish-simulcast"))
    assert "a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" in negotiation.answer_sdp
    assert "playout-delay" not in negotiation.answer_sdp


def test_an_id_with_two_meanings_keeps_the_first() -> None:
    offer = vector("chromium-156-publish-h264")
    first, second = sections(offer)
    clashing = second.replace("urn:ietf:params:rtp-hdrext:ssrc-audio-level", "urn:x").replace(
        "a=extmap:2 ", "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:15 "
    )
    negotiation = answer(offer.replace(second, clashing))
    assert "abs-send-time" in first
    assert negotiation.extensions.abs_send_time == 2
    assert negotiation.extensions.audio_level == 0


def test_we_are_the_dtls_server_unless_the_offer_is_passive() -> None:
    passive, active = answer(vector("ffmpeg-9-whip")), answer(vector("ffmpeg-9-whip-dtls-active"))
    assert passive.dtls.role == "client"
    assert set(lines(passive.answer_sdp, "a=setup")) == {"a=setup:active"}
    assert active.dtls.role == "server"
    assert answer(vector("chromium-156-publish")).dtls.role == "server"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("chromium-156-publish", True),
        ("firefox-esr-publish", True),
        ("gstreamer-1.22-publish", True),
        ("aiortc-1.16-publish", True),
        ("ffmpeg-9-whip", False),
        ("ffmpeg-9-whip-dtls-active", False),
    ],
)
def test_only_ffmpeg_is_not_told_of_the_end_by_close_notify(name: str, told: bool) -> None:
    """After any DTLS record it waits for the next datagram, for ever if none comes."""
    assert answer(vector(name)).dtls.close_notify is told


def test_of_several_fingerprints_sha_256_is_taken() -> None:
    dtls = answer(vector("aiortc-1.16-publish")).dtls
    assert dtls.fingerprint_hash == "sha-256"
    assert dtls.fingerprint.count(":") == 31


def test_ssrcs_and_their_rtx_partners_are_read() -> None:
    offer = vector("ffmpeg-9-whip")
    group = lines(offer, "a=ssrc-group:FID")[0].split()
    track = answer(offer).recv[1]
    assert track.ssrcs == (int(group[1]),)
    assert track.rtx_ssrcs == (int(group[2]),)


def test_opus_is_answered_with_what_was_offered() -> None:
    assert "a=fmtp:111 minptime=10;useinbandfec=1\r\n" in answer(vector("chromium-156-publish")).answer_sdp
    stereo = vector("chromium-156-publish").replace("useinbandfec=1", "useinbandfec=1;stereo=1")
    negotiation = answer(stereo)
    assert "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r\n" in negotiation.answer_sdp
    assert negotiation.tracks[1].channels == 2


def test_receive_limits_and_parameter_sets_of_the_publisher_are_not_repeated_to_it() -> None:
    assert "max-fs" not in answer(vector("firefox-esr-publish")).answer_sdp
    offer = vector("ffmpeg-9-whip").replace("64000d", "64000d;sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==")
    negotiation = answer(offer)
    assert "sprop" not in negotiation.answer_sdp
    assert "sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==" in negotiation.tracks[1].fmtp


def test_audio_only_and_a_refused_video_m_line() -> None:
    offer = vector("chromium-156-publish-h264").replace("m=video 9 ", "m=video 0 ")
    negotiation = answer(offer)
    assert [track.kind for track in negotiation.recv] == ["audio"]
    assert lines(negotiation.answer_sdp, "a=group") == ["a=group:BUNDLE 1"]


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_m_lines_that_send_nothing_are_refused(direction: str) -> None:
    offer = vector("chromium-156-publish-h264")
    silent = sections(offer)[1]
    negotiation = answer(offer.replace(silent, silent.replace("a=sendonly", f"a={direction}")))
    assert [line.split()[1] for line in lines(negotiation.answer_sdp, "m=")] == ["50000", "0"]


def test_no_common_codec_names_both_sides() -> None:
    with pytest.raises(RillcastError, match=r"video: VP8.*possible here: H266, flac") as caught:
        answer_publish(
            vector("chromium-156-publish"),
            LOCAL,
            allocate_source=sources(),
            video_codecs=["H266"],
            audio_codecs=["flac"],
        )
    assert caught.value.code is ErrorCode.NO_COMMON_CODEC


def test_a_viewers_offer_is_no_publishers_offer() -> None:
    with pytest.raises(RillcastError, match="no media") as caught:
        answer(vector("chromium-156-play"))
    assert caught.value.code is ErrorCode.NO_COMMON_CODEC
