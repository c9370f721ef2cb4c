"""How far a node is from a client, and what operators may say about it."""

from __future__ import annotations

import pytest
from placement_reports import report

from rillcast.cluster.placement.nearness import Place, RegionOrder

NODES = [
    report("zone", region="eu", zone="1"),
    report("region", region="eu", zone="2"),
    report("next", region="eu-north"),
    report("second", region="us", zone="1"),
    report("last", region="ap"),
    report("unsaid"),
]


def test_the_own_zone_is_nearest_then_the_region_then_the_operators_order_then_the_rest() -> None:
    order = RegionOrder.parse("eu > eu-north, us; us>eu")

    tiers = order.tiers(Place("eu", "1"), reversed(NODES))

    names = [[one.info.node for one in tier] for tier in tiers]
    assert names == [["zone"], ["region"], ["next"], ["second"], ["unsaid", "last"]]


@pytest.mark.parametrize("place", [Place(), Place(zone="1")])
def test_whose_region_is_not_known_has_all_nodes_in_one_tier(place: Place) -> None:
    assert len(RegionOrder.parse("eu>us").tiers(place, NODES)) == 1


def test_a_client_without_a_zone_is_as_near_to_every_zone_of_its_region() -> None:
    order = RegionOrder()

    assert order.distance(Place("eu"), NODES[0]) == order.distance(Place("eu"), NODES[1]) == 1


@pytest.mark.parametrize("text", ["eu", "eu>", ">us", "eu>us,,ap"])
def test_an_order_that_makes_no_sense_is_refused_with_its_part(text: str) -> None:
    with pytest.raises(ValueError, match=f"expected .*, got '{text}'"):
        RegionOrder.parse(text)


@pytest.mark.parametrize("text", ["", " ; "])
def test_an_order_may_be_empty(text: str) -> None:
    assert RegionOrder.parse(text).distance(Place("eu"), report("n", region="us")) == 2
