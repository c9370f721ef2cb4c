"""The ICE server of an app as a header that no setting can break out of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.ice_servers import is_ice_uri, link_header


def app(uri: str, name: str = "", word: str = "") -> AppSettings:
    return AppSettings(
        app_name=AppName("live"), stun_server_uri=uri, turn_server_username=name, turn_server_credential=word
    )


@pytest.mark.parametrize("uri", ["stun:a.example", "stuns:a.example:5349", "turn:[2001:db8::1]:3478?transport=udp"])
def test_stun_and_turn_uris_are_such(uri: str) -> None:
    assert is_ice_uri(uri)


@pytest.mark.parametrize(
    "uri", ["", "stun:", "http://a.example", "stun:a>b", 'stun:a"b', "stun:a b", "stun:a\r\nX: y", "stun:" + "a" * 256]
)
def test_what_would_break_the_header_is_none_and_left_out(uri: str) -> None:
    assert not is_ice_uri(uri)
    assert link_header(app(uri)) is None


def test_a_stun_server_comes_without_credentials() -> None:
    assert link_header(app("stun:a.example", "u", "w")) == '<stun:a.example>; rel="ice-server"'


@given(name=st.text(), word=st.text())
def test_no_credential_ends_its_quotes_or_the_line(name: str, word: str) -> None:
    link = link_header(app("turns:a.example", name, word))

    assert link is not None
    assert all(" " <= character <= "~" for character in link)
    bare = link.replace("\\\\", "").replace('\\"', "")
    assert bare.count('"') == 8
