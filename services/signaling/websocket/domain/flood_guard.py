"""How much one socket may send: a token bucket, and the point at which a socket that goes on is closed."""

from __future__ import annotations

from enum import Enum


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
        self._dropped = 0

    def frame(self, now: float) -> Verdict:
        """A frame arrived. After `burst` dropped ones in a row the socket is to be closed."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate_per_s)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            self._dropped = 0
            return Verdict.TAKE
        self._dropped += 1
        return Verdict.CLOSE if self._dropped > self._burst else Verdict.DROP
