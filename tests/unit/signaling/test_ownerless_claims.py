"""Claims whose owner has ended: for one lease each, and not more than there may be."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import ClaimId
from rillcast.contracts.subjects import STREAM_LEASE_S
from services.signaling.core.domain.ownerless_claims import OwnerlessClaims


def test_a_claim_is_ownerless_for_one_lease() -> None:
    claims = OwnerlessClaims()
    claims.add(ClaimId("a"), now=10.0)
    assert claims.has(ClaimId("a"), now=10.0 + STREAM_LEASE_S - 0.1)
    assert not claims.has(ClaimId("a"), now=10.0 + STREAM_LEASE_S)
    assert not claims.has(ClaimId("b"), now=10.0)


def test_what_is_over_is_forgotten_with_the_next_one() -> None:
    claims = OwnerlessClaims()
    for number in range(100):
        claims.add(ClaimId(str(number)), now=number * STREAM_LEASE_S)
    assert len(claims) == 1


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.signaling.core.domain.ownerless_claims.MOST", 2)
    claims = OwnerlessClaims()
    for name in "abc":
        claims.add(ClaimId(name), now=1.0)
    assert [claims.has(ClaimId(name), now=1.0) for name in "abc"] == [False, True, True]
