"""The hooks of a drain: all at once, within the time there is, and none at another's expense."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.runtime.process.drain_hooks import CANCEL_AGAIN_S, DrainHooks


async def test_without_hooks_nothing_is_waited_for() -> None:
    before = asyncio.get_running_loop().time()
    await DrainHooks().run(10.0)
    assert asyncio.get_running_loop().time() == before


async def test_hooks_run_side_by_side() -> None:
    hooks, ended = DrainHooks(), []

    async def hook(seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append(seconds)

    for seconds in (3.0, 1.0, 2.0):
        hooks.add(lambda seconds=seconds: hook(seconds))  # type: ignore[misc]
    before = asyncio.get_running_loop().time()
    await hooks.run(10.0)

    assert ended == [1.0, 2.0, 3.0]
    assert asyncio.get_running_loop().time() - before == pytest.approx(3.0)


async def test_a_failing_hook_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    hooks, ended = DrainHooks(), []

    async def fail() -> None:
        raise ValueError("no")

    async def work() -> None:
        await asyncio.sleep(1.0)
        ended.append("work")

    hooks.add(fail)
    hooks.add(work)
    await hooks.run(10.0)

    assert ended == ["work"]
    assert [record.message for record in caplog.records] == ["A drain hook failed"]


async def test_a_late_hook_is_cancelled_and_one_that_will_not_end_is_left(caplog: pytest.LogCaptureFixture) -> None:
    hooks, cancelled = DrainHooks(), []
    let_go = asyncio.Event()

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append("late")

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                cancelled.append("stubborn")

    hooks.add(late)
    hooks.add(stubborn)
    before = asyncio.get_running_loop().time()
    await hooks.run(2.0)

    assert sorted(cancelled) == ["late", "stubborn"]
    assert asyncio.get_running_loop().time() - before == pytest.approx(2.0 + CANCEL_AGAIN_S)
    assert "Draining took too long and was cut short" in caplog.text
    let_go.set()
