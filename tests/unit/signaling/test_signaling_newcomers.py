"""Which sockets of an address are let in."""

from __future__ import annotations

from rillcast.runtime.http.addresses import IpNetwork
from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.core.domain.region import parse_networks
from services.signaling.websocket.domain.newcomers import FULL_RETRY_S, Newcomers, Refusal, TurnedAway


def newcomers(burst: int = 10, most_open: int = 10, unlimited: tuple[IpNetwork, ...] = ()) -> Newcomers:
    return Newcomers(ClientRate(1.0, burst), most_open, unlimited)


def test_an_address_may_open_so_many_at_once_and_then_one_by_one() -> None:
    door = newcomers(burst=2)

    assert [door.enter("192.0.2.1", 0.0) for _ in range(3)] == [None, None, Refusal(TurnedAway.SOCKET, 1.0)]
    assert door.enter("192.0.2.2", 0.0) is None
    assert door.enter("192.0.2.1", 1.0) is None


def test_an_address_may_have_so_many_open() -> None:
    door = newcomers(most_open=2)
    door.enter("192.0.2.1", 0.0)
    door.enter("192.0.2.1", 0.0)

    assert door.enter("192.0.2.1", 0.0) == Refusal(TurnedAway.OPEN_SOCKETS, FULL_RETRY_S)
    door.leave("192.0.2.1")
    assert door.enter("192.0.2.1", 0.0) is None


def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    door = newcomers(most_open=1)
    door.enter("2001:db8::1", 0.0)

    assert door.enter("2001:db8::ffff:1", 0.0) is not None
    assert door.enter("2001:db8:0:1::1", 0.0) is None
    door.leave("2001:db8::1")
    assert door.enter("2001:db8::2", 0.0) is None


def test_clients_whose_address_is_not_known_are_one_client() -> None:
    door = newcomers(most_open=1)
    door.enter("", 0.0)

    assert door.enter("", 0.0) is not None


def test_an_unlimited_address_is_never_turned_away() -> None:
    door = newcomers(burst=1, most_open=1, unlimited=parse_networks("127.0.0.0/8"))

    assert [door.enter("127.0.0.1", 0.0) for _ in range(5)] == [None] * 5
    for _ in range(5):
        door.leave("127.0.0.1")
    door.enter("192.0.2.1", 0.0)
    assert door.enter("192.0.2.1", 0.0) is not None


def test_nothing_is_kept_of_sockets_that_are_gone() -> None:
    door = newcomers()
    for number in range(1_000):
        door.enter(f"192.0.2.{number}", 0.0)
        door.leave(f"192.0.2.{number}")

    assert door._open == {}
