"""Whatever comes in, a peer gets an answer or a `RillcastError` that names the fault."""

from __future__ import annotations

import contextlib
import random
import re

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sdp_samples import LOCAL, PLAYERS, PUBLISHERS, audio, sources, vector, video

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import (
    LocalTransport,
    SentStream,
    accept_play_answer,
    answer_play,
    answer_publish,
    new_transport_credentials,
    offer_play,
    parse_candidates,
    restart_ice_fragment,
    write_ice_fragment,
)
from rillcast.media.sdp.document import parse_document

TRACKS = (video("VP8"), audio())
OFFER = offer_play([SentStream("s", TRACKS)], LOCAL)
ALL = [*PUBLISHERS, *PLAYERS, "chromium-156-answer-vp8"]
GOOD = vector("chromium-156-publish-h264")


def everything(text: str) -> None:
    """Read `text` as every kind of description; only `RillcastError` may come out, and answers must parse."""
    answers: list[str | None] = []
    with contextlib.suppress(RillcastError):
        answers.append(answer_publish(text, LOCAL, allocate_source=sources()).answer_sdp)
    with contextlib.suppress(RillcastError):
        answers.append(answer_play(text, [SentStream("s", TRACKS)], LOCAL).sdp)
    with contextlib.suppress(RillcastError):
        accept_play_answer(OFFER, text)
    with contextlib.suppress(RillcastError):
        restart_ice_fragment(text)
    for answer in answers:
        assert answer is not None
        theirs, ours = parse_document(text), parse_document(answer)
        assert [(s.kind, s.mid) for s in theirs.sections] == [(s.kind, s.mid) for s in ours.sections]
        assert {s.mid for s in ours.sections if s.port == 0}.isdisjoint(ours.bundle)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_survived(text: str) -> None:
    everything(text)
    everything("v=0\r\n" + text)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(ALL), seed=st.integers(0, 2**32))
def test_mutated_captures_are_survived(name: str, seed: int) -> None:
    chance = random.Random(seed)
    rows = vector(name).split("\r\n")
    for _ in range(chance.randint(1, 6)):
        i, j = chance.randrange(len(rows)), chance.randrange(len(rows))
        match chance.randrange(6):
            case 0:
                del rows[i]
            case 1:
                rows.insert(i, rows[j])
            case 2:
                rows[i] = rows[i][: chance.randint(0, len(rows[i]))]
            case 3:
                rows[i] = rows[i].replace(" ", chance.choice(["", "  ", " -1 ", " 99999999999 ", " é "]), 1)
            case 4:
                rows[i], rows[j] = rows[j], rows[i]
            case _:
                at = chance.randint(0, len(rows[i]))
                rows[i] = rows[i][:at] + chance.choice(["\x00", "٣", ":", "/", ";", "=", "\ud800"]) + rows[i][at:]
        rows = rows or ["v=0"]
    everything("\r\n".join(rows))


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(PUBLISHERS), cut=st.integers(0, 8_000))
def test_truncated_captures_are_survived(name: str, cut: int) -> None:
    everything(vector(name)[:cut])


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations(range(3)), names=st.lists(st.sampled_from("abcdefghij"), min_size=3, max_size=3, unique=True)
)
def test_answers_keep_the_order_of_any_m_lines_and_parse_elsewhere(order: list[int], names: list[str]) -> None:
    head, *media = vector("chromium-156-publish").split("\r\nm=")
    media = [part.rstrip() for part in media]
    parts = [media[i].replace(f"a=mid:{i}", f"a=mid:{names[i]}") for i in order]
    offer = head.replace("BUNDLE 0 1 2", f"BUNDLE {' '.join(names[i] for i in order)}") + "".join(
        f"\r\nm={part}" for part in parts
    )
    answer = answer_publish(offer + "\r\n", LOCAL, allocate_source=sources()).answer_sdp
    assert [m.rtp.muxId for m in SessionDescription.parse(answer).media] == [names[i] for i in order]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("hello", "line 1"),
        ("v=1\r\n", "v=0"),
        ("v=0\r\ns=-\r\n", "no m-line"),
        ("v=0\r\nm=video\r\n", "m-line 0 is malformed: 'video'"),
        ("v=0\r\nm=video 99999 UDP/TLS/RTP/SAVPF 96\r\n", "port 99999"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\x00\r\n", "binary"),
        ("v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 1_000, "more than 32 m-lines"),
        ("v=0\r\n" + "a=x:y\r\n" * 100_000, "longer than 256 KiB"),
        (GOOD.replace("a=mid:1", "a=mid:0"), "same a=mid"),
        (GOOD.replace("a=mid:0", "a=mid:" + "x" * 300), "1–16 token characters"),
        (GOOD.replace("a=group", "a=groop"), "a=group:BUNDLE is missing"),
        (GOOD.replace("a=rtcp-mux\r\n", ""), r"m-line 0 \(video\) lacks a=rtcp-mux"),
        (GOOD.replace("a=ice-ufrag", "a=x"), "lacks a=ice-ufrag"),
        (GOOD.replace("a=ice-pwd", "a=x"), "lacks a=ice-pwd"),
        (GOOD.replace("a=ice-pwd:", "a=ice-pwd:short\r\na=x:"), "22 to 256"),
        (GOOD.replace("a=fingerprint", "a=crypto"), "lacks a=fingerprint"),
        (GOOD.replace("sha-256", "md5"), "'md5'; known are sha-256"),
        (GOOD.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 XX:"), "32 bytes"),
        (GOOD.replace("a=setup:actpass", "a=setup:holdconn"), "'holdconn'"),
        (GOOD.replace("v=0\r\n", "v=0\r\na=ice-lite\r\n"), "ICE-lite"),
        (GOOD.replace("a=rtpmap:102 H264/90000", "a=rtpmap:102 H264"), "malformed a=rtpmap:102 'H264'"),
        (GOOD.replace("a=fmtp:102 ", "a=fmtp:102 x=" + "y" * 2_000), "longer than 1024"),
        (GOOD.replace("m=video 9 UDP/TLS/RTP/SAVPF ", "m=video 9 UDP/TLS/RTP/SAVPF 200 "), "payload type '200'"),
        (GOOD.replace("a=extmap:", "a=extmap:x"), "malformed a=extmap"),
        (GOOD.replace("a=ssrc:", "a=ssrc:9999999999"), "SSRC"),
    ],
)
def test_faults_are_named(text: str, message: str) -> None:
    with pytest.raises(RillcastError, match=message) as caught:
        answer_publish(text, LOCAL, allocate_source=sources())
    assert caught.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert len(caught.value.message) < 300


def test_no_source_is_allocated_for_a_bad_offer() -> None:
    def allocate() -> SourceId:
        raise AssertionError("allocated")

    with pytest.raises(RillcastError):
        answer_publish(GOOD.replace("a=fingerprint", "a=x"), LOCAL, allocate_source=allocate)


def test_credentials_are_fresh_and_long_enough() -> None:
    first, second = new_transport_credentials(), new_transport_credentials()
    assert re.fullmatch(r"[A-Za-z0-9+/]{8}", first[0]) and re.fullmatch(r"[A-Za-z0-9+/]{24}", first[1])
    assert not set(first) & set(second)


def test_a_transport_needs_an_address() -> None:
    with pytest.raises(ValueError, match="address"):
        LocalTransport(ufrag="abcd", pwd="x" * 22, fingerprint="AB", addresses=(), port=5)


FRAGMENT = (
    "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:3471623853 1 udp 2122194687 0a1b-2c.local 61765 typ host\r\na=candidate:\r\na=end-of-candidates\r\n"
)


def test_a_restart_fragment_is_read() -> None:
    fragment = restart_ice_fragment(FRAGMENT)
    assert (fragment.ufrag, fragment.pwd) == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert len(fragment.candidates) == 2
    assert fragment.candidates[0].startswith("candidate:1387637174 1 udp")


def test_our_restart_fragment_reads_back() -> None:
    text = write_ice_fragment("abcd", "x" * 24, ["candidate:1 1 udp 2130706431 192.0.2.2 50000 typ host"])
    assert restart_ice_fragment(text).candidates == ("candidate:1 1 udp 2130706431 192.0.2.2 50000 typ host",)


@pytest.mark.parametrize(
    ("fragment", "message"),
    [
        ("a=ice-ufrag:abcd\r\n", "ice-pwd"),
        (FRAGMENT.replace("2122260223", "high"), "malformed candidate"),
        (FRAGMENT + "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n" * 300, "more than 256 candidates"),
    ],
)
def test_bad_fragments_are_refused(fragment: str, message: str) -> None:
    with pytest.raises(RillcastError, match=message):
        restart_ice_fragment(fragment)


def test_candidates_alone_need_no_credentials() -> None:
    assert parse_candidates("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n") == (
        "candidate:1 1 udp 1 192.0.2.1 1 typ host",
    )
