"""The RTP payloads of an m-line: what is read, what is refused by name, and which of them is chosen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.sdp.codecs import (
    AUDIO_FEEDBACK,
    VIDEO_FEEDBACK,
    Payload,
    canonical,
    choose_for_publisher,
    choose_for_stream,
    format_parameters,
    no_common_codec,
    parameter_sets,
    parse_payloads,
    payload_lines,
    without_parameters,
)
from rillcast.media.sdp.document import MediaSection, parse_document


def section(formats: str, *attributes: str, kind: str = "video") -> MediaSection:
    lines = ["v=0", f"m={kind} 9 UDP/TLS/RTP/SAVPF {formats}", *(f"a={attribute}" for attribute in attributes)]
    return parse_document("\r\n".join(lines)).sections[0]


def payload(codec: str, fmtp: str = "", number: int = 96, clock_rate: int = 90_000) -> Payload:
    return Payload(payload_type=number, codec=codec, clock_rate=clock_rate, fmtp=fmtp)


def test_what_the_same_browser_says_again_is_not_read_again() -> None:
    lines = ("rtpmap:96 VP8/90000", "rtcp-fb:96 nack")

    assert parse_payloads(section("96", *lines, "ice-ufrag:a")) is parse_payloads(section("96", *lines, "ice-ufrag:b"))


@pytest.mark.parametrize("other", ["rtpmap:96 VP9/90000", "fmtp:96 max-fr=30", "rtcp-fb:96 nack"])
def test_whoever_says_something_else_is_read_anew(other: str) -> None:
    assert parse_payloads(section("96", other, "rtpmap:96 VP8/90000")) != parse_payloads(
        section("96", "rtpmap:96 VP8/90000")
    )


def test_long_lines_are_not_remembered() -> None:
    long = section("96", "rtpmap:96 VP8/90000", *["rtcp-fb:96 nack"] * 3_000)

    assert parse_payloads(long) == parse_payloads(long)
    assert parse_payloads(long) is not parse_payloads(long)


def test_what_is_refused_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(RillcastError, match="m-line 0"):
            parse_payloads(section("96", "rtpmap:96 VP8"))


def test_a_payload_is_read_with_its_parameters_feedback_and_rtx() -> None:
    found = parse_payloads(
        section(
            "96 97",
            "rtpmap:96 vp8/90000",
            "fmtp:96 max-fs=12288",
            "rtcp-fb:96 nack",
            "rtcp-fb:* nack  pli",
            "rtcp-fb:96 transport-cc",
            "rtpmap:97 rtx/90000",
            "fmtp:97 apt=96",
        )
    )
    assert found == (
        Payload(
            payload_type=96,
            codec="VP8",
            clock_rate=90_000,
            fmtp="max-fs=12288",
            feedback=("nack", "nack pli"),
            rtx_payload_type=97,
        ),
    )


def test_the_peers_order_is_kept_and_a_payload_without_a_map_is_left_out() -> None:
    found = parse_payloads(section("98 96 97", "rtpmap:96 VP8/90000", "rtpmap:98 VP9/90000"))
    assert [(p.payload_type, p.codec) for p in found] == [(98, "VP9"), (96, "VP8")]


def test_static_types_need_no_map_and_only_audio_has_channels() -> None:
    (static,) = parse_payloads(section("0", kind="audio"))
    assert (static.codec, static.clock_rate, static.channels) == ("PCMU", 8_000, 1)
    (stereo,) = parse_payloads(section("111", "rtpmap:111 opus/48000/2", kind="audio"))
    assert (stereo.channels, stereo.rtpmap()) == (2, "opus/48000/2")
    (video,) = parse_payloads(section("96", "rtpmap:96 VP8/90000/2"))
    assert (video.channels, video.rtpmap()) == (0, "VP8/90000")


def test_types_that_would_be_taken_for_rtcp_are_left_out() -> None:
    maps = [f"rtpmap:{number} VP8/90000" for number in (63, 64, 95, 96)]
    assert [p.payload_type for p in parse_payloads(section("63 64 95 96", *maps))] == [63, 96]


@pytest.mark.parametrize(
    ("formats", "attributes", "message"),
    [
        ("128", (), "payload type '128'"),
        ("x", (), "payload type 'x'"),
        ("96", ("rtpmap:96 VP8",), "malformed a=rtpmap:96 'VP8'"),
        ("96", ("rtpmap:96",), "malformed a=rtpmap"),
        ("96", ("rtpmap:96 VP8/0",), "malformed a=rtpmap:96 'VP8/0'"),
        ("96", ("rtpmap:96 VP8/00000",), "malformed a=rtpmap:96"),
        ("96", ("rtpmap:96 VP8/9000000",), "malformed a=rtpmap:96"),
        ("96", ("rtpmap:96 opus/48000/0",), "malformed a=rtpmap:96"),
        ("96", ("rtpmap:96 VP8/90000", "fmtp:96 " + "x" * 1_025), "longer than 1024"),
        ("96", ("rtpmap:96 VP8/90000", "fmtp:96 x=\u00e9"), "not ASCII"),
    ],
)
def test_a_broken_payload_is_refused_by_name(formats: str, attributes: tuple[str, ...], message: str) -> None:
    with pytest.raises(RillcastError, match=message) as caught:
        parse_payloads(section(formats, *attributes))
    assert caught.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION


def test_a_clock_that_stands_still_is_refused_for_sound_as_well() -> None:
    with pytest.raises(RillcastError, match="malformed a=rtpmap:111 'opus/0/2'"):
        parse_payloads(section("111", "rtpmap:111 opus/0/2", kind="audio"))


@st.composite
def payloads(draw: st.DrawFn, kind: str) -> Payload:
    """Any payload that an m-line of this kind may hold."""
    known = VIDEO_FEEDBACK if kind == "video" else AUDIO_FEEDBACK
    offered = draw(st.sets(st.sampled_from(known)))
    return Payload(
        payload_type=96,
        codec=draw(st.sampled_from(["VP8", "H264", "opus", "x-unknown"])),
        clock_rate=draw(st.integers(1, 999_999)),
        channels=draw(st.integers(1, 99)) if kind == "audio" else 0,
        fmtp=draw(st.sampled_from(["", "a=1", "profile-level-id=42e01f;packetization-mode=1"])),
        feedback=tuple(item for item in known if item in offered),
        rtx_payload_type=draw(st.sampled_from([0, 97])),
    )


@given(st.sampled_from(["audio", "video"]), st.data())
def test_what_is_written_reads_back(kind: str, data: st.DataObject) -> None:
    made = data.draw(payloads(kind))
    attributes = [line.removeprefix("a=") for line in payload_lines(made)]
    assert parse_payloads(section("96 97", *attributes, kind=kind)) == (made,)


def test_parameters_are_told_apart_whatever_their_case_and_blanks() -> None:
    assert format_parameters(" A=1; b = x=y ;;c") == {"a": "1", "b": "x=y", "c": ""}
    assert without_parameters("max-fr=30; a=1 ;X-Google-start=5;;b", ("max-", "x-google")) == "a=1;b"


@given(st.text(alphabet="ab=; -", max_size=40))
def test_removing_parameters_leaves_none_of_them_and_all_of_the_others(fmtp: str) -> None:
    left = without_parameters(fmtp, ("a",))
    before = [item.strip() for item in fmtp.split(";") if item.strip()]
    assert [item for item in left.split(";") if item] == [item for item in before if not item.startswith("a")]


def test_names_get_our_spelling() -> None:
    assert [canonical(name) for name in ("h264", "OPUS", "av1", "Telephone-Event")] == [
        "H264",
        "opus",
        "AV1",
        "Telephone-Event",
    ]


def test_a_publishers_first_accepted_codec_is_taken() -> None:
    offered = [payload("VP9", number=98), payload("VP8"), payload("H264", number=102)]
    assert choose_for_publisher(offered, ["h264", "vp8"]) == offered[1]
    assert choose_for_publisher(offered, ["AV1"]) is None


def test_of_several_h264_formats_the_one_that_may_fragment_is_taken() -> None:
    whole, fragmenting = payload("H264"), payload("H264", "packetization-mode=1", number=102)
    assert choose_for_publisher([whole, fragmenting], ["H264"]) == fragmenting
    assert choose_for_publisher([whole], ["H264"]) == whole


@pytest.mark.parametrize(
    ("codec", "stream", "viewer", "fits"),
    [
        ("VP8", "", "max-fs=12288", True),
        ("VP9", "profile-id=2", "profile-id=0", False),
        ("VP9", "", "profile-id=0", True),
        ("AV1", "profile=1", "profile=0", False),
        ("AV1", "profile=0", "profile=1", True),
        ("H264", "packetization-mode=1", "packetization-mode=0", False),
    ],
)
def test_a_stream_needs_a_viewer_that_can_decode_it(codec: str, stream: str, viewer: str, fits: bool) -> None:
    assert (choose_for_stream([payload(codec, viewer)], codec, 90_000, stream) is not None) is fits


def test_the_best_fit_is_taken_and_of_equal_ones_the_viewers_first() -> None:
    higher, exact, again = payload("AV1", "profile=2"), payload("AV1", number=97), payload("AV1", number=98)
    assert choose_for_stream([higher, exact, again], "AV1", 90_000, "") == exact
    assert choose_for_stream([payload("opus", clock_rate=48_000)], "opus", 8_000, "") is None


def test_a_refusal_names_what_both_sides_have() -> None:
    offered = [("video", [payload("VP9"), payload("rtx"), payload("VP9")]), ("audio", [payload("red")])]
    error = no_common_codec(offered, ["H264", "opus"])
    assert error.code is ErrorCode.NO_COMMON_CODEC
    assert "video: VP9; audio: nothing usable; possible here: H264, opus" in error.message


def test_a_refusal_is_short_however_much_was_offered() -> None:
    many = [payload(f"{'x' * 31}{n}") for n in range(100)]
    assert len(no_common_codec([("video", many)] * 32, ["H264"]).message) < 2_500


def test_parameters_in_several_lines_belong_together_and_an_empty_line_says_nothing() -> None:
    read = parse_payloads(
        section(
            "111", "rtpmap:111 opus/48000/2", "fmtp:111 minptime=10", "fmtp:111 ", "fmtp:111 stereo=1", kind="audio"
        )
    )
    assert read[0].fmtp == "minptime=10;stereo=1"


@pytest.mark.parametrize(
    ("codec", "fmtp", "sets"),
    [
        ("H264", "packetization-mode=1;sprop-parameter-sets=Z0LADQ==,aM48gA==", ("Z0LADQ==", "aM48gA==")),
        ("H264", "Sprop-Parameter-Sets = Z0LADQ== ;profile-level-id=42c00d", ("Z0LADQ==",)),
        ("H264", "sprop-parameter-sets=%%%,aM48gA==,,aM4", ("aM48gA==",)),
        ("H264", "profile-level-id=42c00d", ()),
        ("H265", "sprop-pps=RAHB;sprop-vps=QAEM;sprop-sps=QgEB", ("QAEM", "QgEB", "RAHB")),
        ("VP8", "sprop-parameter-sets=Z0LADQ==", ()),
    ],
)
def test_parameter_sets_that_an_offer_tells_are_read(codec: str, fmtp: str, sets: tuple[str, ...]) -> None:
    payload = Payload(payload_type=96, codec=codec, clock_rate=90_000, fmtp=fmtp)
    assert parameter_sets(payload) == sets
