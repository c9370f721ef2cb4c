"""What operators may say about which regions are near each other."""

from __future__ import annotations

import pytest

from rillcast.cluster.placement.nearness import RegionOrder


def test_the_regions_that_the_operator_lists_come_in_that_order() -> None:
    order = RegionOrder.parse("eu > eu-north, us; us>eu")

    assert order.after("eu") == ("eu-north", "us")
    assert order.after("us") == ("eu",)


def test_of_a_region_that_is_not_listed_nothing_is_known() -> None:
    assert RegionOrder.parse("eu>us").after("ap") == ()


def test_a_region_that_is_listed_twice_counts_where_it_stands_first() -> None:
    assert RegionOrder.parse("eu>us,ap,us").after("eu") == ("us", "ap")


@pytest.mark.parametrize("text", ["eu", "eu>", ">us", "eu>us,,ap"])
def test_an_order_that_makes_no_sense_is_refused_with_its_part(text: str) -> None:
    with pytest.raises(ValueError, match=f"expected .*, got '{text}'"):
        RegionOrder.parse(text)


@pytest.mark.parametrize("text", ["", " ; "])
def test_an_order_may_be_empty(text: str) -> None:
    assert RegionOrder.parse(text).after("eu") == ()
