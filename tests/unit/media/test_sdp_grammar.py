"""Descriptions that are put together from real and impossible lines, through every way that SDP comes in.

Mutations of captured descriptions are in ``test_sdp_hostile.py``; they seldom get past the first broken line. These are
mostly whole, so that they reach the negotiation: what it accepts must be something that the media plane takes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sdp_samples import LOCAL, audio, sources, video

from rillcast.contracts.errors import RillcastError
from rillcast.media.protocol import HeaderExtensions
from rillcast.media.sdp import (
    PlayNegotiation,
    PublishNegotiation,
    SentStream,
    accept_play_answer,
    answer_play,
    answer_publish,
    offer_play,
    parse_candidates,
    restart_ice_fragment,
    write_ice_fragment,
)
from rillcast.media.sdp.document import MAX_MID, parse_document
from rillcast.media.sdp.extensions import MAX_ID, URIS

PROTOCOL = "UDP/TLS/RTP/SAVPF"
PASSWORD = "p4ssw0rd" * 4
STREAM = SentStream("s", (video("VP8"), video("H264"), audio()))
OFFER = offer_play([STREAM], LOCAL)
LONGEST_REFUSAL = 2_500

NUMBERS = st.sampled_from(["96", "97", "102", "111", "0", "63", "64", "95", "127", "128", "-1", "٣", "999", "*", ""])
CLOCKS = st.sampled_from(["90000", "48000", "48000/2", "8000", "0", "0/2", "90000/0", "999999", "9999999", "-1", ""])
CODECS = st.sampled_from(["VP8", "h264", "VP9", "AV1", "opus", "rtx", "red", "x" * 33, "a b", ""])
FMTPS = st.sampled_from(
    [
        *("apt=96", "apt=97", "apt=", "apt=99999999999", "profile-level-id=42e01f;packetization-mode=1"),
        *("profile-level-id=\u0664\u0662e01f", "profile-id=2", "profile=9", "profile=x", ";;=;", "a=" + "b" * 1_100),
    ]
)
DIGESTS = st.sampled_from(
    [
        *(f"sha-256 {':'.join(['0A'] * 32)}", f"SHA-1 {':'.join(['0A'] * 20)}", "sha-256 0A", "md5 00", "sha-256", ""),
        f"sha-512 {':'.join(['zz'] * 64)}",
    ]
)
CANDIDATES = st.sampled_from(
    [
        *("1 1 udp 1 192.0.2.1 1 typ host", "1 1 udp 99999999999 192.0.2.1 1 typ host", "1 1 udp 1 ::1 70000 typ x y"),
        *("", "1 1 udp 1 a.local 9 typ host", "x" * 65 + " 1 udp 1 192.0.2.1 1 typ host"),
    ]
)
USUAL = (
    "a=ice-ufrag:abcd",
    f"a=ice-pwd:{PASSWORD}",
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
    "a=setup:actpass",
    "a=rtcp-mux",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    "a=rtpmap:102 H264/90000",
    "a=rtpmap:111 opus/48000/2",
    f"a=extmap:1 {URIS['mid']}",
    f"a=extmap:2 {URIS['rid']}",
    "a=rid:h send",
    "a=rid:l send",
    "a=simulcast:send h;l",
)


def odd_lines() -> st.SearchStrategy[str]:
    """Attributes that may or may not make sense."""
    number = st.integers(-1, 20).map(str)
    return st.one_of(
        st.builds("a=rtpmap:{} {}/{}".format, NUMBERS, CODECS, CLOCKS),
        st.builds("a=fmtp:{} {}".format, NUMBERS, FMTPS),
        st.builds("a=rtcp-fb:{} {}".format, NUMBERS, st.sampled_from(["nack", "nack pli", "goog-remb", "x", ""])),
        st.builds(
            "a=extmap:{}{} {}".format, number, st.sampled_from(["", "/sendonly"]), st.sampled_from([*URIS.values()])
        ),
        st.builds(
            "a=rid:{} {}".format, st.sampled_from(["h", "l", "x" * 17, ""]), st.sampled_from(["send", "send pt=96,"])
        ),
        st.builds(
            "a=simulcast:{}".format, st.sampled_from(["send h", "send h;l;h,l;~l", "send", "recv h;l", ";" * 300])
        ),
        st.builds("a=ssrc:{} cname:x".format, st.sampled_from(["1", "0", "4294967295", "4294967296", "x", ""])),
        st.builds("a=ssrc-group:{}".format, st.sampled_from(["FID 1 2", "FID 1", "FID", "", "SIM 1 2 3", "FID 2 1"])),
        st.builds("a=fingerprint:{}".format, DIGESTS),
        st.builds("a=candidate:{}".format, CANDIDATES),
        st.builds("a={}".format, st.sampled_from(["sendonly", "recvonly", "sendrecv", "inactive", "bundle-only"])),
        st.builds("a=setup:{}".format, st.sampled_from(["active", "passive", "actpass", "holdconn", ""])),
        st.sampled_from(
            ["a=ice-lite", "a=mid:", "a=mid:x y", "a=rtcp-rsize", "b=AS:1", "a=", "i=x", "c=IN IP4 0.0.0.0"]
        ),
        st.sampled_from(["a=ice-pwd:short", "a=ice-ufrag:a", "a=end-of-candidates", "A=x", "a", "=", "a=x\ty"]),
    )


@st.composite
def m_lines(draw: st.DrawFn, index: int) -> list[str]:
    kind = draw(st.sampled_from(["video", "video", "audio", "application", "x"]))
    port = draw(st.sampled_from(["9", "9", "9", "0", "65536"]))
    protocol = draw(st.sampled_from([PROTOCOL, PROTOCOL, "RTP/AVP", "UDP/DTLS/SCTP"]))
    formats = draw(st.sampled_from(["96 97 102 111", "96 97 102 111", "111 96", "96 96", "0", "200", "64"]))
    left_out = draw(st.sets(st.integers(0, len(USUAL) - 1), max_size=2))
    usual = [line for i, line in enumerate(USUAL) if i not in left_out]
    way = draw(st.sampled_from(["a=sendonly", "a=recvonly", "a=sendrecv"]))
    lines = [f"a=mid:{draw(st.sampled_from([str(index), str(index), '0']))}", way, *usual]
    for line in draw(st.lists(odd_lines(), max_size=3)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    return [f"m={kind} {port} {protocol} {formats}", *lines]


@st.composite
def descriptions(draw: st.DrawFn) -> str:
    count = draw(st.integers(1, 3))
    head = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    head += draw(st.sampled_from([["a=group:BUNDLE 0 1 2"], ["a=group:BUNDLE 0 1 2"], [], ["a=group:"]]))
    head += draw(st.lists(odd_lines(), max_size=1))
    lines = [*head, *(line for index in range(count) for line in draw(m_lines(index)))]
    return draw(st.sampled_from(["\r\n", "\r\n", "\n"])).join([*lines, ""])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(descriptions())
def test_what_is_accepted_is_possible_and_what_is_not_is_refused_in_words(text: str) -> None:
    for read in (publish, play, answer, restart):
        with refusals_in_words():
            read(text)


@pytest.mark.parametrize("way", ["sendonly", "recvonly"])
def test_without_odd_lines_every_way_is_gone_to_its_end(way: str) -> None:
    """Or the test above would see nothing but refusals."""
    m_lines = (f"m=video 9 {PROTOCOL} 96 97 102", "a=mid:0"), (f"m=audio 9 {PROTOCOL} 111", "a=mid:1")
    media = [line for m_line in m_lines for line in (*m_line, f"a={way}", *USUAL)]
    text = "\r\n".join(["v=0", "a=group:BUNDLE 0 1", *media, ""])
    for read in (publish, restart) if way == "sendonly" else (play, answer, restart):
        read(text)


def publish(text: str) -> None:
    published = answer_publish(text, LOCAL, allocate_source=sources())
    check_published(published)
    check_answer(text, published.answer_sdp)


def play(text: str) -> None:
    played = answer_play(text, [STREAM, SentStream("t", (audio(),))], LOCAL)
    check_played(played)
    check_answer(text, played.sdp or "")


def answer(text: str) -> None:
    check_played(accept_play_answer(OFFER, text.replace("a=sendonly", "a=recvonly").replace(":actpass", ":active")))


def restart(text: str) -> None:
    fragment = restart_ice_fragment(text)
    assert fragment.candidates == parse_candidates(text)
    assert restart_ice_fragment(write_ice_fragment(*fragment)) == fragment


@contextlib.contextmanager
def refusals_in_words() -> Iterator[None]:
    """A refusal is a sentence of bounded length, without the peer's password."""
    try:
        yield
    except RillcastError as error:
        assert 10 < len(error.message) < LONGEST_REFUSAL
        assert error.message.isprintable()
        assert PASSWORD not in error.message


def check_extensions(extensions: HeaderExtensions) -> None:
    ids = [number for number in (getattr(extensions, name) for name in extensions.__struct_fields__) if number]
    assert all(1 <= number <= MAX_ID for number in ids) and len(set(ids)) == len(ids)


def check_published(made: PublishNegotiation) -> None:
    """`AddSession::check` of the plane refuses anything else."""
    check_extensions(made.extensions)
    assert 1 <= len(made.recv) <= 2
    for track in made.recv:
        assert track.clock_rate > 0 and 1 <= len(track.encodings) <= 8 and len(track.mid) <= MAX_MID
        assert 0 <= track.payload_type <= 127 and 0 <= track.rtx_payload_type <= 127
        assert len({encoding.rid for encoding in track.encodings}) == len(track.encodings)
        assert all(0 <= ssrc < 1 << 32 for ssrc in (*track.ssrcs, *track.rtx_ssrcs))
    assert [t.clock_rate for t in made.tracks] and all(t.kind != "audio" or t.channels >= 1 for t in made.tracks)


def check_played(made: PlayNegotiation) -> None:
    check_extensions(made.extensions)
    assert len(made.send) == len(made.agreed) >= 1
    ssrcs = [ssrc for track in made.send for ssrc in (track.ssrc, track.rtx_ssrc) if ssrc]
    assert len(set(ssrcs)) == len(ssrcs)
    for track in made.send:
        assert track.clock_rate > 0 and track.ssrc > 0 and 0 <= track.payload_type <= 127
        assert bool(track.rtx_ssrc) is bool(track.rtx_payload_type)


def check_answer(offer: str, answer: str) -> None:
    """It has the m-lines of the offer in their order, and bundles none that it refuses."""
    theirs, ours = parse_document(offer), parse_document(answer)
    assert [(s.kind, s.mid) for s in theirs.sections] == [(s.kind, s.mid) for s in ours.sections]
    assert {s.mid for s in ours.sections if s.port == 0}.isdisjoint(ours.bundle)
