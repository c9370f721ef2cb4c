"""Work on the side is bounded, and events keep their order whoever sends them."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.node import background
from rillcast.node.background import BackgroundTasks
from rillcast.runtime import metrics
from rillcast.runtime.tasks.cancel import cancelled


class Counting:
    """Work that counts how many of its kind run at once, and ends when told."""

    def __init__(self) -> None:
        self.running = self.highest = 0
        self.begun: list[int] = []
        self.release = asyncio.Event()

    async def work(self, number: int) -> None:
        self.begun.append(number)
        self.running += 1
        self.highest = max(self.highest, self.running)
        try:
            await self.release.wait()
        finally:
            self.running -= 1


async def a_few_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_20_000_ends_at_once_are_so_many_at_a_time_and_none_is_lost() -> None:
    tasks, counting = BackgroundTasks(), Counting()
    for number in range(20_000):
        tasks.queue(counting.work(number), "end session")
    await a_few_turns()
    assert counting.running == background.AT_ONCE
    assert metrics.BACKGROUND_WAITING._value.get() == 20_000 - background.AT_ONCE
    counting.release.set()
    await tasks.settle()
    assert counting.highest == background.AT_ONCE
    assert counting.begun == list(range(20_000))
    assert metrics.BACKGROUND_WAITING._value.get() == 0


async def test_when_the_line_is_full_the_newest_is_dropped_and_counted() -> None:
    tasks, counting = BackgroundTasks(at_once=1, waiting=2), Counting()
    refused = metrics.BACKGROUND_REFUSED.labels("waiting")
    before = refused._value.get()
    for number in range(5):
        tasks.queue(counting.work(number), "end session")
    assert refused._value.get() == before + 2
    counting.release.set()
    await tasks.settle()
    assert counting.begun == [0, 1, 2]


async def test_work_that_fails_makes_room_for_the_next() -> None:
    tasks, counting = BackgroundTasks(at_once=1), Counting()
    counting.release.set()

    async def fail() -> None:
        raise ValueError("on purpose")

    tasks.queue(fail(), "fails")
    tasks.queue(counting.work(1), "follows")
    await tasks.settle()
    assert counting.begun == [1]


async def test_when_too_much_runs_more_is_refused_and_counted() -> None:
    tasks, counting = BackgroundTasks(most=2), Counting()
    refused = metrics.BACKGROUND_REFUSED.labels("running")
    before = refused._value.get()
    first = tasks.start(counting.work(1), "first")
    tasks.start(counting.work(2), "second")
    with pytest.raises(RillcastError) as caught:
        tasks.start(counting.work(3), "third")
    assert caught.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert refused._value.get() == before + 1
    first.cancel()
    await a_few_turns()
    tasks.start(counting.work(4), "fourth")
    await a_few_turns()
    assert counting.running == 2
    await tasks.close()


async def test_long_work_takes_no_place_from_short_work() -> None:
    tasks, counting = BackgroundTasks(at_once=1), Counting()
    tasks.start(counting.work(1), "long")
    tasks.queue(counting.work(2), "short")
    await a_few_turns()
    assert sorted(counting.begun) == [1, 2]
    await tasks.close()


async def test_closing_cancels_what_runs_and_begins_nothing_that_waits() -> None:
    tasks, counting = BackgroundTasks(at_once=1), Counting()
    for number in range(3):
        tasks.queue(counting.work(number), "end session")
    await a_few_turns()
    await tasks.close()
    assert counting.begun == [0]
    assert metrics.BACKGROUND_WAITING._value.get() == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_task_that_swallows_its_cancellation_does_not_keep_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "cancelled", partial(cancelled, again_s=0.01))
    tasks = BackgroundTasks()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    task = tasks.start(stubborn(), "stubborn")
    await a_few_turns()
    await tasks.close()
    assert task.cancelled()


async def test_settling_has_an_end() -> None:
    tasks, counting = BackgroundTasks(), Counting()
    tasks.start(counting.work(1), "never ends")
    await tasks.settle(0.01)
    await a_few_turns()
    assert counting.running == 1
    await tasks.close()


async def test_what_runs_is_counted_until_it_has_ended() -> None:
    def running() -> float:
        value: float = metrics.BACKGROUND_RUNNING._value.get()
        return value

    async def fails() -> None:
        raise ValueError

    tasks, before = BackgroundTasks(), running()
    tasks.start(asyncio.sleep(60), "long")
    tasks.start(fails(), "fails")
    tasks.queue(asyncio.sleep(60), "queued")
    assert running() == before + 3
    await asyncio.sleep(1)
    assert running() == before + 2
    await tasks.close()
    assert running() == before
