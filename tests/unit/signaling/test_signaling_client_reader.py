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


LOCAL = ClientReader(RegionFinder(), (), "", parse_networks("127.0.0.0/8,::1"))


def test_programs_of_this_machine_have_no_limit_and_a_proxy_on_it_that_nobody_named_has_one() -> None:
    assert LOCAL.counted(asked("127.0.0.1")) == ("", False)
    assert LOCAL.counted(asked("127.0.0.1", ("X-Forwarded-For", "203.0.113.5"))) == ("behind 127.0.0.1", True)
    assert LOCAL.counted(asked("::1", ("Forwarded", "for=203.0.113.5"))) == ("behind ::1", True)
    read = LOCAL.read(asked("127.0.0.1", ("X-Real-IP", "203.0.113.5")))
    assert (read.counted_as, read.shared) == ("behind 127.0.0.1", True)


def test_a_client_elsewhere_that_says_it_forwards_is_counted_as_its_address() -> None:
    assert LOCAL.counted(asked("192.0.2.7", ("X-Forwarded-For", "203.0.113.5"))) == ("192.0.2.7", False)
    assert LOCAL.counted(asked("2001:db8::1")) == LOCAL.counted(asked("2001:db8::ffff:1"))


def test_clients_that_a_proxy_does_not_name_share_what_they_count_as() -> None:
    assert READER.counted(asked("127.0.0.1", ("X-Forwarded-For", "203.0.113.5"))) == ("203.0.113.5", False)
    assert READER.counted(asked("127.0.0.1", ("X-Forwarded-For", "gateway"))) == ("not named", True)
