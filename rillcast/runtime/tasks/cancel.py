"""The end of a task that somebody else runs."""

from __future__ import annotations

import asyncio
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
