"""Places that clients share: whoever takes many keeps nobody out."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rillcast.cluster.shares import FAIR_S, HalfOpen, SharedPlaces, in_turns

CLIENTS = ["", "192.0.2.1", "192.0.2.2", "2001:db8::/64"]


def test_one_client_may_have_half_of_the_places() -> None:
    places = SharedPlaces(100)

    taken = [places.take("192.0.2.1") for _ in range(1_000)].count(None)

    assert taken == 50
    assert places.take("192.0.2.1") == "address_full"


def test_however_many_a_few_clients_want_there_is_a_place_for_the_next_one() -> None:
    places = SharedPlaces(100)
    for n in range(5):
        while places.take(f"192.0.2.{n}") is None:
            pass

    assert places.take("198.51.100.1") is None


def test_clients_that_go_on_asking_have_equal_parts_in_the_end() -> None:
    places, held = SharedPlaces(100), Counter[str]()
    clients = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    for _ in range(50):
        for client in clients:
            while places.take(client) is None:
                held[client] += 1
        for client in clients:  # a fifth of what each has ends
            for _ in range(held[client] // 5):
                places.leave(client)
                held[client] -= 1

    for client in clients:
        while places.take(client) is None:
            held[client] += 1
    assert max(held.values()) - min(held.values()) <= 10
    assert len(places) < 100


def test_clients_without_a_name_share_nothing_and_fill_all_places() -> None:
    places = SharedPlaces(10)

    assert [places.take("") for _ in range(11)] == [None] * 10 + ["full"]


def test_a_client_is_told_that_it_has_too_many_itself_also_when_all_places_are_taken() -> None:
    places = SharedPlaces(2)
    assert places.take("192.0.2.1") is None
    assert places.take("") is None

    assert (places.take("192.0.2.1"), places.take("192.0.2.2")) == ("address_full", "full")


def test_whatever_has_a_size_is_shared_by_its_size() -> None:
    room = SharedPlaces(100)
    assert [room.take("192.0.2.1", 20) for _ in range(3)] == [None, None, "address_full"]
    assert room.take("192.0.2.1", 10) is None, "what is smaller still fits into the half"

    assert room.take("198.51.100.7", 25) is None
    assert room.take("", 26) == "full"

    room.leave("192.0.2.1", 20)
    assert (len(room), room.take("", 45), len(room)) == (55, None, 100)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(CLIENTS)), max_size=60), st.integers(1, 8))
def test_places_are_given_back_and_never_more_than_there_are(steps: list[tuple[bool, str]], most: int) -> None:
    places, held = SharedPlaces(most), Counter[str]()
    for takes, client in steps:
        if takes:
            held[client] += places.take(client) is None
        elif held[client]:
            places.leave(client)
            held[client] -= 1
        assert len(places) == held.total() <= most
    for client, count in held.items():
        for _ in range(count):
            places.leave(client)

    assert len(places) == 0
    assert not places._of


def test_clients_take_turns_and_each_keeps_the_order_of_its_own() -> None:
    came = [("a1", "a"), ("a2", "a"), ("n1", ""), ("a3", "a"), ("b1", "b"), ("n2", ""), ("b2", "b")]

    assert list(in_turns(came)) == ["a1", "n1", "b1", "n2", "a2", "b2", "a3"]
    assert list(in_turns([])) == []


def _waiting(*clients: str, since: float = 0.0) -> HalfOpen[int]:
    waiting = HalfOpen[int]()
    for key, client in enumerate(clients):
        waiting.add(key, client, since)
    return waiting


def test_who_has_most_gives_its_oldest_one_up_at_once() -> None:
    waiting = _waiting("192.0.2.9", *["192.0.2.1"] * 4)

    assert waiting.gives_way("198.51.100.1", 0.0) == 1


def test_who_has_one_is_left_alone_for_a_fair_time() -> None:
    waiting = _waiting("192.0.2.1", "192.0.2.2")

    assert waiting.gives_way("198.51.100.1", FAIR_S - 0.1) is None
    assert waiting.gives_way("198.51.100.1", FAIR_S) == 0


def test_who_has_most_displaces_nobody_but_itself() -> None:
    waiting = _waiting("192.0.2.9", *["192.0.2.1"] * 4)

    assert waiting.gives_way("192.0.2.1", FAIR_S - 0.1) is None
    assert waiting.gives_way("192.0.2.1", 100.0) == 1


def test_clients_without_a_name_count_each_alone() -> None:
    waiting = _waiting("", "", "", "")

    assert waiting.gives_way("192.0.2.1", FAIR_S - 0.1) is None
    assert waiting.gives_way("", FAIR_S) == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.sampled_from(CLIENTS)), max_size=80))
def test_the_client_with_most_is_known_whatever_came_and_went(steps: list[tuple[bool, int, str]]) -> None:
    waiting, kept = HalfOpen[int](), dict[int, str]()
    for adds, key, client in steps:
        if adds and key not in kept:
            waiting.add(key, client, 0.0)
            kept[key] = client
        elif not adds:
            assert waiting.drop(key) == (kept.pop(key, None) is not None)
        assert len(waiting) == len(kept)
        counts = Counter(client or f"alone {key}" for key, client in kept.items())
        greediest = waiting.greediest()
        assert (greediest is None) == (not kept)
        if greediest is not None:
            assert counts[kept[greediest] or f"alone {greediest}"] == max(counts.values())
    for key in tuple(kept):
        waiting.drop(key)

    assert not waiting._of
    assert not waiting._by_count
