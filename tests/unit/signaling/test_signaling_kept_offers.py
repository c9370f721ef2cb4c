"""Which publishers' descriptions are kept for a move: each address has its share of the room for them."""

from __future__ import annotations

from rillcast.contracts.ids import SessionId
from services.signaling.websocket.domain.kept_offers import MAX_OFFER, KeptOffers

STRANGER, OTHER = "192.0.2.1", "198.51.100.7"
OFFER = "v=0" + 97 * " "


def offers(most: int) -> tuple[KeptOffers, list[str]]:
    refused: list[str] = []
    return KeptOffers(most=most, on_refused=refused.append), refused


def test_an_address_that_keeps_all_it_may_leaves_room_for_the_offers_of_others() -> None:
    kept, refused = offers(most=1_000)
    for number in range(20):
        kept.keep(SessionId(f"flood {number}"), OFFER, client=STRANGER)

    kept.keep(SessionId("other"), OFFER, client=OTHER)

    assert kept.of(SessionId("other")) is not None
    assert (len(kept), kept.size) == (6, 600)
    assert refused == ["address_full"] * 15


def test_an_answer_that_finds_no_room_costs_its_own_address_the_offer() -> None:
    kept, refused = offers(most=1_000)
    for number in range(5):
        kept.keep(SessionId(str(number)), OFFER, client=STRANGER)

    kept.answered(SessionId("4"), 2 * OFFER)

    assert (kept.of(SessionId("4")), kept.size, refused) == (None, 400, ["address_full"])


def test_room_comes_back_with_the_end_of_a_session_and_goes_along_with_a_move() -> None:
    kept, refused = offers(most=1_000)
    for number in range(5):
        kept.keep(SessionId(str(number)), OFFER, client=STRANGER)
    kept.drop(SessionId("0"))
    kept.hand_on(SessionId("1"), SessionId("moved"), "")
    kept.keep(SessionId("more"), OFFER, client=STRANGER)
    assert (kept.size, refused) == (500, [])

    kept.keep(SessionId("too much"), OFFER, client=STRANGER)
    assert (kept.size, refused) == (500, ["address_full"])

    for session in list(kept):
        kept.drop(session)
    assert kept.size == 0


def test_an_offer_that_is_longer_than_any_takes_no_room() -> None:
    kept, refused = offers(most=10 * MAX_OFFER)

    kept.keep(SessionId("long"), "x" * (MAX_OFFER + 1), client=STRANGER)

    assert (len(kept), kept.size, refused) == (0, 0, [])
