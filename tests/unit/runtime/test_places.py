"""Who gets a place at a listener, and who gives way."""

from __future__ import annotations

import ipaddress
import weakref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rillcast.runtime.http.addresses import counted_as, is_within
from rillcast.runtime.http.places import Place, Places


class Site:
    """A listener's places, and who gave way."""

    def __init__(self, most: int, most_per_address: int | None = None, unlimited: str = "") -> None:
        networks = [ipaddress.ip_network(unlimited)] if unlimited else []
        self.places = Places(most, most_per_address, networks)
        self.gone: list[str] = []

    def take(self, name: str, host: str = "192.0.2.1") -> Place:
        place = self.places.take(host, lambda: self.gone.append(name))
        assert isinstance(place, Place)
        return place

    def refused(self, host: str = "192.0.2.1") -> str:
        refusal = self.places.take(host, lambda: None)
        assert isinstance(refusal, str)
        return refusal


def test_the_longest_idle_gives_way_when_all_places_are_taken() -> None:
    site = Site(3)
    first, _, third = site.take("first"), site.take("second"), site.take("third")
    first.busy()
    first.idle()
    third.busy()
    site.take("fourth")
    site.take("fifth").busy()
    assert site.gone == ["second", "first"]


def test_nobody_gives_way_while_a_place_is_free() -> None:
    site = Site(2)
    site.take("first").leave()
    site.take("second")
    site.take("third")
    assert site.gone == []


def test_who_is_busy_does_not_give_way() -> None:
    site = Site(1)
    site.take("first").busy()
    assert site.refused() == "full"
    assert site.gone == []


def test_an_address_that_has_its_share_makes_room_among_its_own() -> None:
    site = Site(10, 2)
    site.take("other", "192.0.2.9")
    site.take("first")
    site.take("second").busy()
    site.take("third").busy()
    assert site.gone == ["first"]
    assert site.refused() == "address_full"
    site.take("another", "192.0.2.8")


def test_an_unlimited_address_has_no_share() -> None:
    site = Site(3, 1, "192.0.2.0/24")
    site.take("first").busy()
    site.take("second").busy()
    site.take("third").busy()
    assert site.refused() == "full"


def test_a_place_that_was_left_is_left_once_and_stays_so() -> None:
    site = Site(2)
    place = site.take("first")
    place.leave()
    place.leave()
    place.idle()
    site.take("second").busy()
    site.take("third").busy()
    assert site.refused() == "full"


def test_who_gave_way_does_not_count_twice_when_its_connection_ends() -> None:
    site = Site(1)
    first = site.take("first")
    site.take("second").busy()
    first.leave()
    assert site.refused() == "full"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(["busy", "idle", "leave"]))))
def test_places_are_neither_lost_nor_made(steps: list[tuple[int, int, str]]) -> None:
    site, open_places = Site(4, 2), list[Place]()
    for host, which, act in steps:
        taken = site.places.take(f"192.0.2.{host}", lambda: None)
        if isinstance(taken, Place):
            open_places.append(taken)
        if open_places:
            getattr(open_places[which % len(open_places)], act)()
    for place in open_places:
        place.leave()
    for number in range(4):
        site.take("last", f"192.0.2.{number}").busy()
    assert site.refused("192.0.2.9") == "full"


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a:b", "a:b"),
    ],
)
def test_an_ipv6_client_is_its_network(host: str, counted: str) -> None:
    assert counted_as(host) == counted


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::1", True),
        ("::2", False),
        ("192.0.2.1", False),
        ("", False),
    ],
)
def test_networks_hold_addresses_of_their_version(host: str, inside: bool) -> None:
    networks = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1")]
    assert is_within(host, networks) is inside
    assert not is_within(host, [])


def test_a_place_that_was_left_holds_nothing_of_its_connection() -> None:
    """Or each connection would be garbage that waits for the collector, for an hour if it is frozen."""

    class Connection:
        def give_way(self) -> None: ...

    connection = Connection()
    place = Places(10).take("192.0.2.1", connection.give_way)
    assert isinstance(place, Place)
    gone = weakref.ref(connection)
    del connection
    assert gone() is not None
    place.leave()
    assert gone() is None


def test_whoever_wants_to_know_hears_of_each_end_once() -> None:
    ended, places = 0, Places(10)

    def one_more() -> None:
        nonlocal ended
        ended += 1

    places.left = one_more
    taken = [places.take("192.0.2.1", lambda: None) for _ in range(3)]
    for place in taken * 2:
        assert isinstance(place, Place)
        place.leave()
    assert ended == 3


def test_one_address_holds_no_more_bytes_than_it_leaves_free() -> None:
    places = Places(10, most_bytes=100)
    first, second, other = (_taken(places, host) for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2"))
    assert first.hold(40)
    assert not second.hold(11)
    assert second.hold(10)
    assert other.hold(25)
    assert not other.hold(26)
    assert places.held == 75
    first.leave()
    assert places.held == 35
    assert other.hold(45)


def test_what_is_held_is_held_once_and_ends_with_the_connection() -> None:
    places = Places(10, most_bytes=100)
    place = _taken(places, "192.0.2.1")
    for size in (10, 50, 20, 50):
        assert place.hold(size)
        assert places.held == size
    place.leave()
    assert place.hold(30)
    assert places.held == 0


def test_behind_a_proxy_all_clients_share_what_there_is() -> None:
    places = Places(10, unlimited=[ipaddress.ip_network("192.0.2.0/24")], most_bytes=100)
    first, second = _taken(places, "192.0.2.1"), _taken(places, "192.0.2.1")
    assert first.hold(60)
    assert second.hold(40)
    assert not second.hold(41)


def _taken(places: Places, host: str) -> Place:
    place = places.take(host, lambda: None)
    assert isinstance(place, Place)
    return place
