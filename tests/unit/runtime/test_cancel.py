"""Tasks end although a cancellation gets lost."""

from __future__ import annotations

import asyncio
import gc

import pytest

from rillcast.runtime.tasks.cancel import cancelled, heeding
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


async def test_a_cancellation_counts_though_what_is_waited_for_swallows_it() -> None:
    task = asyncio.create_task(heeding(deaf(1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_what_is_waited_for_is_cancelled_too_and_nobody_hears_what_it_raises_then() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    ended = asyncio.Event()

    async def fails() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
            raise ValueError

    task = asyncio.create_task(heeding(fails()))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait([task])
    await ended.wait()
    gc.collect()
    await asyncio.sleep(0.1)
    assert told == []


async def test_what_was_waited_for_is_returned_or_raised() -> None:
    async def answers() -> int:
        return 7

    async def fails() -> None:
        raise ValueError("no")

    assert await heeding(answers()) == 7
    with pytest.raises(ValueError, match="no"):
        await heeding(fails())
