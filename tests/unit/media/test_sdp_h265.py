"""H.265 in SDP: what is taken of publishers, which viewers get it, and what those are told who do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdp_corpus import offer_of
from sdp_samples import LOCAL, audio, lines, sources, video

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.records import TrackRecord
from rillcast.media.sdp import SentStream, accept_play_answer, answer_play, answer_publish, offer_play
from rillcast.media.sdp.codecs import Payload, choose_for_publisher, choose_for_stream, format_parameters, in_words
from rillcast.media.sdp.h265 import h265_fmtp, h265_rank, h265_readable

MAIN = "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"
MAIN_10 = "level-id=93;profile-id=2;tier-flag=0;tx-mode=SRST"
SAFARI_OFFER, CHROME_OFFER = offer_of("play-safari-h265-list"), offer_of("play-chrome-144-h265")
VP8_AND_H264 = offer_of("play-chrome-129")


def payload(codec: str, fmtp: str = "", number: int = 96) -> Payload:
    return Payload(payload_type=number, codec=codec, clock_rate=90_000, fmtp=fmtp)


def rank(stream: str, viewer: str) -> tuple[int, ...] | None:
    return h265_rank(format_parameters(stream), format_parameters(viewer))


def answered(offer: str, *tracks: TrackRecord) -> list[str]:
    return lines(answer_play(offer, [SentStream("s", (*tracks, audio()))], LOCAL).sdp or "", "a=rtpmap:")


# ------------------------------------------------------------ formats


@pytest.mark.parametrize(
    "fmtp",
    [
        "",
        MAIN,
        MAIN_10,
        "profile-id=1",
        "tx-mode=srst",
        "profile-id=4;tier-flag=1",
        "sprop-max-don-diff=0;sprop-vps=QAE=",
    ],
)
def test_formats_that_are_read(fmtp: str) -> None:
    assert h265_readable(format_parameters(fmtp))


@pytest.mark.parametrize(
    ("fmtp", "named"),
    [
        ("tx-mode=MRST", "H265 (tx-mode=MRST)"),
        ("tx-mode=MRMT;profile-id=2", "H265 (profile-id=2, tx-mode=MRMT)"),
        ("sprop-max-don-diff=1", "H265 (sprop-max-don-diff=1)"),
        ("profile-space=1", "H265 (profile-space=1)"),
        ("profile-id=main", "H265 (profile-id=main)"),
        ("tier-flag=2", "H265 (tier-flag=2)"),
        ("profile-id=" + "1" * 900, "H265 (profile-id=11111111)"),
    ],
)
def test_formats_that_nobody_could_read_are_passed_over_and_named_if_there_is_no_other(fmtp: str, named: str) -> None:
    assert choose_for_publisher([payload("H265", fmtp)], ["H265"]) is None
    assert choose_for_publisher([payload("H265", fmtp), payload("VP8", number=97)], ["H265", "VP8"]) == payload(
        "VP8", number=97
    )
    assert in_words("H265", fmtp) == named


@pytest.mark.parametrize(
    ("stream", "viewer", "found"),
    [
        ("", "", (0, 0, 0)),
        (MAIN, "", (0, 0, 0)),
        (MAIN, MAIN_10, (1, 0, 0)),
        (MAIN_10, MAIN_10, (0, 0, 0)),
        (MAIN_10, MAIN, None),
        ("profile-id=3", MAIN, (1, 0, 0)),
        ("profile-id=4", MAIN_10, None),
        (MAIN, "tier-flag=1;level-id=120", (0, 1, 0)),
        ("tier-flag=1;level-id=120", MAIN, None),
        (MAIN, "tx-mode=MRST", None),
        (MAIN, "profile-space=2", None),
        (MAIN, "tier-flag=", None),
    ],
)
def test_a_decoder_of_the_profile_and_the_tier_is_needed(
    stream: str, viewer: str, found: tuple[int, ...] | None
) -> None:
    assert rank(stream, viewer) == found


@pytest.mark.parametrize("level", ["", "x", "-3", "1000", "93.5"])
def test_a_level_that_is_none_counts_as_unsaid(level: str) -> None:
    assert rank(f"level-id={level}", MAIN) == rank(MAIN, f"level-id={level}") == (0, 0, 0)
    assert h265_fmtp({"level-id": level}) == MAIN


def test_the_level_refuses_nobody_and_decides_between_formats_of_one_viewer() -> None:
    """Chromium announces what the graphics card could do at most, and Safari nothing, which means 3.1."""
    low, high = payload("H265", "level-id=93"), payload("H265", "level-id=153", number=97)
    assert choose_for_stream([low], "H265", 90_000, "level-id=180") == low
    assert choose_for_stream([low, high], "H265", 90_000, "level-id=120") == high
    assert choose_for_stream([low, high], "H265", 90_000, "level-id=180") == low


PARAMETERS = st.dictionaries(
    st.sampled_from(["profile-space", "profile-id", "tier-flag", "level-id", "tx-mode", "sprop-max-don-diff", "x"]),
    st.one_of(st.integers(-1, 300).map(str), st.sampled_from(["SRST", "MRST", "", "\u0661"])),
)


@given(PARAMETERS, PARAMETERS)
def test_no_viewer_fits_better_than_one_with_the_streams_own_format(
    stream: dict[str, str], viewer: dict[str, str]
) -> None:
    own, other = h265_rank(stream, stream), h265_rank(stream, viewer)
    assert other is None or (own is not None and own <= other)
    assert not h265_readable(stream) or own is not None


# ------------------------------------------------------------ publishers


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("obs-hevc", "H265"),
        ("safari-18-h265-first", "H265"),
        ("safari-18", "H264"),
        ("chrome-143-mediasoup-client-two", "VP8"),
        ("h265-decoding-order", "H264"),
    ],
)
def test_the_codec_that_the_publisher_prefers_is_taken(name: str, codec: str) -> None:
    """Those who have several put H.265 behind the codecs that more can see, unless they were told otherwise."""
    taken = answer_publish(offer_of(name), LOCAL, allocate_source=sources())
    assert [track.codec for track in taken.tracks if track.kind == "video"] == [codec]
    assert [track.codec for track in taken.recv if track.kind == "video"] == [codec]


def test_the_answer_repeats_the_format_without_parameter_sets() -> None:
    """They come in the stream, and nowhere else (draft-ietf-avtcore-hevc-webrtc)."""
    answer = answer_publish(offer_of("gstreamer-h265"), LOCAL, allocate_source=sources()).answer_sdp
    assert lines(answer, "a=rtpmap:96") == ["a=rtpmap:96 H265/90000"]
    assert lines(answer, "a=fmtp:96") == []
    answer = answer_publish(offer_of("chrome-143-h265-only"), LOCAL, allocate_source=sources()).answer_sdp
    assert lines(answer, "a=fmtp:49") == ["a=fmtp:49 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST"]


# ------------------------------------------------------------ viewers


@pytest.mark.parametrize(("offer", "number"), [(SAFARI_OFFER, 104), (CHROME_OFFER, 49)])
@pytest.mark.parametrize("fmtp", ["", MAIN, "level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST"])
def test_viewers_who_offer_it_get_the_stream_itself(offer: str, number: int, fmtp: str) -> None:
    assert f"a=rtpmap:{number} H265/90000" in answered(offer, video("H265", fmtp), video("VP8", track="v0.360p.vp8"))


def test_a_viewer_of_main_10_gets_it_in_its_format() -> None:
    assert "a=rtpmap:51 H265/90000" in answered(CHROME_OFFER, video("H265", MAIN_10))


@pytest.mark.parametrize(("offer", "fmtp"), [(VP8_AND_H264, MAIN), (SAFARI_OFFER, MAIN_10)])
def test_who_cannot_play_it_gets_the_ladder(offer: str, fmtp: str) -> None:
    answer = answered(offer, video("H265", fmtp), video("VP8", track="v0.360p.vp8"))
    assert any("VP8/90000" in line for line in answer)
    assert not any("H265" in line for line in answer)


@pytest.mark.parametrize(
    ("offer", "fmtp", "named"),
    [
        (VP8_AND_H264, MAIN, "possible here: H265"),
        (SAFARI_OFFER, MAIN_10, "H265, VP8, VP9, VP9 (profile-id=2); possible here: H265 (profile-id=2)"),
        (SAFARI_OFFER, MAIN_10, "the client offers video: H264, H264 (packetization-mode=0), H265"),
    ],
)
def test_who_can_play_nothing_is_told_the_formats_of_both_sides(offer: str, fmtp: str, named: str) -> None:
    with pytest.raises(RillcastError) as refused:
        answered(offer, video("H265", fmtp))
    assert refused.value.code is ErrorCode.NO_COMMON_CODEC
    assert named in refused.value.message


@pytest.mark.parametrize(
    ("fmtp", "offered"),
    [
        ("", MAIN),
        ("profile-id=2;sprop-vps=QAEM;sprop-sps=QgEB;max-recv-level-id=120", MAIN_10),
        ("level-id=153;tx-mode=srst;sprop-max-don-diff=0", "level-id=153;profile-id=1;tier-flag=0;tx-mode=SRST"),
    ],
)
def test_a_stream_is_offered_in_full_and_without_parameter_sets(fmtp: str, offered: str) -> None:
    offer = offer_play([SentStream("s", (video("H265", fmtp), video("H264", track="v0.360p.h264"), audio()))], LOCAL)
    assert lines(offer.sdp, "a=rtpmap:96") == ["a=rtpmap:96 H265/90000"]
    assert lines(offer.sdp, "a=fmtp:96") == [f"a=fmtp:96 {offered}"]
    assert h265_fmtp(format_parameters(offered)) == offered


def test_a_browser_without_it_takes_the_rung_from_the_same_m_line() -> None:
    offer = offer_play([SentStream("s", (video("H265"), video("H264", track="v0.360p.h264"), audio()))], LOCAL)
    answer = offer.sdp.replace("a=ice-lite\r\n", "").replace("a=sendonly", "a=recvonly").replace(":actpass", ":active")
    head, *kept = answer.split("SAVPF 96 97 98 99")
    only = "SAVPF 98 99".join((head, *kept))
    only = "".join(line for line in only.splitlines(keepends=True) if ":96 " not in line and ":97 " not in line)
    assert accept_play_answer(offer, only).codecs(0) == {"v0": "H264", "a0": "opus"}


def test_a_browser_that_refuses_the_video_is_told_its_format() -> None:
    offer = offer_play([SentStream("s", (video("H265", MAIN_10), audio()))], LOCAL)
    answer = offer.sdp.replace("a=ice-lite\r\n", "").replace("a=sendonly", "a=recvonly").replace(":actpass", ":active")
    with pytest.raises(RillcastError, match=r"refuses video; possible here: H265 \(profile-id=2\)"):
        accept_play_answer(offer, answer.replace("m=video 50000", "m=video 0"))
