"""How often one address may change sessions that it has: WHIP's and WHEP's PATCH and DELETE, further offers, forced
renditions, toggles. Each of them is a request to a node."""

from __future__ import annotations

from collections.abc import Callable

from services.signaling import metrics
from services.signaling.core.domain.client_rate import ClientRate, TooOften


class ChangeRate:
    """One per signaling instance."""

    def __init__(self, rate: ClientRate, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._rate = rate
        self._clock = clock

    def check(self, counted_as: str) -> None:
        """Raises `TooOften` with the time after which one more is allowed. `counted_as`: see `Client.counted_as`;
        nobody is refused for whom it is empty."""
        wait_s = self._rate.take(counted_as, self._clock()) if counted_as else 0.0
        if wait_s > 0:
            metrics.RATE_LIMITED.labels("change").inc()
            raise TooOften("too many changes of sessions came from your address", wait_s)
