"""Waiting for several things at once, and for one."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.runtime.tasks.together import together


async def _task_of(value: int) -> tuple[int, asyncio.Task[None] | None]:
    return value, asyncio.current_task()


async def test_results_come_in_order() -> None:
    assert [value for value, _ in await together(_task_of(value) for value in range(3))] == [0, 1, 2]
    assert await together(()) == []


async def test_a_single_one_has_no_task_of_its_own() -> None:
    ((_, task),) = await together([_task_of(1)])
    assert task is asyncio.current_task()


@pytest.mark.parametrize("others", [0, 2])
async def test_what_one_raises_is_raised(others: int) -> None:
    async def fail() -> tuple[int, asyncio.Task[None] | None]:
        raise ValueError("the reason")

    with pytest.raises(ValueError, match="the reason"):
        await together([fail(), *(_task_of(value) for value in range(others))])
