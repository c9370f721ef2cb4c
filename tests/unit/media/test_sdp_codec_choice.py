"""Which of the codecs of a publisher's offer is taken: by the app's switches, and again in a living session."""

from __future__ import annotations

import re

import pytest
from sdp_corpus import TAKEN, offer_of
from sdp_rules import faults
from sdp_samples import LOCAL, PUBLISHERS, lines, sources, vector

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.protocol import RecvTrack
from rillcast.media.sdp import PublishNegotiation, VideoChoice, answer_publish, offer_move
from rillcast.media.sdp.codecs import parse_payloads
from rillcast.media.sdp.document import parse_document

ALL = ("H264", "VP8", "VP9", "AV1", "H265")
H264_FIRST = VideoChoice(preferred=("H264",))


def answer(offer: str, choice: VideoChoice) -> PublishNegotiation:
    return answer_publish(offer, LOCAL, allocate_source=sources(), choice=choice)


def video(negotiation: PublishNegotiation) -> RecvTrack:
    return next(track for track in negotiation.recv if track.kind == "video")


def said(negotiation: PublishNegotiation) -> list[str]:
    """The answer without the number of its session, which is random."""
    return [line for line in negotiation.answer_sdp.splitlines() if not line.startswith("o=")]


def video_first(offer: str, *first: str) -> str:
    """The offer with these formats of its video before the others."""

    def reordered(match: re.Match[str]) -> str:
        formats = match[2].split()
        return match[1] + " ".join([*first, *(one for one in formats if one not in first)])

    return re.sub(r"(?m)^(m=video \d+ \S+ )([\d ]+)", reordered, offer)


@pytest.mark.parametrize(
    ("name", "off", "preferred", "codec"),
    [
        ("chromium-156-publish", (), (), "VP8"),
        ("chromium-156-publish", (), ("H264",), "H264"),
        ("chromium-156-publish", (), ("H264", "VP8"), "H264"),
        ("chromium-156-publish", ("H264",), ("VP8",), "VP8"),
        ("chromium-156-publish", ("VP8",), (), "H264"),
        ("chromium-156-publish", ("H264", "VP8"), ("AV1",), "AV1"),
        ("chromium-156-publish-vp9", (), ("H264",), "H264"),
        ("chromium-156-publish-vp9", ("H264",), (), "VP9"),
        ("firefox-esr-publish", (), ("H264",), "VP8"),
        ("firefox-esr-publish", ("VP8",), ("H264",), "VP9"),
        ("firefox-esr-publish", (), ("H264", "AV1"), "AV1"),
        ("gstreamer-1.22-publish", (), ("H264",), "VP8"),
        ("aiortc-1.16-publish", (), ("H264",), "H264"),
    ],
)
def test_the_first_preferred_codec_is_taken_else_the_first_of_the_offer_and_never_one_that_is_off(
    name: str, off: tuple[str, ...], preferred: tuple[str, ...], codec: str
) -> None:
    offer = vector(name)
    negotiation = answer(offer, VideoChoice(off=off, preferred=preferred))
    assert video(negotiation).codec == codec
    assert [track.codec for track in negotiation.tracks if track.kind == "video"] == [codec]
    assert faults(offer, negotiation.answer_sdp) == []


@pytest.mark.parametrize("name", [name for name, entry in TAKEN.items() if not entry.plays])
def test_whoever_has_h264_sends_it_when_it_is_preferred_and_everybody_else_what_it_sent_before(name: str) -> None:
    offer = offer_of(name)
    before, after = answer(offer, VideoChoice()), answer(offer, H264_FIRST)
    accepted = {track.mid for track in before.recv if track.kind == "video"}
    has_h264 = any(
        payload.codec == "H264"
        for section in parse_document(offer).sections
        if section.mid in accepted and section.kind == "video"
        for payload in parse_payloads(section)
    )
    if has_h264:
        assert video(after).codec == "H264"
    else:
        assert said(after) == said(before)
    assert [track.mid for track in after.recv] == [track.mid for track in before.recv]
    assert faults(offer, after.answer_sdp) == []


def test_layers_come_in_the_codec_that_is_preferred() -> None:
    negotiation = answer(vector("chromium-156-publish-simulcast"), H264_FIRST)
    assert video(negotiation).codec == "H264"
    assert len(video(negotiation).encodings) == 3


@pytest.mark.parametrize(
    ("name", "off", "words"),
    [
        ("ffmpeg-9-whip", ("H264",), r"video: H264; possible here: VP8, .*; switched off in this app: H264$"),
        ("gstreamer-1.22-publish", ("VP8", "VP9"), r"possible here: H264, AV1, H265; switched off in this app: VP8$"),
        ("firefox-esr-publish", ALL, r"possible here: none; switched off in this app: VP8, VP9, AV1$"),
    ],
)
def test_who_has_only_codecs_that_are_off_is_told_which(name: str, off: tuple[str, ...], words: str) -> None:
    with pytest.raises(RillcastError, match=words) as refused:
        answer(vector(name), VideoChoice(off=off))
    assert refused.value.code is ErrorCode.NO_COMMON_CODEC


def test_sound_alone_is_taken_where_every_video_is_off() -> None:
    assert [track.codec for track in answer(offer_of("chrome-audio-only"), VideoChoice(off=ALL)).recv] == ["opus"]


@pytest.mark.parametrize("name", PUBLISHERS)
@pytest.mark.parametrize("choice", [VideoChoice(), H264_FIRST])
def test_a_living_session_keeps_its_formats_whatever_is_preferred_or_off_by_then(
    name: str, choice: VideoChoice
) -> None:
    offer = vector(name)
    before = answer(offer, choice)
    again = answer(offer, VideoChoice(living=before.recv, preferred=("VP9", "VP8"), off=ALL[:1]))
    assert said(again) == said(before)
    assert again.recv == before.recv


def test_a_living_session_keeps_its_format_where_the_offer_has_another_order() -> None:
    offer = vector("chromium-156-publish")
    before = answer(offer, H264_FIRST)
    other_first = next(
        str(payload.payload_type)
        for payload in parse_payloads(parse_document(offer).sections[0])
        if payload.codec == "H264"
        and "packetization-mode=1" in payload.fmtp
        and payload.payload_type != video(before).payload_type
    )
    again = video_first(offer, other_first)
    assert lines(again, "m=video")[0].split()[3] == other_first
    assert video(answer(again, H264_FIRST)).payload_type == int(other_first), "a new session would take it"
    assert answer(again, VideoChoice(living=before.recv)).recv == before.recv


@pytest.mark.parametrize("choice", [VideoChoice(), H264_FIRST, VideoChoice(off=("H264",), preferred=("VP9",))])
def test_an_origin_to_which_a_publisher_moves_offers_what_the_choice_of_its_beginning_gave(choice: VideoChoice) -> None:
    offer = vector("chromium-156-publish")
    moved = offer_move(offer, LOCAL, allocate_source=sources(), choice=choice)
    assert moved.recv == answer(offer, choice).recv
