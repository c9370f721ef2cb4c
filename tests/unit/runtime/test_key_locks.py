"""One thing at a time per key."""

from __future__ import annotations

import asyncio

from rillcast.runtime.tasks.key_locks import KeyLocks


async def test_the_same_key_waits_another_does_not_and_nothing_is_left() -> None:
    locks, inside, most = KeyLocks(), {"a": 0, "b": 0}, {"a": 0, "b": 0}
    go_on = asyncio.Event()

    async def work(key: str) -> None:
        async with locks.hold(key):
            inside[key] += 1
            most[key] = max(most[key], inside[key])
            await go_on.wait()
            inside[key] -= 1

    tasks = [asyncio.create_task(work(key)) for key in "aaab"]
    await asyncio.sleep(0)
    assert inside == {"a": 1, "b": 1}
    tasks[1].cancel()  # one that waits gives up
    go_on.set()
    await asyncio.wait(tasks)

    assert most == {"a": 1, "b": 1}
    assert len(locks) == 0
