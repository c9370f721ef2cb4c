"""The claims of streams whose owner has ended, which nobody renews any more. No I/O."""

from __future__ import annotations

from rillcast.contracts.ids import ClaimId
from rillcast.contracts.subjects import STREAM_LEASE_S

MOST = 50_000
"""Of all streams together; beyond, the oldest are forgotten, and have to expire."""


class OwnerlessClaims:
    """Those that one signaling instance knows of. Each is kept for one lease: by then its record has expired, or has
    another claim. Time is given in monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[ClaimId, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, claim: ClaimId, now: float) -> None:
        """The owner under this claim has ended. `now` never goes back, so that the first ones are the oldest."""
        while self._until and (next(iter(self._until.values())) <= now or len(self._until) >= MOST):
            del self._until[next(iter(self._until))]
        self._until[claim] = now + STREAM_LEASE_S

    def has(self, claim: ClaimId, now: float) -> bool:
        """Whether nobody renews the claim any more."""
        return self._until.get(claim, now) > now
