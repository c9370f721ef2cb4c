"""The ICE server of an app as a header that no setting can break out of."""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.ice_servers import IceServer, ice_server, is_ice_uri, link_header, without_relay


def app(uri: str, name: str = "", word: str = "") -> AppSettings:
    return AppSettings(
        app_name=AppName("live"), stun_server_uri=uri, turn_server_username=name, turn_server_credential=word
    )


@pytest.mark.parametrize(
    "uri",
    ["stun:a_b.example", "turns:a:443?transport=TCP", "stuns:a.example:5349", "turn:[2001:db8::1]:3478?transport=udp"],
)
def test_stun_and_turn_uris_are_such(uri: str) -> None:
    assert is_ice_uri(uri)


@pytest.mark.parametrize(
    "uri", ["", "stun:", "http://a.example", "stun:a>b", 'stun:a"b', "stun:a b", "stun:a\r\nX: y", "stun:" + "a" * 256]
)
def test_what_would_break_the_header_is_none_and_left_out(uri: str) -> None:
    assert not is_ice_uri(uri)
    assert link_header(app(uri), 1_000.0) is None


@pytest.mark.parametrize(
    "uri",
    [
        "stun:a.example:0",
        "stun:a.example:65536",
        "stun:a.example:19302x",
        "stun:a.example:1:2",
        "stun:a.example?transport=udp",
        "turn:a.example?transport=sctp",
        "turn:a.example?ttl=1",
        "stun:[::1",
        "stun:[::1::2]",
        "stun:::1",
        "stun:-",
        "stun:a.example:",
        "turn:u@a.example",
        "turn:a.example:3478/x",
    ],
)
def test_what_makes_a_browsers_constructor_throw_is_none(uri: str) -> None:
    assert not is_ice_uri(uri)


@pytest.mark.parametrize("uri", ["stun:a.example", "stuns:a.example", ""])
def test_no_server_but_a_relay_comes_with_credentials(uri: str) -> None:
    secret = msgspec.structs.replace(app(uri, "u", "w"), turn_secret="north")
    assert ice_server(app(uri, "u", "w"), 0.0) == ice_server(secret, 0.0) == IceServer(uri)


def test_a_stun_server_comes_without_credentials() -> None:
    assert link_header(app("stun:a.example", "u", "w"), 1_000.0) == '<stun:a.example>; rel="ice-server"'


@pytest.mark.parametrize(("name", "word"), [("", ""), ("u", ""), ("", "w")])
def test_a_relay_without_credentials_is_told_as_a_stun_server(name: str, word: str) -> None:
    assert ice_server(app("turn:a.example:3478?transport=udp", name, word), 0.0) == IceServer("stun:a.example:3478")
    assert link_header(app("turn:a.example", name, word), 0.0) == '<stun:a.example>; rel="ice-server"'
    assert link_header(app("turns:a.example", name, word), 0.0) is None


@pytest.mark.parametrize(("name", "word"), [("ü", "w"), ("u", "w\n"), ("u", "\x7f"), ("u\r\nX: y", "w")])
def test_credentials_that_no_header_can_hold_are_told_on_sockets_alone(name: str, word: str) -> None:
    assert ice_server(app("turn:a.example", name, word), 0.0) == IceServer("turn:a.example", name, word)
    assert link_header(app("turn:a.example", name, word), 0.0) == '<stun:a.example>; rel="ice-server"'


VISIBLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


@given(name=VISIBLE, word=VISIBLE)
def test_no_credential_ends_its_quotes_or_the_line(name: str, word: str) -> None:
    link = link_header(app("turns:a.example", name, word), 1_000.0)

    assert link is not None
    assert all(" " <= character <= "~" for character in link)
    bare = link.replace("\\\\", "").replace('\\"', "")
    assert bare.count('"') == 8


def test_a_shared_secret_makes_credentials_that_end_by_themselves() -> None:
    settings = msgspec.structs.replace(
        app("turn:a.example:3478?transport=udp", "static", "static"), turn_secret="north", turn_credential_life_s=600
    )
    server = ice_server(settings, 1_433_895_918.9)
    mac = hmac.new(b"north", b"1433896518:live", hashlib.sha1).digest()

    assert server.username == "1433896518:live"
    assert server.credential == base64.b64encode(mac).decode()
    link = link_header(settings, 1_433_895_918.9)
    assert link is not None
    assert 'username="1433896518:live"' in link
    assert "static" not in link


def test_without_a_secret_the_static_ones_are_told() -> None:
    assert ice_server(app("turn:a.example", "u", "w"), 0.0) == IceServer("turn:a.example", "u", "w")


def test_a_secret_is_nothing_to_a_server_that_is_no_relay() -> None:
    settings = msgspec.structs.replace(app("stun:a.example"), turn_secret="north")
    assert ice_server(settings, 0.0) == IceServer("stun:a.example")


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("turn:a.example:3478?transport=udp", "stun:a.example:3478"),
        ("turn:[2001:db8::1]:3478", "stun:[2001:db8::1]:3478"),
        ("turns:a.example:443?transport=tcp", ""),
        ("stun:a.example", "stun:a.example"),
    ],
)
def test_before_it_is_let_in_a_client_is_told_of_no_relay(uri: str, told: str) -> None:
    server = without_relay(IceServer(uri, "u", "w"))
    assert server.uri == told
    assert "u" not in (server.username if uri.startswith("turn") else "")
