"""Waiting for streams, hearing of changes, surviving the store's absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from rillcast.cluster.stream_directory import LOST_S
from rillcast.cluster.stream_watch import UNCONFIRMED_S, StreamWatch
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, stream_key
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.subjects import STREAM_LEASE_S
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import within
from rillcast.testing.kv import FakeKeyValue

APP, STREAM = AppName("live"), StreamId("s1")
KEY = stream_key(APP, STREAM)
RECORD = msgspec.json.encode(
    StreamRecord(app=APP, stream=STREAM, owner=NodeId("o"), publisher_session=SessionId("p"), tracks=())
)


class Fixture:
    def __init__(self, *, confirms: bool = False) -> None:
        self.clock = FakeClock()
        self.bus = FakeBus()
        self.streams = FakeKeyValue("streams", None, self.clock)
        self.watch = StreamWatch(self.streams, FakeKeyValue("renditions"), self.bus, self.clock, confirms=confirms)


@asynccontextmanager
async def watching(*, confirms: bool = False) -> AsyncIterator[Fixture]:
    fixture = Fixture(confirms=confirms)
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
        async with within(5, "the stream being heard of"):
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


async def test_nothing_expires_while_the_store_is_not_heard_nor_within_a_lease_after_it() -> None:
    """The server that fed the watch has died, and the bus is as before: the owner writes, and nobody here sees it."""
    async with watching() as fixture:
        await fixture.streams.put(KEY, RECORD)
        assert await fixture.watch.wait_for(APP, STREAM, 5.0) is not None
        look_later(fixture, STREAM_LEASE_S / 2)

        fixture.streams.heard = 0
        look_later(fixture, 3 * STREAM_LEASE_S)
        assert fixture.watch.get(APP, STREAM) is not None

        fixture.streams.heard = 2
        look_later(fixture, 0.0)
        look_later(fixture, STREAM_LEASE_S - 0.1)
        assert fixture.watch.get(APP, STREAM) is not None

        look_later(fixture, 0.2)
        assert fixture.watch.get(APP, STREAM) is None, "nobody writes it any more"


async def test_without_a_leader_of_the_store_nobody_knows_what_is_not_live_nor_what_became_of_a_stream() -> None:
    """A part of a store that is cut in two goes on feeding the watch, and has nothing to tell."""
    async with watching(confirms=True) as fixture:
        await fixture.streams.put(KEY, RECORD)
        assert await fixture.watch.wait_for(APP, STREAM, 5.0) is not None
        await fixture.watch.confirm()
        assert fixture.watch.certain
        look_later(fixture, UNCONFIRMED_S / 2)

        fixture.streams.available = False
        await fixture.watch.confirm()
        assert fixture.watch.certain, "one answer may be late"
        look_later(fixture, UNCONFIRMED_S / 2)
        assert not fixture.watch.certain
        for _ in range(10):
            look_later(fixture, LOST_S / 2)
        assert fixture.watch.get(APP, STREAM) is None
        assert fixture.watch.directory.has_lost_owner(KEY, fixture.clock())

        fixture.streams.available = True
        for _ in range(2):
            await fixture.watch.confirm()
            assert fixture.watch.certain
            assert fixture.watch.directory.has_lost_owner(KEY, fixture.clock()), "its owner has time to write again"
            look_later(fixture, LOST_S / 2)
        assert not fixture.watch.directory.has_lost_owner(KEY, fixture.clock())


async def test_what_is_not_heard_is_not_certain() -> None:
    async with watching() as fixture:
        assert fixture.watch.certain
        fixture.streams.heard = 0
        assert not fixture.watch.certain


def look_later(fixture: Fixture, later_s: float) -> None:
    """The clock goes on, and the watch looks for what has expired."""
    fixture.clock.advance(later_s)
    fixture.watch.look()
