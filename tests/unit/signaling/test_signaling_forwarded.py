"""Whom a proxy names as the client, and when nobody is believed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.signaling.core.domain.forwarded import MOST_HOPS, ForwardedHeaders, client_address, hop_address
from services.signaling.core.domain.region import parse_address, parse_networks

TRUSTED = parse_networks("127.0.0.1, 10.0.0.0/8, fd00::/8")
PROXY = "127.0.0.1"


def client(peer: str = PROXY, /, **lines: str | list[str]) -> str | None:
    given = {name: [line] if isinstance(line, str) else line for name, line in lines.items()}
    found = client_address(parse_address(peer), ForwardedHeaders(**given), TRUSTED)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("203.0.113.5", "203.0.113.5"),
        (" 203.0.113.5 ", "203.0.113.5"),
        ("203.0.113.5:4711", "203.0.113.5"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]:_hidden", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("[::ffff:203.0.113.5]:80", "203.0.113.5"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("localhost", None),
        ("203.0.113.5:", None),
        ("203.0.113.5:80:80", None),
        ("[203.0.113", None),
        ("1", None),
        ("0x7f.0.0.1", None),
    ],
)
def test_an_entry_is_an_address_with_or_without_a_port(entry: str, address: str | None) -> None:
    found = hop_address(entry)
    assert (None if found is None else str(found)) == address
    assert client(x_forwarded_for=entry) == address


def test_without_a_trusted_proxy_nobody_is_believed() -> None:
    assert client("192.0.2.7", x_forwarded_for="127.0.0.1", forwarded="for=127.0.0.1", x_real_ip="127.0.0.1") == (
        "192.0.2.7"
    )


def test_a_trusted_proxy_that_forwards_nothing_asks_for_itself() -> None:
    assert client() == PROXY


def test_a_list_is_read_from_the_right_over_trusted_proxies() -> None:
    assert client(x_forwarded_for="127.0.0.1, 203.0.113.5, 10.1.2.3") == "203.0.113.5"
    assert client(x_forwarded_for=["127.0.0.1", "203.0.113.5:1", " 10.1.2.3:2 , [fd00::1]:3"]) == "203.0.113.5"
    assert client(forwarded='for=127.0.0.1, for=203.0.113.5;proto=https, for="[fd00::1]:3"') == "203.0.113.5"
    assert client(forwarded=["for=127.0.0.1", "proto=http;FOR=203.0.113.5", "for=10.9.9.9"]) == "203.0.113.5"


def test_a_client_among_the_trusted_is_named_by_the_end_of_the_list() -> None:
    assert client(x_forwarded_for="10.0.0.7, 10.1.2.3") == "10.0.0.7"


@pytest.mark.parametrize("entry", ["unknown", "_hidden", "nonsense", '"unknown"', '"_hidden:80"'])
def test_an_entry_that_is_no_address_makes_the_client_unknown(entry: str) -> None:
    assert client(x_forwarded_for=f"127.0.0.1, {entry}", x_real_ip="127.0.0.1") is None
    assert client(forwarded=f"for=127.0.0.1, for={entry}", x_real_ip="127.0.0.1") is None
    assert client(forwarded=f"for=127.0.0.1, for={entry}, for=10.0.0.1") is None


def test_an_element_without_for_makes_the_client_unknown() -> None:
    assert client(forwarded="for=127.0.0.1, proto=https") is None
    assert client(forwarded="for=127.0.0.1, for") is None


def test_a_quote_that_does_not_end_hides_only_its_own_line() -> None:
    assert client(forwarded='for="127.0.0.1, for=203.0.113.5') is None
    assert client(forwarded=['for="127.0.0.1', "for=203.0.113.5"]) == "203.0.113.5"


def test_commas_and_semicolons_in_quotes_part_nothing() -> None:
    assert client(forwarded='for=203.0.113.5;host="a, for=127.0.0.1; for=127.0.0.1"') == "203.0.113.5"
    assert client(forwarded='for="203.0.113.\\5"') == "203.0.113.5"


def test_empty_entries_do_not_count() -> None:
    assert client(x_forwarded_for="203.0.113.5, , ,") == "203.0.113.5"
    assert client(forwarded=", for=203.0.113.5, ,;,") == "203.0.113.5"


def test_a_list_that_is_there_and_empty_names_nobody() -> None:
    assert client(x_forwarded_for="", x_real_ip="127.0.0.1") is None
    assert client(forwarded=" , ", x_real_ip="127.0.0.1") is None


def test_two_lists_must_agree() -> None:
    assert client(x_forwarded_for="203.0.113.5:80", forwarded="for=203.0.113.5") == "203.0.113.5"
    assert client(x_forwarded_for="127.0.0.1", forwarded="for=203.0.113.5") is None
    assert client(x_forwarded_for="203.0.113.5", forwarded="for=127.0.0.1") is None


def test_the_real_ip_counts_where_there_is_no_list() -> None:
    assert client(x_real_ip="203.0.113.5") == "203.0.113.5"
    assert client(x_real_ip="[2001:db8::1]:80") == "2001:db8::1"
    assert client(x_real_ip=["127.0.0.1", "203.0.113.5"]) is None
    assert client(x_real_ip="203.0.113.5, 127.0.0.1") is None


def test_more_hops_than_anybody_has_are_not_believed() -> None:
    assert client(x_forwarded_for="203.0.113.5" + ", 10.0.0.1" * (MOST_HOPS - 1)) == "203.0.113.5"
    assert client(x_forwarded_for="203.0.113.5" + ", 10.0.0.1" * MOST_HOPS) is None
    assert client(x_forwarded_for="," * 60_000 + "203.0.113.5") is None
    assert client(forwarded=";" * 60_000 + "for=203.0.113.5") is None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=60), max_size=4), st.lists(st.text(max_size=60), max_size=4))
def test_whatever_the_client_sends_before_it_the_proxy_s_own_line_counts(
    listed: list[str], elements: list[str]
) -> None:
    assert client(x_forwarded_for=[*listed, "203.0.113.5"]) == "203.0.113.5"
    assert client(forwarded=[*elements, "for=203.0.113.5"]) == "203.0.113.5"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(alphabet='for="\\,;: []_.0123456789abcdef', max_size=80), max_size=4))
def test_no_header_fails(lines: list[str]) -> None:
    found = client(forwarded=lines, x_forwarded_for=lines)
    assert found is None or ipaddress.ip_address(found)
