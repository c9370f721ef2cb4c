"""Following a bucket: every entry is applied, outages are outlived, and a bug is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime import metrics
from rillcast.runtime.ports import Entry
from rillcast.runtime.store.follow import follow
from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue


class FailingWatch(FakeKeyValue):
    """Its first watches fail, or end; the next ones are good."""

    def __init__(self, *faults: Exception | None) -> None:
        super().__init__("failing")
        self._faults = list(faults)

    @asynccontextmanager
    async def watch(self, after: int = 0) -> AsyncIterator[AsyncIterator[Entry]]:
        async def broken(fault: Exception | None) -> AsyncIterator[Entry]:
            if fault is not None:
                raise fault
            return
            yield

        if self._faults:
            yield broken(self._faults.pop(0))
            return
        async with super().watch(after) as entries:
            yield entries


def following(bucket: FakeKeyValue, then: Callable[[list[Entry]], Awaitable[None]]) -> None:
    """Run `then` beside a follower, with what that has applied so far. In virtual time."""
    applied: list[Entry] = []

    async def run() -> None:
        task = asyncio.create_task(follow(bucket, applied.append, name=bucket.bucket))
        await then(applied)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


def test_present_entries_come_first_then_changes_and_deletions() -> None:
    bucket = FakeKeyValue()

    async def then(applied: list[Entry]) -> None:
        await bucket.put("a", b"1")
        await eventually(lambda: applied == [Entry("a", b"1", 1)])
        await bucket.put("a", b"2")
        await bucket.delete("a")
        await eventually(lambda: [entry.value for entry in applied] == [b"1", b"2", None])

    following(bucket, then)


def test_an_interruption_brings_the_present_entries_again() -> None:
    bucket = FakeKeyValue()

    async def then(applied: list[Entry]) -> None:
        await bucket.put("a", b"1")
        await eventually(lambda: len(applied) == 1)
        bucket.interrupt()
        await eventually(lambda: applied == 2 * [Entry("a", b"1", 1)])

    following(bucket, then)


@pytest.mark.parametrize(
    "fault", [RillcastError(ErrorCode.STORE_UNAVAILABLE, "the bus is down"), None], ids=["fails", "ends"]
)
def test_a_watch_that_fails_or_ends_is_counted_and_begun_again(fault: Exception | None) -> None:
    bucket = FailingWatch(fault, fault)
    before = metrics.KV_FOLLOW_RETRIES.labels("failing")._value.get()

    async def then(applied: list[Entry]) -> None:
        await bucket.put("a", b"1")
        await eventually(lambda: applied == [Entry("a", b"1", 1)])

    following(bucket, then)
    assert metrics.KV_FOLLOW_RETRIES.labels("failing")._value.get() == before + 2


def test_a_bug_in_what_applies_ends_the_follower() -> None:
    bucket = FakeKeyValue()

    def apply(entry: Entry) -> None:
        raise ZeroDivisionError(entry.key)

    async def run() -> None:
        await bucket.put("a", b"1")
        await follow(bucket, apply, name="fake")

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner, pytest.raises(ZeroDivisionError):
        runner.run(run())
