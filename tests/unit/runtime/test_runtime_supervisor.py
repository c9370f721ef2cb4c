"""Supervised tasks: every end that nobody asked for is heard of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from rillcast.runtime import metrics
from rillcast.runtime.errors import NodeFault
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.testing.clock import VirtualTimeLoop


def crashes_of(scenario: Callable[[Supervisor], Awaitable[object]]) -> list[str]:
    """Names of tasks that the supervisor reports as crashed. In virtual time."""
    crashed: list[str] = []

    async def run() -> None:
        supervisor = Supervisor(crashed.append)
        await scenario(supervisor)
        await asyncio.sleep(0.01)
        await supervisor.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
    return crashed


async def forever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ValueError("on purpose")


async def leave() -> None:
    await asyncio.sleep(0)


async def await_a_cancelled_task() -> None:
    other = asyncio.ensure_future(forever())
    await asyncio.sleep(0)
    other.cancel()
    await other


@pytest.mark.parametrize("work", [fail, leave, await_a_cancelled_task])
def test_a_task_that_ends_by_itself_is_a_crash(
    work: Callable[[], Coroutine[Any, Any, None]], caplog: pytest.LogCaptureFixture
) -> None:
    count = metrics.TASK_CRASHES.labels(work.__name__)
    before = count._value.get()

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.spawn(work(), work.__name__)

    with caplog.at_level(logging.ERROR):
        assert crashes_of(scenario) == [work.__name__]
    assert count._value.get() == before + 1
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_fault_that_says_all_itself_is_one_line_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def give_up() -> None:
        raise NodeFault("media thread 1 has said nothing for 10 s")

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.spawn(give_up(), "media threads")

    with caplog.at_level(logging.ERROR):
        assert crashes_of(scenario) == ["media threads"]
    (line,) = caplog.records
    assert not line.exc_info
    assert vars(line)["rillcast_fields"] == {
        "task": "media threads",
        "reason": "media thread 1 has said nothing for 10 s",
    }


def test_a_finite_task_may_return_but_not_fail() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.spawn(leave(), "leaves", finite=True)
        supervisor.spawn(fail(), "fails", finite=True)

    assert crashes_of(scenario) == ["fails"]


def test_a_task_cancelled_by_somebody_else_is_a_crash() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        task = supervisor.spawn(forever(), "cancelled")
        await asyncio.sleep(0)
        task.cancel()

    assert crashes_of(scenario) == ["cancelled"]


def test_ending_one_task_leaves_the_others() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        first, second = supervisor.spawn(forever(), "first"), supervisor.spawn(forever(), "second")
        await asyncio.sleep(0)
        await supervisor.end(first)
        assert (first.cancelled(), second.done()) == (True, False)

    assert crashes_of(scenario) == []


def test_a_task_that_swallows_its_cancellation_is_cancelled_again() -> None:
    async def stubborn() -> None:
        for _ in range(3):
            try:
                await forever()
            except asyncio.CancelledError:
                continue
        await forever()

    async def scenario(supervisor: Supervisor) -> None:
        task = supervisor.spawn(stubborn(), "stubborn")
        await asyncio.sleep(0)
        await supervisor.close()
        assert task.cancelled()

    assert crashes_of(scenario) == []


def test_tasks_started_while_it_closes_end_too() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        async def starts_another() -> None:
            try:
                await forever()
            finally:
                supervisor.spawn(forever(), "another")

        supervisor.spawn(starts_another(), "first")
        await asyncio.sleep(0)

    assert crashes_of(scenario) == []


def test_a_guarded_callback_passes_on_what_its_library_handles_and_reports_the_rest() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        with pytest.raises(ValueError, match="on purpose"):
            await supervisor.guarded(fail, "passes on", (ValueError,))()
        await supervisor.guarded(fail, "reports", (OSError,))()

    assert crashes_of(scenario) == ["reports"]
