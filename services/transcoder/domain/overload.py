"""When a ladder costs more than this machine has: first frames are left out (`backlog`), then top rungs, then the whole
job, if somebody else has room for it. No I/O."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

WINDOW_S = 4.0
TOLERATED = 0.2
"""Share of frames left out that nobody acts on; a cached GOP at the start is more, hence `CALM_S`."""
CALM_S = 5.0
"""After a start, a new rung or a measure taken, nothing is judged for so long."""


class Verdict(StrEnum):
    KEEP = "keep"
    DROP_TOP = "drop_top"
    GIVE_UP = "give_up"


class OverloadGuard:
    """Watches one job. Call `observe` about once a second."""

    def __init__(self, now: float) -> None:
        self._calm_until = now + CALM_S
        self._window: deque[tuple[float, int, int]] = deque()

    def disturbed(self, now: float) -> None:
        """Rungs were added or the decoder began anew."""
        self._calm_until = now + CALM_S
        self._window.clear()

    def observe(self, encoded: int, left_out: int, rungs: int, now: float) -> Verdict:
        """Frames since the last call, and how many rungs are encoded."""
        if now < self._calm_until:
            return Verdict.KEEP
        self._window.append((now, encoded, left_out))
        while self._window[0][0] <= now - WINDOW_S:
            self._window.popleft()
        done = sum(entry[1] for entry in self._window)
        missed = sum(entry[2] for entry in self._window)
        if missed <= TOLERATED * (done + missed) or now - self._window[0][0] < WINDOW_S / 2:
            return Verdict.KEEP
        self.disturbed(now)
        return Verdict.DROP_TOP if rungs > 1 else Verdict.GIVE_UP
