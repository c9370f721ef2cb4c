"""The end of a task that somebody else runs."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

AGAIN_S = 0.5
"""How long a task has to end before it is cancelled once more. Longer than any `finally` that waits for nobody."""


async def cancelled(*tasks: asyncio.Task[Any], again_s: float = AGAIN_S) -> None:
    """Cancel the tasks and return when all have ended, however they ended.

    One cancellation is not always enough: `asyncio.wait_for` in Python 3.11, by which nats-py waits for answers,
    swallows a cancellation that arrives together with the answer. A loop around it then lives on.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=again_s)


class heeding:
    """A block whose cancellation counts, even if what is awaited in it swallows it: ``with heeding(): ...``.

    For whatever waits for nats-py, see `cancelled`. A cancellation that was asked for inside the block and did not come
    out of it is raised at its end, in place of what the block returns or raises.
    """

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("not in a task")
        self._task = task
        self._before = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task.cancelling() > self._before and not isinstance(error, asyncio.CancelledError):
            raise asyncio.CancelledError from error
