"""Standstills of pictures: at one node, and over a move to another one."""

from __future__ import annotations

import msgspec

from rillcast.load.classes import Second
from rillcast.load.standstills import WATCHED_US, Standstill, Standstills

S = 1_000_000
_ZERO = dict.fromkeys(Second.__struct_fields__, 0)


def second(peer: int, at_us: int, **figures: int) -> Second:
    return msgspec.convert({**_ZERO, "id": peer, "at_us": at_us, "span_us": S, **figures}, Second)


def watching() -> Standstills:
    seen = Standstills()
    seen.begins(0, 0, 0)
    seen.add([(0, second(0, S))])
    return seen


def test_a_freeze_that_is_over_is_a_standstill() -> None:
    seen = watching()
    seen.add([(0, second(0, 2 * S, freezes=1, frozen_us=400_000))])
    assert [one.lasted_us for one in seen.all] == [400_000]
    assert seen.longest_us(2, S) == [400_000, 0]
    assert seen.longest_us(2, 2 * S) == [0, 0], "it was over before"
    assert seen.longest_us(2, S, 2 * S - 400_000) == [0, 0], "it began later"


def test_a_picture_that_still_stands_is_told_and_not_counted() -> None:
    seen = watching()
    seen.add([(0, second(0, 3 * S, standing_us=900_000))])
    assert (seen.all, seen.standing(800_000), seen.standing(S)) == ([], [0], [])


def test_over_a_move_it_lasts_from_the_last_picture_here_to_the_first_one_there() -> None:
    seen = watching()
    seen.begins(0, 7, 2 * S)
    seen.add([(0, second(0, 2 * S + 100_000, standing_us=700_000)), (0, second(7, 3 * S))])
    assert seen.settle(2 * S + WATCHED_US) == [0]
    assert seen.all == [Standstill(0, S + 400_000, 600_000)]
    assert seen.settle(10 * S) == [], "each peer is given up once"


def test_a_move_under_which_pictures_go_on_is_no_standstill() -> None:
    seen = watching()
    seen.begins(0, 7, 2 * S)
    seen.add([(0, second(0, 4 * S, standing_us=S, freezes=1, frozen_us=S))])
    assert seen.settle(2 * S + WATCHED_US - 1) == []
    assert seen.settle(2 * S + WATCHED_US) == [0]
    assert seen.all == []


def test_viewers_who_see_nothing_have_no_standstills_and_yet_give_up_their_peers() -> None:
    blind = Standstills(seen=False)
    blind.begins(0, 0, 0)
    blind.begins(0, 7, 5 * S)
    assert blind.settle(8 * S) == [0]
    assert blind.all == []
