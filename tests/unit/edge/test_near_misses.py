"""Tries that were nearly carried: long pulses rest, and short ones aim higher."""

from __future__ import annotations

import itertools

import pytest

from rillcast.contracts.records import AbrSettings
from services.edge.domain.bandwidth_probe import BandwidthProbe
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.near_misses import AIM, CLEARLY, FIRST_REST_S, LONG_MS, MOST_REST_S, NearMisses

WANTED_BPS = 1_000_000


def probe(room_bps: int = 900_000, longest_ms: float = 200.0) -> BandwidthProbe:
    """One that has failed."""
    failed = BandwidthProbe(WANTED_BPS, 0, LinkFigures(estimate_bps=0, fraction_lost=0.0, sent_bps=1), AbrSettings())
    failed.room_bps, failed.longest_ms = room_bps, longest_ms
    return failed


def test_what_was_nearly_carried_rests_and_is_aimed_above() -> None:
    missed = NearMisses()
    missed.failed(probe(), 10.0)

    assert missed.aim_bps(WANTED_BPS, 10.0) == WANTED_BPS * AIM
    assert missed.is_hopeless(WANTED_BPS, 1_100_000, 10.0)
    assert missed.aim_bps(5_000_000, 10.0) == 5_000_000
    assert missed.aim_bps(WANTED_BPS, 10.0 + FIRST_REST_S) == WANTED_BPS
    assert not missed.is_hopeless(WANTED_BPS, 1_100_000, 10.0 + FIRST_REST_S)


def test_a_link_that_is_clearly_wider_is_not_hopeless_nor_is_something_smaller_or_far_larger() -> None:
    missed = NearMisses()
    missed.failed(probe(), 0.0)

    assert not missed.is_hopeless(WANTED_BPS, int(WANTED_BPS * CLEARLY), 1.0)
    assert not missed.is_hopeless(2 * WANTED_BPS, WANTED_BPS, 1.0)
    assert not missed.is_hopeless(WANTED_BPS // 2, WANTED_BPS, 1.0)


@pytest.mark.parametrize("failed", [probe(room_bps=500_000), probe(longest_ms=LONG_MS - 1)])
def test_a_try_that_failed_at_once_or_by_far_is_no_near_miss(failed: BandwidthProbe) -> None:
    missed = NearMisses()
    missed.failed(failed, 0.0)

    assert missed.aim_bps(WANTED_BPS, 1.0) == WANTED_BPS


def test_the_rest_grows_up_to_a_bound() -> None:
    missed, now, rests = NearMisses(), 0.0, []
    for _ in range(7):
        missed.failed(probe(), now)
        rest = next(s for s in range(1, 200) if missed.aim_bps(WANTED_BPS, now + s) == WANTED_BPS)
        rests.append(rest)
        now += rest

    assert all(later >= before for before, later in itertools.pairwise(rests))
    assert (rests[0], rests[-1]) == (FIRST_REST_S, MOST_REST_S)
