"""The better of two random nodes."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from rillcast.cluster.placement.node_set import TRIES, NodeSet
from rillcast.cluster.placement.two_choices import better_of_two
from rillcast.contracts.ids import NodeId


def nodes(*numbers: int) -> NodeSet:
    found = NodeSet()
    for number in numbers:
        found.add(NodeId(f"e{number}"))
    return found


def cost(node: NodeId) -> float:
    return int(node[1:]) / 100


def test_one_node_needs_no_choice() -> None:
    assert better_of_two(nodes(3), cost, random.Random(1), ()) == "e3"


def test_of_two_nodes_the_cheaper_one_is_taken() -> None:
    assert {better_of_two(nodes(3, 4), cost, random.Random(n), ()) for n in range(20)} == {"e3"}


@pytest.mark.parametrize("count", [10, TRIES + 1, 100])
def test_of_many_the_dearest_is_never_taken_and_the_cheapest_as_often_as_two_draws_hit_it(count: int) -> None:
    rng = random.Random(1)

    chosen = Counter(better_of_two(nodes(*range(count)), cost, rng, ()) for _ in range(4_000))

    assert chosen[NodeId(f"e{count - 1}")] == 0
    assert chosen[NodeId("e0")] == pytest.approx(4_000 * 2 / count, rel=0.35)
    assert len(chosen) == count - 1


@pytest.mark.parametrize("count", [5, 100])
def test_who_is_left_out_is_never_taken_even_if_nearly_all_are(count: int) -> None:
    out = {NodeId(f"e{n}") for n in range(count) if n != 2}

    assert better_of_two(nodes(*range(count)), cost, random.Random(1), out) == "e2"
    assert better_of_two(nodes(*range(count)), cost, random.Random(1), out | {NodeId("e2")}) is None


def test_a_node_that_was_taken_out_is_not_drawn() -> None:
    some = nodes(*range(40))
    for number in range(0, 40, 2):
        some.discard(NodeId(f"e{number}"))
        some.discard(NodeId(f"e{number}"))
        some.add(NodeId("e1"))

    assert len(some) == len(set(some)) == 20
    assert {some.any(random.Random(n)) for n in range(500)} == {NodeId(f"e{n}") for n in range(1, 40, 2)}
