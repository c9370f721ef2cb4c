"""Who is at the other end of a request, by its headers."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.region import RegionFinder, parse_networks

READER = ClientReader(RegionFinder(), parse_networks("127.0.0.1"), "")


def asked(peer: str, *headers: tuple[str, str]) -> HTTPConnection:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return HTTPConnection({"type": "http", "client": (peer, 1), "headers": raw, "query_string": b""})


def test_the_address_is_the_one_that_the_proxy_names() -> None:
    assert READER.read(asked("127.0.0.1", ("X-Forwarded-For", "203.0.113.5:4711"))).address == "203.0.113.5"
    assert READER.read(asked("127.0.0.1", ("Forwarded", 'for="[2001:db8::1]:1"'))).address == "2001:db8::1"


def test_what_the_client_adds_to_an_entry_with_a_port_changes_nothing() -> None:
    """X-Real-IP once counted where X-Forwarded-For could not be read, and it was the client's own."""
    spoofed = ("X-Real-IP", "127.0.0.1")
    assert str(READER.address(asked("127.0.0.1", ("X-Forwarded-For", "203.0.113.5:4711"), spoofed))) == "203.0.113.5"
    assert READER.address(asked("127.0.0.1", ("X-Forwarded-For", "gateway"), spoofed)) is None
    assert READER.address(asked("127.0.0.1", ("Forwarded", "for=unknown"), spoofed)) is None
    assert READER.read(asked("127.0.0.1", ("X-Forwarded-For", "gateway"), spoofed)).address == ""


def test_lines_of_one_header_are_one_list() -> None:
    lines = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "203.0.113.5")]
    assert str(READER.address(asked("127.0.0.1", *lines))) == "203.0.113.5"


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host", "x-forwarded-proto", "CF-Connecting-IP"]
)
def test_a_stranger_that_forwards_is_told_from_one_that_asks(name: str) -> None:
    assert READER.forwarded_by_stranger(asked("192.0.2.7", (name, "203.0.113.5")))
    assert not READER.forwarded_by_stranger(asked("127.0.0.1", (name, "203.0.113.5")))
    assert not READER.forwarded_by_stranger(asked("192.0.2.7", ("Accept", "*/*")))
