"""Tasks end although a cancellation gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rillcast.contracts.messages import LicenseStatus, LicenseStatusRequest
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.store.nats_kv import NatsKeyValue
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


async def answers_with(answer: asyncio.Future[int]) -> int:
    try:
        return await asyncio.wait_for(answer, 60)  # noqa: TID251 - as nats-py does
    except TimeoutError:
        pytest.fail("nothing answered")


async def cancelled_together_with(task: asyncio.Task[int], answer: asyncio.Future[int]) -> None:
    """Give the answer, and cancel the task before it has seen it."""
    await asyncio.sleep(0)
    answer.set_result(7)
    task.cancel()
    async with within(5, "the end of the task"):
        await asyncio.wait([task])


async def test_a_cancellation_that_comes_with_the_answer_counts() -> None:
    answer = asyncio.get_running_loop().create_future()

    async def asks() -> int:
        with heeding():
            return await answers_with(answer)

    task = asyncio.create_task(asks())
    await cancelled_together_with(task, answer)
    assert task.cancelled()


async def test_a_time_limit_that_ends_with_the_answer_is_a_time_limit() -> None:
    answer = asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60) as scope:
            asyncio.get_running_loop().call_soon(answer.set_result, 7)
            asyncio.get_running_loop().call_soon(scope.reschedule, 0)
            with heeding():
                await answers_with(answer)


async def test_a_cancellation_before_the_block_is_no_concern_of_it() -> None:
    """A task that cleans up after it was cancelled still gets its answers."""

    async def cleans_up() -> int:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            with heeding():
                await asyncio.sleep(0)
                return 7
        return 0

    task = asyncio.create_task(cleans_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == 7


async def test_what_the_block_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="no"), heeding():
        raise ValueError("no")


class Asked:
    """A connection and a client that answer every request when the test says so."""

    connected = True
    max_payload = 1_000_000

    def __init__(self) -> None:
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.denials = self.client = self

    def __getattr__(self, name: str) -> Callable[..., object]:
        """Whoever has something to be told of is not told."""
        if name.startswith("on_"):
            return lambda _: None
        raise AttributeError(name)

    def jetstream(self, timeout: float) -> Asked:
        return self

    async def moves(self) -> bool:
        return True

    async def request(self, *_: object, **__: object) -> int:
        return await answers_with(self.answer)

    publish = get_msg = request


@pytest.mark.parametrize("what", ["request", "get", "put", "delete"])
async def test_a_loop_that_asks_the_bus_or_the_store_ends_when_it_is_cancelled(what: str) -> None:
    asked = Asked()
    bus, store = NatsBus(asked), NatsKeyValue(asked, "bucket")  # type: ignore[arg-type]

    async def asks() -> int:
        if what == "request":
            await bus.request("rc.v1.license.status", LicenseStatusRequest(), LicenseStatus)
        elif what == "put":
            await store.put("key", b"")
        else:
            await (store.get if what == "get" else store.delete)("key")
        return 0

    task = asyncio.create_task(asks())
    await asyncio.sleep(0.01)
    await cancelled_together_with(task, asked.answer)
    assert task.cancelled()
