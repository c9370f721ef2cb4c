"""Which sockets of an address are let in."""

from __future__ import annotations

from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.websocket.domain.newcomers import FULL_RETRY_S, Newcomers, Refusal, TurnedAway


def newcomers(burst: int = 10, most_open: int = 10) -> Newcomers:
    return Newcomers(ClientRate(1.0, burst), most_open)


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


def test_clients_without_limits_are_never_turned_away() -> None:
    door = newcomers(burst=1, most_open=1)

    assert [door.enter("", 0.0) for _ in range(5)] == [None] * 5
    for _ in range(5):
        door.leave("")
    door.enter("192.0.2.1", 0.0)
    assert door.enter("192.0.2.1", 0.0) is not None


def test_all_clients_behind_a_proxy_that_nobody_named_have_ten_times_as_many_together() -> None:
    often, many = newcomers(burst=2, most_open=100), newcomers(burst=100, most_open=2)

    assert [often.enter("behind ::1", 0.0, shared=True) for _ in range(21)].count(None) in (19, 20)
    assert [many.enter("behind ::1", 0.0, shared=True) for _ in range(21)].count(None) == 20


def test_nothing_is_kept_of_sockets_that_are_gone() -> None:
    door = newcomers()
    for number in range(1_000):
        door.enter(f"192.0.2.{number}", 0.0)
        door.leave(f"192.0.2.{number}")

    assert door._open == {}
