"""ICE and DTLS in descriptions: our candidates and credentials, and what is read of the peer's."""

from __future__ import annotations

import ipaddress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sdp_samples import LOCAL

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.sdp.document import Document, parse_document
from rillcast.media.sdp.transport import (
    LocalTransport,
    answered_setup,
    check_credentials,
    connection_line,
    local_candidates,
    new_transport_credentials,
    remote_dtls,
    remote_ice,
    remote_setup,
    role_from_answer,
    transport_lines,
)

SHA_1, SHA_256, SHA_512 = (":".join(["0A"] * size) for size in (20, 32, 64))
CREDENTIALS = ("ice-ufrag:abcd", f"ice-pwd:{'p' * 22}")


def document(*attributes: str, media: tuple[tuple[str, ...], ...] = ((),), bundle: str = "") -> Document:
    lines = ["v=0", *([f"a=group:BUNDLE {bundle}"] if bundle else []), *(f"a={attribute}" for attribute in attributes)]
    for number, own in enumerate(media):
        lines += ["m=video 9 UDP/TLS/RTP/SAVPF 96", f"a=mid:{number}", *(f"a={attribute}" for attribute in own)]
    return parse_document("\r\n".join(lines))


def test_candidates_fall_in_priority_by_their_order() -> None:
    candidates = [candidate.split() for candidate in local_candidates(LOCAL)]
    assert [(words[0], words[4], words[5]) for words in candidates] == [
        ("candidate:1", "192.0.2.2", "50000"),
        ("candidate:2", "2001:db8::1", "50000"),
    ]
    priorities = [int(words[3]) for words in candidates]
    assert priorities == sorted(priorities, reverse=True) and len(set(priorities)) == 2
    assert all(0 < priority < 2**31 for priority in priorities)


def test_candidates_by_tcp_come_behind_all_by_udp_and_are_passive() -> None:
    by_udp, both = local_candidates(LOCAL), local_candidates(msgspec.structs.replace(LOCAL, tcp=True))

    assert both[: len(by_udp)] == by_udp
    words = [candidate.split() for candidate in both]
    assert [(w[2], *w[4:]) for w in words[len(by_udp) :]] == [
        ("tcp", address, "50000", "typ", "host", "tcptype", "passive") for address in LOCAL.addresses
    ]
    priorities = [int(w[3]) for w in words]
    assert priorities == sorted(priorities, reverse=True)
    assert len({w[0] for w in words}) == len(set(priorities)) == len(words)


@given(st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), min_size=1, max_size=5), st.integers(1, 65535))
def test_any_address_and_port_may_be_announced(
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address], port: int
) -> None:
    local = LocalTransport(
        ufrag="abcd", pwd="p" * 22, fingerprint=SHA_256, addresses=tuple(map(str, addresses)), port=port
    )
    for address, candidate in zip(addresses, local_candidates(local), strict=True):
        assert candidate.split()[4:6] == [str(address), str(port)]
        assert connection_line(str(address)) == f"c=IN IP{address.version} {address}"


@pytest.mark.parametrize(
    ("addresses", "port"), [((), 5), (("192.0.2.1",), 0), (("192.0.2.1",), 65_536), (("example.org",), 5)]
)
def test_a_transport_nobody_could_reach_is_refused(addresses: tuple[str, ...], port: int) -> None:
    with pytest.raises(ValueError, match=r"address"):
        LocalTransport(ufrag="abcd", pwd="p" * 22, fingerprint=SHA_256, addresses=addresses, port=port)


def test_what_we_write_reads_back() -> None:
    lines = [line.removeprefix("a=") for line in transport_lines(LOCAL, "active")]
    read = document(media=(tuple(lines),))
    assert remote_ice(read, read.sections) == (LOCAL.ufrag, LOCAL.pwd)
    assert remote_setup(read, read.sections) == "active"
    assert remote_dtls(read, read.sections, "server").fingerprint == LOCAL.fingerprint


def test_new_credentials_pass_our_own_check_and_differ() -> None:
    made = {new_transport_credentials() for _ in range(100)}
    assert len(made) == 100
    assert all(check_credentials(ufrag, pwd) == (ufrag, pwd) for ufrag, pwd in made)


@pytest.mark.parametrize(
    ("ufrag", "pwd", "message"),
    [
        (None, "p" * 22, "lacks a=ice-ufrag"),
        ("abcd", None, "lacks a=ice-pwd"),
        ("abc", "p" * 22, "4 to 256"),
        ("a" * 257, "p" * 22, "4 to 256"),
        ("ab d", "p" * 22, "visible"),
        ("abcd", "p" * 21, "22 to 256"),
        ("abcd", "p" * 257, "22 to 256"),
        ("abcd\n", "p" * 22, "4 to 256"),
    ],
)
def test_impossible_credentials_are_named_but_not_repeated(ufrag: str | None, pwd: str | None, message: str) -> None:
    with pytest.raises(RillcastError, match=message) as caught:
        check_credentials(ufrag, pwd)
    assert pwd is None or pwd not in caught.value.message


def test_an_m_line_counts_before_the_tagged_one_and_that_before_the_session() -> None:
    read = document("setup:passive", media=(("setup:active",), ("setup:actpass",)), bundle="0 1")
    first, second = read.sections
    assert remote_setup(read, [second]) == "actpass"
    bare = document("setup:passive", media=(("setup:active",), ()), bundle="0 1")
    assert remote_setup(bare, [bare.sections[1]]) == "active"
    alone = document("setup:passive", media=((), ()), bundle="0 1")
    assert remote_setup(alone, [alone.sections[1]]) == "passive"
    assert remote_setup(document(), []) is None
    assert first.mid == "0"


@pytest.mark.parametrize("where", ["session", "m-line"])
def test_two_ice_lite_agents_cannot_meet(where: str) -> None:
    of_session, of_media = (("ice-lite",), ()) if where == "session" else ((), ("ice-lite",))
    read = document(*CREDENTIALS, *of_session, media=(of_media,))
    with pytest.raises(RillcastError, match="ICE-lite"):
        remote_ice(read, read.sections)


def test_a_setup_that_does_not_exist_is_named() -> None:
    read = document("setup:holdconn")
    with pytest.raises(RillcastError, match="'holdconn'"):
        remote_setup(read, read.sections)


def test_of_several_fingerprints_the_one_we_like_best_is_taken() -> None:
    read = document(
        f"fingerprint:sha-1 {SHA_1}", f"fingerprint:SHA-512 {SHA_512}", f"fingerprint:sha-256 {SHA_256.lower()}"
    )
    dtls = remote_dtls(read, read.sections, "client")
    assert (dtls.fingerprint_hash, dtls.fingerprint, dtls.role) == ("sha-256", SHA_256, "client")


@pytest.mark.parametrize(
    ("fingerprints", "message"),
    [
        ((), "lacks a=fingerprint"),
        (("md5 00:11",), "'md5'; known are sha-256"),
        (("sha-256 00:11",), "32 bytes"),
        ((f"sha-256 {SHA_256}:00",), "32 bytes"),
        ((f"sha-1 {SHA_1.replace('0A', 'GG')}",), "20 bytes"),
        (("",), "known are"),
    ],
)
def test_a_fingerprint_that_says_nothing_is_refused(fingerprints: tuple[str, ...], message: str) -> None:
    read = document(*(f"fingerprint:{value}" for value in fingerprints))
    with pytest.raises(RillcastError, match=message) as caught:
        remote_dtls(read, read.sections, "server")
    assert caught.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION


def test_roles_on_both_sides_always_differ() -> None:
    for offered in (None, "actpass", "active", "passive"):
        ours, role = answered_setup(offered)
        assert (ours, role) in {("active", "client"), ("passive", "server")}
        assert offered in (None, "actpass") or ours != offered
    assert [role_from_answer(setup) for setup in (None, "active", "passive")] == ["server", "server", "client"]
    with pytest.raises(RillcastError, match="must choose"):
        role_from_answer("actpass")
