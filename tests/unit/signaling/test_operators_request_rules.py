"""Which requests are taken for those of our own pages, whatever a foreign page makes a browser send."""

from __future__ import annotations

import pytest

from rillcast.runtime.http.hosts import host_is_ours, host_of
from services.signaling.operators.domain.request_rules import from_our_page

NAMES = frozenset({"console.example.org"})


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("example.org", "example.org"),
        ("example.org:5080", "example.org"),
        ("Example.ORG.", "example.org"),
        ("[::1]:5080", "::1"),
        ("user@example.org:1", "example.org"),
        ("", ""),
        (":5080", ""),
        ("[::1", ""),
        ("[not an address]", ""),
    ],
)
def test_the_host_of_an_authority(authority: str, host: str) -> None:
    assert host_of(authority) == host


@pytest.mark.parametrize(
    "authority",
    [
        "console.example.org",
        "CONSOLE.example.org.:5080",
        "localhost",
        "localhost:5080",
        "app.localhost",
        "127.0.0.1:5080",
        "203.0.113.7",
        "[::1]:5080",
        "[fe80::1%25eth0]:5080",
    ],
)
def test_a_name_of_ours_an_address_and_this_machine_are_ours(authority: str) -> None:
    assert host_is_ours(authority, NAMES)


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "evil.example",
        "example.org",
        "console.example.org.evil.example",
        "evilconsole.example.org",
        "xlocalhost",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "1.2.3",
        "[::1",
    ],
)
def test_a_name_that_somebody_else_may_have_resolved_to_us_is_not_ours(authority: str) -> None:
    assert not host_is_ours(authority, NAMES)


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://node.example:5080"}, False),
        ({"origin": "http://node.example:5080"}, True),
        ({"origin": "https://NODE.example:5080"}, True),
        ({"origin": "http://node.example"}, False),
        ({"origin": "http://node.example:5081"}, False),
        ({"origin": "http://evil.example:5080"}, False),
        ({"origin": "http://node.example:5080.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://[::1"}, False),
        ({}, True),
    ],
)
def test_who_says_that_it_is_another_site_is_refused(headers: dict[str, str], ours: bool) -> None:
    assert from_our_page(headers, "node.example:5080") is ours


@pytest.mark.parametrize("origin", ["null", "", "file://"])
def test_an_origin_without_a_host_is_not_that_of_a_request_without_a_host(origin: str) -> None:
    assert not from_our_page({"origin": origin}, "")
