"""The end of a task that somebody else runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

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


async def heeding(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns or raises. A cancellation that comes meanwhile counts, even if `work` swallows it.

    For loops in a task group that wait for nats-py: `cancelled` does not get at them. It cancels the task of the group,
    and a group cancels its tasks only once.
    """
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait((doing,))
    except asyncio.CancelledError:
        doing.cancel()
        doing.add_done_callback(_forget)
        raise
    return doing.result()


def _forget(done: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more, so what it raised is not said to be lost."""
    if not done.cancelled():
        done.exception()
