"""A clock that moves when told, and an event loop with one that jumps."""

from __future__ import annotations

import asyncio
import selectors


class FakeClock:
    """Stands in for `time.monotonic`: call it for the time in seconds."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by so many seconds."""
        self.now += seconds


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is ready, the time jumps to the next timer. For code that does no
    real I/O: ``with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner``."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen: no task is ready and no timer runs")
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        return ready
