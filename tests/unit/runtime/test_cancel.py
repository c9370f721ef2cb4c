"""Tasks end although a cancellation gets lost."""

from __future__ import annotations

import asyncio

from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import within


async def deaf(times: int) -> None:
    """Swallows so many cancellations, as a loop around `asyncio.wait_for` may."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_a_task_that_swallows_cancellations_ends() -> None:
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 2)]
    await asyncio.sleep(0)
    async with within(5, "the end of the tasks"):
        await cancelled(*tasks, again_s=0.01)
    assert all(task.cancelled() for task in tasks)


async def test_what_has_ended_already_is_left_alone() -> None:
    async def fails() -> None:
        raise ValueError

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await cancelled(task)
    await cancelled()
    assert isinstance(task.exception(), ValueError)
