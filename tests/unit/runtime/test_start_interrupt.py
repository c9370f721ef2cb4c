"""A start that is told to stop: whatever it waits for is cancelled, and only then."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.runtime.process.start_interrupt import AGAIN_S, StartInterrupt


async def start(interrupt: StartInterrupt, swallows: int = 0) -> bool:
    """A start that passes over some cancellations. Whether the one that ended it was the interrupt's alone."""
    interrupt.begin()
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not swallows:
                return interrupt.take_back()
            swallows -= 1


async def test_it_cancels_what_the_start_waits_for_and_takes_that_back() -> None:
    interrupt = StartInterrupt()
    task = asyncio.create_task(start(interrupt))
    await asyncio.sleep(0)
    interrupt.interrupt()
    assert await task
    assert task.cancelling() == 0


async def test_a_start_that_swallows_a_cancellation_gets_another() -> None:
    interrupt = StartInterrupt()
    task = asyncio.create_task(start(interrupt, swallows=2))
    await asyncio.sleep(0)
    before = asyncio.get_running_loop().time()
    interrupt.interrupt()
    assert await task
    assert asyncio.get_running_loop().time() - before == pytest.approx(2 * AGAIN_S)


async def test_a_cancellation_by_somebody_else_is_told_apart() -> None:
    interrupt = StartInterrupt()
    task = asyncio.create_task(start(interrupt))
    await asyncio.sleep(0)
    task.cancel()
    assert not await task


async def test_when_both_cancel_the_other_ones_stays() -> None:
    interrupt = StartInterrupt()
    task = asyncio.create_task(start(interrupt))
    await asyncio.sleep(0)
    interrupt.interrupt()
    task.cancel()
    assert not await task
    assert task.cancelling() == 1


async def test_after_the_start_nothing_is_cancelled() -> None:
    interrupt = StartInterrupt()
    interrupt.begin()
    assert interrupt.finish()
    assert not interrupt.finish()
    interrupt.interrupt()
    await asyncio.sleep(AGAIN_S)
    assert not interrupt.take_back()


async def test_the_start_itself_is_not_cancelled_by_its_own_stop() -> None:
    interrupt = StartInterrupt()
    interrupt.begin()
    interrupt.interrupt()
    await asyncio.sleep(0)
    assert not interrupt.take_back()
