"""Starts and ends of streams for webhooks: told once each, wherever the instance dies that tells them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from rillcast.cluster.stream_directory import LiveStream, StreamDirectory
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.hook_records import DueHook
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, stream_key
from rillcast.contracts.permissions import QUEUES
from rillcast.contracts.records import AppSettings, StreamRecord
from rillcast.runtime.ports import Entry
from rillcast.testing.kv import FakeKeyValue
from rillcast.testing.queue import FakeQueue
from services.signaling.hooks.usecases.outbox import Outbox
from services.signaling.hooks.usecases.stream_teller import StreamTeller
from tests.unit.signaling.fake_nodes import LIVE

KEY = stream_key(LIVE, StreamId("s1"))
URL = "http://192.0.2.80/hook"


class Killed(Exception):
    """The process is gone."""


class Fragile:
    """What the store is for a process that dies before or after its so many-th operation."""

    def __init__(self, inner: Any, world: World) -> None:
        self._inner = inner
        self._world = world

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def operation(*args: Any, **options: Any) -> Any:
            self._world.operations += 1
            if self._world.operations == self._world.dies_before:
                raise Killed
            result = await getattr(self._inner, name)(*args, **options)
            if self._world.operations == self._world.dies_after:
                raise Killed
            return result

        return operation


def fragile(inner: object, world: World) -> Any:
    """The store's part for a process that may die."""
    return Fragile(inner, world)


class World:
    """The store, and what every process sees of the streams."""

    def __init__(self) -> None:
        self.told, self.streams, self.queue = FakeKeyValue(), FakeKeyValue(), FakeQueue(QUEUES[0])
        self.directory = StreamDirectory(6.0)
        self.operations = 0
        self.dies_before = self.dies_after = 0
        self.broadcast: KeptBroadcast | None = None
        self.url = URL
        """Of the app."""

    def teller(self) -> StreamTeller:
        """A process that has read what the store has."""
        outbox = Outbox(fragile(self.queue, self), self, self, lambda: None)
        return StreamTeller(
            fragile(self.told, self), fragile(self.streams, self), self.directory, outbox, self, is_first=lambda: True
        )

    async def read(self, teller: StreamTeller) -> StreamTeller:
        for entry in await self.told.entries():
            teller._apply(entry)
        return teller

    def settings(self, app: AppName) -> AppSettings | None:
        return AppSettings(app_name=app, listener_hook_url=self.url)

    def get(self, app: AppName, stream: StreamId) -> KeptBroadcast | None:
        return self.broadcast

    def of_app(self, app: AppName) -> tuple[KeptBroadcast, ...]:
        return ()

    async def goes_live(self, meta_data: str = "") -> None:
        record = StreamRecord(
            meta_data=meta_data,
            app=LIVE,
            stream=StreamId("s1"),
            owner=NodeId("origin-1"),
            publisher_session=SessionId("p"),
            tracks=(),
            media_flowing=True,
        )
        revision = await self.streams.put(KEY, msgspec.json.encode(record))
        entry = await self.streams.get(KEY)
        assert entry is not None
        self.directory.apply_stream(Entry(KEY, entry.value, revision), 0.0)

    async def goes(self) -> None:
        await self.streams.delete(KEY)
        self.directory.apply_stream(Entry(KEY, None, 1_000_000), 0.0)

    async def queued(self) -> list[DueHook]:
        found, after = [], 0
        for line in await self.queue.lines():
            while (one := await self.queue.first(line, after)) is not None:
                found.append(msgspec.json.decode(one.value, type=DueHook))
                after = one.place
        return found


def live_of(world: World) -> LiveStream | None:
    return world.directory.by_key(KEY)


async def looks(teller: StreamTeller) -> bool:
    """Whether the process is still there afterwards."""
    try:
        await teller.look(KEY)
    except Killed:
        return False
    return True


@pytest.mark.parametrize("when", ["dies_before", "dies_after"])
@pytest.mark.parametrize("operation", range(1, 9))
async def test_each_event_is_told_wherever_the_process_dies(when: str, operation: int) -> None:
    world = World()
    setattr(world, when, operation)
    teller = world.teller()
    await world.goes_live()
    for step in (world.goes_live, world.goes):
        await step()
        teller.changed(KEY)
        while not await looks(teller):
            teller = await world.read(world.teller())
    assert live_of(world) is None
    hooks = await world.queued()
    assert [hook.fields["action"] for hook in hooks] == ["liveStreamStarted", "liveStreamEnded"]
    assert len({hook.id.partition(".")[0] for hook in hooks}) == 1
    assert await world.told.entries() == []


async def test_a_stream_that_nobody_is_told_of_takes_one_write_at_each_end() -> None:
    world = World()
    world.url = ""
    teller = world.teller()
    for step, left in ((world.goes_live, 1), (world.goes, 0)):
        await step()
        before = world.operations
        teller.changed(KEY)
        await teller.look(KEY)
        assert (world.operations - before, len(await world.told.entries())) == (1, left)


async def test_a_receiver_that_is_set_while_the_stream_lives_is_told_of_its_end() -> None:
    world = World()
    world.url = ""
    teller = world.teller()
    await world.goes_live()
    await teller.look(KEY)
    world.url = URL
    await world.goes()
    teller.changed(KEY)
    await teller.look(KEY)
    assert [hook.fields["action"] for hook in await world.queued()] == ["liveStreamEnded"]


async def test_a_stream_that_was_gone_for_a_moment_has_two_lives() -> None:
    world = World()
    teller = world.teller()
    await world.goes_live()
    await teller.look(KEY)
    await world.goes()
    teller.changed(KEY)
    world.directory = StreamDirectory(6.0)
    teller._live = world.directory
    await world.goes_live()
    teller.changed(KEY)
    await teller.look(KEY)
    hooks = await world.queued()
    assert [hook.fields["action"] for hook in hooks] == ["liveStreamStarted", "liveStreamEnded", "liveStreamStarted"]
    assert len({hook.id for hook in hooks}) == 3


async def test_a_process_that_has_not_heard_of_a_stream_yet_does_not_end_it() -> None:
    world = World()
    teller = world.teller()
    await world.goes_live()
    await teller.look(KEY)
    fresh = world.teller()
    fresh._live = StreamDirectory(6.0)
    await world.read(fresh)
    await fresh.look(KEY)
    assert [hook.fields["action"] for hook in await world.queued()] == ["liveStreamStarted"]


async def test_two_who_tell_at_once_have_one_mark() -> None:
    world = World()
    one, other = world.teller(), world.teller()
    await world.goes_live()
    await one.look(KEY)
    await other.look(KEY)
    await world.read(other)
    await other.look(KEY)
    assert len(await world.queued()) == 1


async def test_a_store_that_is_away_is_waited_for() -> None:
    world = World()
    teller = world.teller()
    await world.goes_live()
    world.queue.available = False
    with pytest.raises(RillcastError):
        await teller.look(KEY)
    world.queue.available = True
    await teller.look(KEY)
    assert len(await world.queued()) == 1


async def test_a_broadcast_that_is_deleted_meanwhile_is_told_where_it_was() -> None:
    world = World()
    own = "http://192.0.2.81/own"
    world.broadcast = KeptBroadcast(stream_id=StreamId("s1"), listener_hook_url=own)
    teller = world.teller()
    await world.goes_live()
    await teller.look(KEY)
    world.broadcast = None
    await world.goes()
    await teller.look(KEY)
    assert [hook.url for hook in await world.queued()] == [own, own]


async def test_the_end_is_told_with_what_the_publisher_said_last() -> None:
    world = World()
    teller = world.teller()
    for meta_data in ("first", "last"):
        await world.goes_live(meta_data)
        teller.changed(KEY)
        await teller.look(KEY)
    await world.goes()
    teller.changed(KEY)
    await teller.look(KEY)
    assert [hook.fields["metadata"] for hook in await world.queued()] == ["first", "last"]


async def test_what_was_set_for_a_broadcast_is_told_where_its_publisher_says_nothing() -> None:
    world = World()
    world.broadcast = KeptBroadcast(
        stream_id=StreamId("s1"), name="A show", category="news", meta_data='{"k":1}', main_track_stream_id="room"
    )
    teller = world.teller()
    await world.goes_live()
    await teller.look(KEY)
    world.broadcast = msgspec.structs.replace(world.broadcast, name="Another show")
    await teller.look(KEY)
    await world.goes_live("its own")
    await teller.look(KEY)
    world.broadcast = None
    await world.goes()
    await teller.look(KEY)
    told = ("streamName", "category", "mainTrackId", "roomId", "metadata")
    assert [[hook.fields[key] for key in told] for hook in await world.queued()] == [
        ["A show", "news", "room", "room", '{"k":1}'],
        ["Another show", "news", "room", "room", "its own"],
    ]
