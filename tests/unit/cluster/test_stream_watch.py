"""Waiting for streams, hearing of changes, surviving the store's absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, stream_key
from rillcast.contracts.records import StreamRecord
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.kv import FakeKeyValue

APP, STREAM = AppName("live"), StreamId("s1")
KEY = stream_key(APP, STREAM)
RECORD = msgspec.json.encode(
    StreamRecord(app=APP, stream=STREAM, owner=NodeId("o"), publisher_session=SessionId("p"), tracks=())
)


class Fixture:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.bus = FakeBus()
        self.streams = FakeKeyValue("streams", None, self.clock)
        self.watch = StreamWatch(self.streams, FakeKeyValue("renditions"), self.bus, self.clock)


@asynccontextmanager
async def watching() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    task = asyncio.create_task(fixture.watch.run())
    try:
        yield fixture
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_a_stream_that_appears_wakes_everybody_who_waits_for_it() -> None:
    async with watching() as fixture:
        waiting = [asyncio.create_task(fixture.watch.wait_for(APP, STREAM, 5.0)) for _ in range(100)]
        await asyncio.sleep(0)

        await fixture.streams.put(KEY, RECORD)

        assert all(live is not None for live in await asyncio.gather(*waiting))
        assert fixture.watch._waiting == {}


async def test_waiting_ends_with_nothing_when_the_time_is_over() -> None:
    async with watching() as fixture:
        assert await fixture.watch.wait_for(APP, STREAM, 0.01) is None
        assert fixture.watch._waiting == {}


async def test_listeners_hear_of_appearance_and_end() -> None:
    async with watching() as fixture:
        heard: asyncio.Queue[str] = asyncio.Queue()
        fixture.watch.on_change(heard.put_nowait)

        await fixture.streams.put(KEY, RECORD)
        async with asyncio.timeout(5):
            assert await heard.get() == KEY
            await fixture.streams.delete(KEY)
            assert await heard.get() == KEY
        assert fixture.watch.get(APP, STREAM) is None


async def test_what_is_known_stays_known_while_the_bus_is_down() -> None:
    async with watching() as fixture:
        await fixture.streams.put(KEY, RECORD)
        assert await fixture.watch.wait_for(APP, STREAM, 5.0) is not None
        fixture.bus.connected = False
        fixture.watch.directory.expire(fixture.clock(), hearing=0)

        fixture.clock.advance(1_000)
        fixture.watch.directory.expire(fixture.clock(), hearing=fixture.bus.hearing)

        assert fixture.watch.get(APP, STREAM) is not None
