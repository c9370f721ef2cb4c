"""How often one client may do something: a token bucket for each address, and a limited number of buckets."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError

MOST_CLIENTS = 50_000
"""Buckets that are kept, some ten megabytes. Of more, the one not used for longest is forgotten: it counts as full when
it is asked for again. Whoever has so many addresses is not held up by a limit of each."""
_SWEPT = 2
"""Full buckets that are forgotten with each new one, so that the table shrinks again."""
_ROUNDING_S = 1e-6
"""Sums of times are not exact. Without it the last token of a burst would be refused at some moments."""


class TooOften(RillcastError):
    """HIGH_RESOURCE_USAGE because of what the client's own address did: by HTTP 429, and not 503."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(ErrorCode.HIGH_RESOURCE_USAGE, message, retry_after_s)


class ClientRate:
    """Buckets by address. Of each only the time is kept at which it will be full again (the generic cell rate
    algorithm), so asking costs less than a microsecond."""

    def __init__(self, rate_per_s: float, burst: float, most: int = MOST_CLIENTS) -> None:
        """`burst`: tokens in a full bucket."""
        self._interval_s = 1.0 / rate_per_s
        self._full_s = burst / rate_per_s
        self._most = most
        self._full_at: dict[str, float] = {}
        """The bucket that was not used for longest first."""

    def __len__(self) -> int:
        """How many buckets are not full, or were not looked at since they are."""
        return len(self._full_at)

    def take(self, client: str, now: float, cost: float = 1.0) -> float:
        """Take `cost` tokens. Returns 0.0, or the seconds after which there are so many; then none is taken. `now`:
        monotonic seconds."""
        full_at = max(self._full_at.pop(client, now), now)
        emptier = full_at + cost * self._interval_s
        wait_s = emptier - now - self._full_s
        if wait_s <= _ROUNDING_S:
            self._full_at[client] = emptier
            self._sweep(now)
            return 0.0
        self._full_at[client] = full_at
        return wait_s

    def wait_s(self, client: str, now: float, cost: float = 1.0) -> float:
        """The seconds after which `cost` tokens are there; nothing is taken."""
        full_at = max(self._full_at.get(client, now), now)
        wait_s = full_at + cost * self._interval_s - now - self._full_s
        return wait_s if wait_s > _ROUNDING_S else 0.0

    def _sweep(self, now: float) -> None:
        for _ in range(_SWEPT):
            oldest = next(iter(self._full_at))
            if self._full_at[oldest] > now and len(self._full_at) <= self._most:
                return
            del self._full_at[oldest]
            if not self._full_at:
                return
