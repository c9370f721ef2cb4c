"""A loop of virtual time ends, also when what it waits for does not come."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from rillcast.testing.clock import TURNS_TO_CLOSE, EndlessLoop, VirtualTimeLoop


class Interruption(BaseException):
    """As a test runner's timer raises it, wherever the program is."""


def a_loop() -> VirtualTimeLoop:
    return VirtualTimeLoop(max_turns=100)


async def tick() -> None:
    while True:
        await asyncio.sleep(1)


async def never() -> None:
    ticking = asyncio.create_task(tick())
    await asyncio.get_running_loop().create_future()
    ticking.cancel()


def test_what_is_waited_for_in_vain_ends_the_loop() -> None:
    with asyncio.Runner(loop_factory=a_loop) as runner, pytest.raises(EndlessLoop, match="by its clock"):
        runner.run(never())


def test_so_does_an_interruption_that_hit_a_callback() -> None:
    async def lost() -> None:
        done = asyncio.get_running_loop().create_future()

        def interrupted() -> None:
            raise Interruption  # before it could set a result

        ticking = asyncio.create_task(tick())
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _seen: None)
        asyncio.get_running_loop().call_later(1, interrupted)
        await done
        ticking.cancel()

    with asyncio.Runner(loop_factory=a_loop) as runner, pytest.raises(EndlessLoop):
        runner.run(lost())


def test_closing_it_ends_also_when_tasks_refuse_to_be_cancelled() -> None:
    async def stubborn() -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def main() -> None:
        asyncio.create_task(stubborn())  # noqa: RUF006
        await asyncio.sleep(1)

    runner = asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(max_turns=TURNS_TO_CLOSE))
    runner.run(main())
    with pytest.raises(EndlessLoop):
        runner.close()


def test_a_loop_has_its_turns_for_itself() -> None:
    for _ in range(3):
        with asyncio.Runner(loop_factory=a_loop) as runner:
            runner.run(asyncio.sleep(60))
