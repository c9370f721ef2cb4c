"""The operator's table from countries and continents to regions."""

from __future__ import annotations

import pytest

from services.signaling.core.domain.geo import parse_geo_regions


def test_codes_are_read_in_any_case_and_with_blanks() -> None:
    assert parse_geo_regions(" de=eu-central, EU = eu-west ,") == {"DE": "eu-central", "EU": "eu-west"}


def test_of_two_regions_for_one_code_the_last_counts() -> None:
    assert parse_geo_regions("DE=one,de=two") == {"DE": "two"}


@pytest.mark.parametrize("part", ["DE", "DEU=eu", "D1=eu", "=eu", "DE=", "DE=a b"])
def test_a_part_that_makes_no_sense_is_named(part: str) -> None:
    with pytest.raises(ValueError, match="CC=region") as refusal:
        parse_geo_regions(f"FR=eu-west,{part}")
    assert repr(part) in str(refusal.value)
