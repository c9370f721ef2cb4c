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


MAX_TURNS = 400_000
"""The turns of one loop, some ten times what the longest of our tests makes. They take seconds."""

TURNS_TO_CLOSE = 10_000
"""After which it is raised again, since the closing of a loop may not end either."""


class EndlessLoop(RuntimeError):
    """What a loop of virtual time was to wait for does not come, while others go on for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is ready, the time jumps to the next timer. For code that does no
    real I/O: ``with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner``. While a function runs in a thread
    (`asyncio.to_thread`), the time stands still and the loop waits for the thread.

    Its turns are counted, and `EndlessLoop` is raised out of it after `max_turns` of them. A timer of the test runner
    is not enough: the exception that its signal raises may hit any callback, where asyncio takes it for that callback's
    own, and whoever waits for the callback waits for ever, in no time at all."""

    def __init__(self, max_turns: int = MAX_TURNS) -> None:
        self._jumping = _JumpingSelector(max_turns)
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
    def __init__(self, max_turns: int) -> None:
        super().__init__()
        self.now = 0.0
        self._turns_left = max_turns
        self.threads = 0
        """At work for the loop, which each of them wakes at its end."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._turns_left -= 1
        if self._turns_left <= 0 and self._turns_left % TURNS_TO_CLOSE == 0:
            raise EndlessLoop(f"the loop has had all its turns, and it is {self.now:.1f} s by its clock")
        ready = super().select(None if self.threads and timeout != 0 else 0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen: no task is ready and no timer runs")
        if not ready and timeout is not None:
            self.now += max(0.0, timeout)
        return ready
