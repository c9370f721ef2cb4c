"""How much one offer of ours can hold: payload types and m-lines, on both sides of each bound."""

from __future__ import annotations

import msgspec
import pytest
from sdp_samples import LOCAL, audio, lines, sections, video

from rillcast.contracts.records import TrackRecord
from rillcast.media.sdp import PlayOffer, SentStream, TooManyTracks, accept_play_answer, offer_play

HIGH_FMTP = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f"
MANY_CODECS = (video("VP8"), video("H264", HIGH_FMTP), video("VP9"), video("AV1"), video("H265"), audio())
NUMBERS = 61
"""Of dynamic payload types: 96 to 127 and 35 to 63 (RFC 3551 §3)."""
LINES = 32


def offered(*tracks: TrackRecord, streams: int = 1) -> PlayOffer:
    return offer_play([SentStream(f"s{n}", tracks) for n in range(streams)], LOCAL)


def formats(count: int, *more: TrackRecord) -> tuple[TrackRecord, ...]:
    """Videos of one stream, no two of them in the same format."""
    videos = tuple(
        msgspec.structs.replace(video("VP9", f"profile-id={n}"), track=f"v{n}", mid=f"v{n}") for n in range(count)
    )
    return (*videos, *more)


def numbers(offer: PlayOffer) -> set[int]:
    payloads = [payload for line in offer.lines for payload in line.payloads]
    return {number for p in payloads for number in (p.payload_type, p.rtx_payload_type)} - {0}


def test_eight_streams_in_many_codecs_are_offered() -> None:
    offer = offered(*MANY_CODECS, streams=8)

    assert len(offer.lines) == 16
    assert len(numbers(offer)) == 13


def test_a_number_means_one_format_in_all_lines() -> None:
    offer = offered(*MANY_CODECS, streams=3)
    meanings: dict[str, set[str]] = {}
    for line in lines(offer.sdp, "a=rtpmap:") + lines(offer.sdp, "a=fmtp:"):
        number, meaning = line.split(":", 1)[1].split(" ", 1)
        meanings.setdefault(f"{line[:6]} {number}", set()).add(meaning)

    assert {len(meaning) for meaning in meanings.values()} == {1}


def test_the_lines_of_each_stream_are_answered_on_their_own() -> None:
    offer = offered(video("VP8"), video("H264"), audio(), streams=2)
    first, _, second, *_ = sections(offer.sdp)
    assert first.splitlines()[0] == second.splitlines()[0]
    answer = offer.sdp.replace("a=ice-lite\r\n", "").replace("a=sendonly", "a=recvonly").replace(":actpass", ":active")
    head, video_1, audio_1, video_2, audio_2 = ("\r\n" + answer).split("\r\nm=")
    swapped = video_2.replace("SAVPF 96 97 98 99", "SAVPF 98 99 96 97")
    text = "\r\nm=".join((head, video_1, audio_1, swapped, audio_2)).removeprefix("\r\n")

    agreed = accept_play_answer(offer, text)

    assert [(track.subscription, track.codec) for track in agreed.agreed] == [
        (0, "VP8"),
        (0, "opus"),
        (1, "H264"),
        (1, "opus"),
    ]


def test_as_many_formats_as_there_are_payload_types_are_offered() -> None:
    offer = offered(*formats(30, audio()))

    assert len(numbers(offer)) == NUMBERS


@pytest.mark.parametrize("tracks", [formats(31), formats(30, audio(), msgspec.structs.replace(audio(""), mid="a1"))])
def test_one_format_more_is_refused_in_words(tracks: tuple[TrackRecord, ...]) -> None:
    with pytest.raises(TooManyTracks, match="no payload types are left"):
        offered(*tracks)


def alike(count: int) -> tuple[TrackRecord, ...]:
    return tuple(msgspec.structs.replace(audio(), track=f"a{n}", mid=f"a{n}") for n in range(count))


def test_as_many_lines_as_an_answer_may_have_are_offered() -> None:
    assert len(offered(*alike(LINES)).lines) == LINES


def test_one_line_more_is_refused_in_words() -> None:
    with pytest.raises(TooManyTracks, match="a description has 32 m-lines at most"):
        offered(*alike(LINES + 1))
