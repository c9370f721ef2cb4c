"""An offer is answered for all kinds of media that it sends, or refused as a whole; and what every answer must say."""

from __future__ import annotations

import pytest
from sdp_samples import LOCAL, PUBLISHERS, lines, sections, sources, vector

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.sdp import PublishNegotiation, answer_publish, offer_move

FINGERPRINT = f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}"
TRANSPORT = ["a=ice-ufrag:abcd", f"a=ice-pwd:{'p' * 22}", FINGERPRINT, "a=setup:actpass", "a=rtcp-mux", "a=sendonly"]
H264, H266 = ("video", {96: "H264/90000"}), ("video", {96: "H266/90000"})
OPUS = ("audio", {111: "opus/48000/2"})
PCM = ("audio", {0: "PCMU/8000", 8: "PCMA/8000"})
MULTIOPUS = ("audio", {109: "multiopus/48000/6"})
FILLER = ("audio", {97: "PCMU/8000"})


def offer(*media: tuple[str, dict[int, str]], bundle: str = "", protocol: str = "UDP/TLS/RTP/SAVPF") -> str:
    mids = bundle or " ".join(map(str, range(len(media))))
    text = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    for index, (kind, formats) in enumerate(media):
        text += [f"m={kind} 9 {protocol} {' '.join(map(str, formats))}", "c=IN IP4 0.0.0.0", f"a=mid:{index}"]
        text += [*TRANSPORT, *(f"a=rtpmap:{number} {name}" for number, name in formats.items())]
    return "\r\n".join([*text, ""])


def answer(text: str) -> PublishNegotiation:
    return answer_publish(text, LOCAL, allocate_source=sources())


def refusal(text: str) -> RillcastError:
    with pytest.raises(RillcastError) as caught:
        answer(text)
    return caught.value


# ------------------------------------------------------------ all kinds or none


@pytest.mark.parametrize(
    ("media", "named"),
    [
        ((OPUS, H266), "the client offers video: H266; possible here: H264, VP8, VP9, AV1, H265"),
        ((H266, OPUS), "the client offers video: H266; possible here: H264, VP8, VP9, AV1, H265"),
        ((H264, PCM), "the client offers audio: PCMU, PCMA; possible here: opus"),
        ((MULTIOPUS, H264), "the client offers audio: multiopus; possible here: opus"),
        (
            (H266, PCM),
            "the client offers video: H266; audio: PCMU, PCMA; possible here: H264, VP8, VP9, AV1, H265, opus",
        ),
        ((OPUS, ("video", {96: "rtx/90000"})), "the client offers video: nothing usable"),
        ((H266, ("video", {98: "MP4V-ES/90000"}), OPUS), "the client offers video: H266; video: MP4V-ES"),
    ],
)
def test_an_offer_with_a_kind_that_cannot_be_served_is_refused_and_the_codec_named(
    media: tuple[tuple[str, dict[int, str]], ...], named: str
) -> None:
    refused = refusal(offer(*media))
    assert refused.code is ErrorCode.NO_COMMON_CODEC
    assert named in refused.message


def test_an_app_that_enables_one_codec_refuses_the_others_also_beside_audio() -> None:
    with pytest.raises(RillcastError, match="video: VP8; possible here: H264"):
        answer_publish(
            offer(OPUS, ("video", {96: "VP8/90000"})), LOCAL, allocate_source=sources(), video_codecs=["H264"]
        )


def test_a_second_m_line_of_the_kind_is_taken_when_the_first_cannot_be() -> None:
    negotiation = answer(offer(PCM, H266, OPUS, H264))
    assert [line.split()[1] for line in lines(negotiation.answer_sdp, "m=")] == ["0", "0", "50000", "50000"]


@pytest.mark.parametrize(
    "change", [("a=sendonly", "a=recvonly"), ("a=sendonly", "a=inactive"), ("m=audio 9", "m=audio 0")]
)
def test_what_the_client_does_not_send_needs_no_codec(change: tuple[str, str]) -> None:
    text = offer(H264, PCM)
    silent = sections(text)[1]
    negotiation = answer(text.replace(silent, silent.replace(*change)))
    assert [track.codec for track in negotiation.tracks] == ["H264"]


def test_media_outside_the_bundle_or_without_dtls_refuse_the_offer_too() -> None:
    apart = refusal(offer(H264, OPUS, bundle="0"))
    assert apart.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert "m-line 1 (audio) is not in a=group:BUNDLE" in apart.message
    text = offer(H264, OPUS)
    plain = refusal(text.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 RTP/AVP"))
    assert "m-line 1 (audio) is offered as 'RTP/AVP'" in plain.message


def test_the_stand_in_for_sound_of_a_source_without_is_refused_alone() -> None:
    """MediaMTX forwards such a source with a line of PCMU, whose payload type follows that of the video."""
    negotiation = answer(offer(H264, FILLER))
    assert [track.codec for track in negotiation.tracks] == ["H264"]
    with pytest.raises(RillcastError, match="audio: PCMU"):
        answer(offer(FILLER))


def test_a_move_refuses_what_a_first_offer_would_be_refused_for() -> None:
    with pytest.raises(RillcastError, match="video: H266"):
        offer_move(offer(OPUS, H266), LOCAL, allocate_source=sources())


# ------------------------------------------------------------ upright pictures


@pytest.mark.parametrize("name", PUBLISHERS)
def test_nobody_is_let_turn_pictures_by_a_header_extension(name: str) -> None:
    """libwebrtc turns the pixels itself unless the answer has the extension; recordings, rungs and Firefox need it."""
    for negotiation in (answer(vector(name)), offer_move(vector(name), LOCAL, allocate_source=sources())):
        assert "video-orientation" not in negotiation.answer_sdp
        assert negotiation.extensions.video_orientation == 0


# ------------------------------------------------------------ refused m-lines


def refused_section(text: str) -> str:
    return next(part for part in sections(answer(text).answer_sdp) if part.split()[1] == "0")


def test_a_refused_m_line_names_its_formats_as_the_offer_does() -> None:
    part = refused_section(offer(H264, FILLER))
    assert part.startswith("m=audio 0 UDP/TLS/RTP/SAVPF 97\r\n")
    assert lines(part, "a=rtpmap") == ["a=rtpmap:97 PCMU/8000"]


def test_formats_with_fixed_numbers_are_named_even_if_the_offer_does_not() -> None:
    text = offer(OPUS, PCM, H264).replace("a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n", "")
    assert lines(refused_section(text), "a=rtpmap") == ["a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"]


def test_only_names_of_offered_formats_that_are_well_formed_are_repeated() -> None:
    text = offer(OPUS, ("audio", {0: "PCMU/8000", 97: "x/y/z"}), H264)
    text = text.replace("a=rtpmap:97 x/y/z", "a=rtpmap:97 x/y/z\r\na=rtpmap:99 G729/8000\r\na=rtpmap:0 PCMA/8000")
    assert lines(refused_section(text), "a=rtpmap") == ["a=rtpmap:0 PCMU/8000"]
