"""Fragments of WHIP and WHEP (RFC 8840): candidates one by one, and restarts of ICE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.errors import RillcastError
from rillcast.media.sdp.trickle import (
    MAX_CANDIDATES,
    ice_pairs,
    parse_candidates,
    restart_ice_fragment,
    write_ice_fragment,
)

CANDIDATE = "candidate:1 1 udp 2130706431 192.0.2.2 50000 typ host"
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


@pytest.mark.parametrize(
    "candidate",
    [
        CANDIDATE,
        "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0",
        "candidate:1 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active",
        "candidate:1 1 udp 1 4f6c-11.local 1 typ host",
    ],
)
def test_real_candidates_are_read(candidate: str) -> None:
    assert parse_candidates(f"a={candidate}\r\na=end-of-candidates\r\n") == (candidate,)


@pytest.mark.parametrize(
    "value",
    [
        "candidate:1 1 udp 1 192.0.2.2 50000",
        "candidate:1 1 udp -1 192.0.2.2 50000 typ host",
        "candidate:1 1 udp 1 192.0.2.2 500000 typ host",
        "candidate:1  1 udp 1 192.0.2.2 50000 typ host",
        "candidate:1 1 udp 1 " + "h" * 256 + " 50000 typ host",
        "candidate:1 1 udp 1 192.0.2.2 ٣ typ host",
    ],
)
def test_a_malformed_candidate_is_refused(value: str) -> None:
    with pytest.raises(RillcastError, match="malformed candidate"):
        parse_candidates(f"a={value}\r\n")


def test_what_means_that_there_are_no_more_is_no_candidate() -> None:
    assert parse_candidates("a=candidate:\r\na=end-of-candidates\r\na=mid:0\r\nm=audio 9 RTP/AVP 0\r\n") == ()


def test_candidates_are_bounded() -> None:
    assert len(parse_candidates(f"a={CANDIDATE}\r\n" * MAX_CANDIDATES)) == MAX_CANDIDATES
    with pytest.raises(RillcastError, match=f"more than {MAX_CANDIDATES}"):
        parse_candidates(f"a={CANDIDATE}\r\n" * (MAX_CANDIDATES + 1))


def test_a_restart_needs_both_credentials() -> None:
    for text, lacking in (("a=ice-ufrag:abcd\r\n", "ice-pwd"), (f"a=ice-pwd:{'p' * 22}\r\n", "ice-ufrag")):
        with pytest.raises(RillcastError, match=f"lacks a={lacking}"):
            restart_ice_fragment(text)


def test_the_first_of_two_credentials_counts() -> None:
    fragment = f"a=ice-ufrag:abcd\r\na=ice-pwd:{'p' * 22}\r\nm=audio 9 RTP/AVP 0\r\na=ice-ufrag:other\r\n"
    assert restart_ice_fragment(fragment).ufrag == "abcd"


@given(
    st.text(alphabet=VISIBLE, min_size=4, max_size=256),
    st.text(alphabet=VISIBLE, min_size=22, max_size=256),
    st.integers(0, 8),
)
def test_what_we_write_reads_back(ufrag: str, pwd: str, count: int) -> None:
    text = write_ice_fragment(ufrag, pwd, [CANDIDATE] * count)
    assert restart_ice_fragment(text) == (ufrag, pwd, (CANDIDATE,) * count)
    assert text.endswith("a=end-of-candidates\r\n") and "a=ice-lite\r\n" in text


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("a=ice-ufrag:u\r\na=ice-pwd:p\r\n", [("u", "p")]),
        ("a=ice-pwd: p \na=ice-ufrag:\tu\n", [("u", "p")]),
        ("a=ice-ufrag:u\r\nm=audio 9 x 0\r\na=mid:0\r\n", [("u", "")]),
        ("m=a\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\nm=b\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n", [("u", "p")]),
        ("a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=b\r\na=ice-ufrag:v\r\na=ice-pwd:q\r\n", [("u", "p"), ("v", "q")]),
        ("a=candidate:1 1 udp 1 x 1 typ host ufrag u\r\nb=a=ice-ufrag:u\r\n", []),
    ],
)
def test_the_credentials_of_each_m_line_are_found_once(text: str, pairs: list[tuple[str, str]]) -> None:
    assert list(ice_pairs(text)) == pairs


@given(st.text())
def test_any_text_has_some_credentials_or_none(text: str) -> None:
    assert all(any(pair) for pair in ice_pairs(text))
