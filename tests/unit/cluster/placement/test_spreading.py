"""Which node is next while all have next to nothing to do."""

from __future__ import annotations

import random
from collections.abc import Collection

from rillcast.cluster.placement.node_set import NodeSet
from rillcast.cluster.placement.pool import Spread
from rillcast.cluster.placement.spreading import fewest_sessions
from rillcast.contracts.ids import NodeId


def spread(sessions: dict[str, int]) -> Spread:
    found = Spread()
    for name, count in sessions.items():
        found.put(NodeId(name), count)
    return found


def chosen(
    among: Spread, carriers: Collection[str] = (), favoured: NodeSet | None = None, excluded: Collection[str] = ()
) -> set[str | None]:
    """What comes out over many draws."""
    have, out = {NodeId(name): None for name in carriers}, {NodeId(name) for name in excluded}
    return {fewest_sessions(among, have, favoured, random.Random(n), out) for n in range(40)}


def test_the_fewest_sessions_win() -> None:
    assert chosen(spread({"e1": 3, "e2": 2, "e3": 7})) == {"e2"}


def test_among_equals_a_carrier_wins_and_otherwise_any() -> None:
    equal = spread({"e1": 1, "e2": 1, "e3": 1})

    assert chosen(equal, carriers=["e2"]) == {"e2"}
    assert chosen(equal) == {"e1", "e2", "e3"}


def test_a_carrier_with_more_sessions_does_not_come_first() -> None:
    assert chosen(spread({"e1": 1, "e2": 2}), carriers=["e2"]) == {"e1"}


def test_where_those_with_the_fewest_are_left_out_the_next_ones_follow() -> None:
    among = spread({"e1": 1, "e2": 5, "e3": 3, "e4": 1})

    assert chosen(among, excluded=["e1", "e4"]) == {"e3"}
    assert chosen(among, excluded=["e1", "e2", "e3", "e4"]) == {None}


def test_who_has_other_sessions_now_is_found_among_those() -> None:
    among = spread({"e1": 1, "e2": 2})
    for count in (5, 1, 6):
        among.take(NodeId("e1"), {5: 1, 1: 5, 6: 1}[count])
        among.put(NodeId("e1"), count)

    assert chosen(among) == {"e2"}


def test_among_thousands_of_equals_a_carrier_is_found_if_it_is_not_rare() -> None:
    names = [f"e{n}" for n in range(5_000)]
    equal, favoured = spread(dict.fromkeys(names, 0)), NodeSet()
    for name in names[:1_000]:
        favoured.add(NodeId(name))

    assert chosen(equal, names[:1_000], favoured) <= set(names[:1_000])
    assert chosen(equal, names[:50]) <= set(names[:50])
