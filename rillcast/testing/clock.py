"""A clock that moves when told, and an event loop with one that jumps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple, Unpack

Arguments = TypeVarTuple("Arguments")
Returned = TypeVar("Returned")


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
    real I/O: ``with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner``. While a function runs in a thread
    (`asyncio.to_thread`), the time stands still and the loop waits for the thread."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], Returned], *args: *Arguments
    ) -> asyncio.Future[Returned]:
        """See `asyncio.loop.run_in_executor`."""
        running = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        running.add_done_callback(self._thread_ended)
        return running

    async def shutdown_default_executor(self, *timeout: float | None) -> None:
        """See `asyncio.loop.shutdown_default_executor`, which has a thread wait for the others. Newer Pythons give it a
        timeout."""
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self._jumping.threads -= 1

    def _thread_ended(self, _: asyncio.Future[Returned]) -> None:
        self._jumping.threads -= 1


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0
        """At work for the loop, which each of them wakes at its end."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if self.threads and timeout != 0 else 0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen: no task is ready and no timer runs")
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        return ready
