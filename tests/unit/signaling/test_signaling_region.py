"""Where a client is."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.cluster.placement import Place
from services.signaling.core.domain.region import CidrTable, RegionFinder, parse_address, parse_networks, within

TABLE = CidrTable.parse(
    """
    # office
    10.0.0.0/8 eu
    10.1.0.0/16 eu north   # a narrower one wins
    2001:db8::/32 us
    """
)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.200.1.1", Place("eu")),
        ("10.1.2.3", Place("eu", "north")),
        ("::ffff:10.1.2.3", Place("eu", "north")),
        ("2001:db8::1", Place("us")),
        ("192.0.2.1", None),
    ],
)
def test_the_narrowest_network_names_the_place(address: str, place: Place | None) -> None:
    parsed = parse_address(address)
    assert parsed is not None
    assert TABLE.lookup(parsed) == place


@pytest.mark.parametrize("line", ["10.0.0.0/8", "10.0.0.0/99 eu", "10.0.0.0/8 e?u", "10.0.0.0/8 a b c"])
def test_a_bad_line_is_named_by_its_number(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        CidrTable.parse("# first\n" + line)


def test_sources_come_in_order() -> None:
    address = ipaddress.ip_address("10.1.2.3")
    finder = RegionFinder(
        table=TABLE,
        geo=lambda _: ["DE", "EU"],
        geo_regions={"DE": "eu-central", "EU": "eu-west"},
        fallback=Place("home"),
    )
    elsewhere = ipaddress.ip_address("192.0.2.1")

    assert finder.find(asked="ap/2", header="us", address=address) == Place("ap", "2")
    assert finder.find(asked="", header="us", address=address) == Place("us")
    assert finder.find(asked="", header="de", address=address) == Place("eu-central")
    assert finder.find(asked="../x", header="", address=address) == Place("eu", "north")
    assert finder.find(asked="", header="", address=elsewhere) == Place("eu-central")
    assert finder.find(asked="", header="", address=None) == Place("home")


def test_a_country_nobody_named_falls_back_to_its_continent_then_to_the_own_region() -> None:
    address = ipaddress.ip_address("192.0.2.1")
    european = RegionFinder(geo=lambda _: ["FR", "EU"], geo_regions={"EU": "eu-west"})
    unknown = RegionFinder(geo=lambda _: ["FR"], geo_regions={"EU": "eu-west"}, fallback=Place("home"))

    assert european.find(asked="", header="", address=address) == Place("eu-west")
    assert unknown.find(asked="", header="", address=address) == Place("home")


def test_networks_hold_addresses_of_their_own_version_only() -> None:
    networks = parse_networks("127.0.0.1, ::1")

    assert within(parse_address("127.0.0.1"), networks)
    assert within(parse_address("::1"), networks)
    assert not within(parse_address("127.0.0.2"), networks)
    assert not within(None, networks)


@given(st.text(max_size=60))
def test_no_text_breaks_address_parsing_or_the_search_for_a_region(text: str) -> None:
    RegionFinder(table=TABLE).find(asked=text, header=text, address=parse_address(text))
