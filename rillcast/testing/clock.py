"""A clock that moves when told."""

from __future__ import annotations


class FakeClock:
    """Stands in for `time.monotonic`: call it for the time in seconds."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
