"""Telling those who wait for a stream, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import StreamId, stream_key
from rillcast.node.background import BackgroundTasks
from rillcast.testing.clock import VirtualTimeLoop
from services.signaling.websocket.domain.waiting_list import WaitingList
from services.signaling.websocket.usecases.waiting_room import WaitingRoom
from tests.unit.signaling.talk import LIVE, STREAM, Known

KEY = stream_key(LIVE, STREAM)


class Site:
    """A thousand sockets that wait for one stream."""

    def __init__(self, waiters: int = 1_000) -> None:
        self.live: LiveStream | None = None
        self.told: list[int] = []
        self.tasks = BackgroundTasks()
        waiting = WaitingList(most=10_000, rate_per_s=500.0, longest_s=20.0, rng=random.Random(1))
        self.room = WaitingRoom(waiting, lambda key: self.live, self.tasks)
        for number in range(waiters):
            self.room.enter(number, partial(self.tell, number))
            self.room.wait(number, LIVE, STREAM)

    def tell(self, number: int, stream: StreamId) -> None:
        self.told.append(number)

    def goes_live(self) -> None:
        self.live = cast(LiveStream, Known().directory.get(LIVE, STREAM))
        self.room.changed(KEY)

    def everybody_leaves(self) -> None:
        for number in range(1_000):
            self.room.stop(number, LIVE, STREAM)
            self.room.leave(number)


def passes(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work())


def test_all_are_told_in_the_order_in_which_they_came() -> None:
    async def check() -> None:
        site = Site()
        site.goes_live()
        await site.tasks.settle()

        assert site.told == list(range(1_000))
        assert 1.9 <= asyncio.get_running_loop().time() <= 2.1

    passes(check)


def test_a_stream_that_ends_while_they_are_told_is_waited_for_by_the_rest() -> None:
    async def check() -> None:
        site = Site()
        site.goes_live()
        await asyncio.sleep(1.0)
        site.live = None
        await site.tasks.settle()
        half = len(site.told)
        site.goes_live()
        await site.tasks.settle()

        assert 450 <= half <= 550
        assert site.told == list(range(1_000))

    passes(check)


def test_nobody_is_waited_for_who_has_left() -> None:
    async def check() -> None:
        site = Site()
        site.goes_live()
        await asyncio.sleep(0.5)
        site.everybody_leaves()
        await site.tasks.settle()

        assert asyncio.get_running_loop().time() < 0.6

    passes(check)
