"""The better of two random nodes."""

from __future__ import annotations

import random
from collections import Counter

from placement_reports import report

from rillcast.cluster.placement.two_choices import better_of_two
from rillcast.contracts.ids import NodeId

REPORTS = [report(f"e{n}", load=n / 10) for n in range(10)]


def test_one_node_needs_no_choice() -> None:
    assert better_of_two(REPORTS[3:4], lambda one: one.load.cpu, random.Random(1)).info.node == "e3"


def test_of_two_nodes_the_cheaper_one_is_taken() -> None:
    chosen = {better_of_two(REPORTS[3:5], lambda one: one.load.cpu, random.Random(n)).info.node for n in range(20)}

    assert chosen == {"e3"}


def test_of_many_the_dearest_is_never_taken_and_the_cheapest_not_always() -> None:
    rng = random.Random(1)

    chosen = Counter(better_of_two(REPORTS, lambda one: one.load.cpu, rng).info.node for _ in range(1_000))

    assert chosen[NodeId("e9")] == 0
    assert 100 < chosen[NodeId("e0")] < 300, "two draws of ten hit it in a fifth of the cases"
