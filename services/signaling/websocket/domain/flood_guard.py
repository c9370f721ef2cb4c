"""How much one socket may send: a token bucket, and the point at which a socket that goes on is closed."""

from __future__ import annotations

from enum import Enum

FREE_BYTES = 8 * 1024
"""A frame costs one token, and one more for each time that it is as long as this."""


class Verdict(Enum):
    """What to do with a frame that has arrived."""

    TAKE = "take"
    DROP = "drop"
    CLOSE = "close"


class FloodGuard:
    """Of one socket. A page sends up to some hundred candidates at once, then a ping every three seconds."""

    def __init__(self, rate_per_s: float, burst: int, now: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at = now
        self._dropped = 0.0

    def frame(self, now: float, size: int = 0) -> Verdict:
        """A frame of `size` bytes arrived at `now` (monotonic seconds). What is dropped adds up and is forgiven at the
        rate at which frames are allowed: whoever goes on sending twice as much is closed."""
        earned = (now - self._at) * self._rate_per_s
        self._at = now
        self._tokens = min(self._burst, self._tokens + earned)
        self._dropped = max(0.0, self._dropped - earned)
        cost = 1 + size // FREE_BYTES
        if self._tokens >= cost:
            self._tokens -= cost
            return Verdict.TAKE
        self._dropped += cost
        return Verdict.CLOSE if self._dropped > self._burst else Verdict.DROP
