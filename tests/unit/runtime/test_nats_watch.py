"""Reading a bucket message by message: what counts as a gap, as silence, as the end, and what is told after each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from prometheus_client import REGISTRY

from rillcast.runtime.ports import Entry
from rillcast.runtime.store.nats_watch import Feed, entry_of
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import eventually, within

DELETED = {"KV-Operation": "DEL"}


@dataclass
class Inbox:
    """One consumer of the feed, and the subscription that it delivers to."""

    subject: str
    config: api.ConsumerConfig
    put: Callable[[Msg], Awaitable[None]]
    gone: list[str] = field(default_factory=list)
    sent: int = 0

    async def send(
        self, key: str, value: bytes = b"v", headers: dict[str, str] | None = None, *, pending: int = 0, skip: int = 0
    ) -> None:
        """Deliver a message, after as many as are skipped."""
        self.sent += 1 + skip
        sequence = SimpleNamespace(consumer=self.sent, stream=100 + self.sent)
        metadata = SimpleNamespace(sequence=sequence, num_pending=pending)
        await self.put(
            cast("Msg", SimpleNamespace(subject=PREFIX + key, data=value, headers=headers, metadata=metadata))
        )

    async def beat(self, last: int | None = None) -> None:
        """An idle heartbeat, which names the last message that was sent."""
        headers = {"Status": "100", "Nats-Last-Consumer": str(self.sent if last is None else last)}
        await self.put(cast("Msg", SimpleNamespace(headers=headers)))


PREFIX = "$KV.b."


class FakeStore:
    """Under a bucket whose consumers tests speak for."""

    def __init__(self, present: int = 0) -> None:
        self.name, self.label = "KV_b", "b"
        self.present = present
        self.connected = True
        self.refusals: list[Exception] = []
        self.inboxes: list[Inbox] = []
        self.ensured = 0
        self._put: Callable[[Msg], Awaitable[None]] | None = None

    @property
    def client(self) -> Client:
        return cast("Client", SimpleNamespace(new_inbox=lambda: f"in.{len(self.inboxes)}", subscribe=self._subscribe))

    def jetstream(self) -> JetStreamContext:
        return cast("JetStreamContext", SimpleNamespace(add_consumer=self._add, delete_consumer=self._delete))

    async def ensure(self) -> None:
        self.ensured += 1
        if self.refusals:
            raise self.refusals.pop(0)

    async def _subscribe(self, subject: str, cb: Callable[[Msg], Awaitable[None]]) -> Any:
        self._put = cb

        async def unsubscribe() -> None:
            self.inboxes[-1].gone.append("subscription")

        return SimpleNamespace(unsubscribe=unsubscribe)

    async def _add(self, stream: str, config: api.ConsumerConfig) -> Any:
        assert stream == self.name
        assert self._put is not None
        self.inboxes.append(Inbox(str(config.deliver_subject), config, self._put))
        return SimpleNamespace(name=f"c{len(self.inboxes)}", num_pending=self.present, delivered=None)

    async def _delete(self, stream: str, name: str) -> None:
        self.inboxes[-1].gone.append(name)


@asynccontextmanager
async def followed(store: FakeStore) -> AsyncIterator[tuple[Feed, list[Entry]]]:
    """A feed whose entries are collected, with its first consumer."""
    feed, seen = Feed(store, PREFIX), list[Entry]()

    async def follow() -> None:
        async for entry in feed.entries():
            seen.append(entry)

    task = asyncio.create_task(follow())
    await eventually(lambda: store.inboxes)
    try:
        yield feed, seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def restarts() -> float:
    return REGISTRY.get_sample_value("rillcast_kv_watch_restarts_total", {"bucket": "b"}) or 0.0


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (None, b"v"),
        ({}, b"v"),
        ({"KV-Operation": "PUT"}, b"v"),
        (DELETED, None),
        ({"KV-Operation": "PURGE"}, None),
        ({"Nats-Marker-Reason": "MaxAge"}, None),
    ],
)
def test_a_marker_of_deletion_has_no_value(headers: dict[str, str] | None, value: bytes | None) -> None:
    assert entry_of("k", b"v", headers, 7) == Entry(key="k", value=value, revision=7)


async def test_changes_come_with_their_keys_and_revisions() -> None:
    store = FakeStore()
    async with followed(store) as (_, seen):
        await store.inboxes[0].send("a/b", b"1")
        await store.inboxes[0].send("c", b"", DELETED)
        await eventually(lambda: len(seen) == 2)
        assert seen == [Entry("a/b", b"1", 101), Entry("c", None, 102)]
        assert store.inboxes[0].config.filter_subject == "$KV.b.>"


async def test_what_was_deleted_before_it_began_is_not_told_the_first_time() -> None:
    store = FakeStore(present=3)
    async with followed(store) as (_, seen):
        await store.inboxes[0].send("old", b"", DELETED, pending=2)
        await store.inboxes[0].send("older", b"", DELETED, pending=1)
        await store.inboxes[0].send("here", b"1", pending=0)
        await store.inboxes[0].send("now", b"", DELETED)
        await eventually(lambda: len(seen) == 2)
        assert [entry.key for entry in seen] == ["here", "now"]


async def test_after_a_gap_it_starts_over_and_tells_what_was_deleted() -> None:
    store, before = FakeStore(present=1), restarts()
    async with followed(store) as (_, seen):
        await store.inboxes[0].send("a")
        await store.inboxes[0].send("lost", skip=1)
        await eventually(lambda: len(store.inboxes) == 2)
        assert store.inboxes[0].gone == ["subscription", "c1"]
        assert store.inboxes[1].subject != store.inboxes[0].subject
        await store.inboxes[1].send("a", b"", DELETED, pending=0)
        await eventually(lambda: len(seen) == 2)
        assert seen[-1].value is None
    assert restarts() == before + 1


async def test_a_heartbeat_that_names_another_message_than_the_last_is_a_gap() -> None:
    store = FakeStore()
    async with followed(store):
        await store.inboxes[0].send("a")
        await store.inboxes[0].beat()
        await store.inboxes[0].send("b")
        await asyncio.sleep(1.0)
        assert len(store.inboxes) == 1
        await store.inboxes[0].beat(last=3)
        await eventually(lambda: len(store.inboxes) == 2)


async def test_silence_begins_another_consumer_and_heartbeats_are_none() -> None:
    store = FakeStore()
    async with followed(store) as (feed, _):
        for _ in range(5):
            await asyncio.sleep(5.9)
            assert not feed.heard, "nothing came for more than a heartbeat and a half"
            await store.inboxes[0].beat()
            await asyncio.sleep(0)
            await eventually(lambda: feed.heard)
        assert len(store.inboxes) == 1
        await asyncio.sleep(6.1)
        await eventually(lambda: len(store.inboxes) == 2)


async def test_each_span_in_which_it_hears_has_another_number() -> None:
    store = FakeStore()
    async with followed(store) as (feed, _):
        first = feed.heard
        await asyncio.sleep(2.0)
        assert feed.heard == first != 0
        await asyncio.sleep(1.5)
        assert not feed.heard
        await store.inboxes[0].beat()
        await eventually(lambda: feed.heard)
        assert feed.heard != first


async def test_a_restart_reads_all_anew_though_nothing_was_lost() -> None:
    store = FakeStore()
    async with followed(store) as (feed, seen):
        await store.inboxes[0].send("a")
        await eventually(lambda: seen)
        feed.restart()
        await eventually(lambda: len(store.inboxes) == 2)
        await store.inboxes[1].send("a")
        await eventually(lambda: len(seen) == 2)


async def test_after_a_restart_nothing_that_waits_of_the_former_consumer_is_told() -> None:
    store = FakeStore()
    async with followed(store) as (feed, seen):
        await store.inboxes[0].send("first")
        await eventually(lambda: seen)
        await store.inboxes[0].send("under way")
        await store.inboxes[0].send("stale")
        feed.restart()
        await eventually(lambda: len(store.inboxes) == 2)
        await store.inboxes[1].send("fresh")
        await eventually(lambda: seen[-1].key == "fresh")
        assert "stale" not in [entry.key for entry in seen]


@pytest.mark.parametrize("fault", [nats.errors.Error(), OSError(), TimeoutError()])
async def test_a_watch_that_cannot_start_is_tried_again(fault: Exception) -> None:
    store = FakeStore()
    store.refusals = [fault, fault]
    async with within(5.0, "a consumer"), followed(store):
        assert store.ensured == 3


async def test_without_a_connection_nothing_is_asked() -> None:
    store = FakeStore()
    store.connected = False
    asyncio.get_running_loop().call_later(3.0, setattr, store, "connected", True)
    async with followed(store):
        assert store.ensured == 1
        assert asyncio.get_running_loop().time() >= 3.0


async def test_a_snapshot_ends_with_the_last_entry_that_was_there() -> None:
    store = FakeStore(present=3)
    reading = asyncio.create_task(Feed(store, PREFIX).snapshot(1.0))
    await eventually(lambda: store.inboxes)
    inbox = store.inboxes[0]
    await inbox.send("a", b"1", pending=2)
    await inbox.send("b", b"", DELETED, pending=1)
    await asyncio.sleep(0.5)
    assert not reading.done()
    await inbox.send("a", b"2", pending=0)
    assert await reading == {"a": Entry("a", b"2", 103), "b": Entry("b", None, 102)}


async def test_a_snapshot_of_an_empty_store_waits_for_nothing() -> None:
    store = FakeStore(present=0)
    assert await Feed(store, PREFIX).snapshot(1.0) == {}


async def test_a_snapshot_ends_when_the_server_is_idle_since_the_rest_has_expired() -> None:
    store = FakeStore(present=2)
    reading = asyncio.create_task(Feed(store, PREFIX).snapshot(1.0))
    await eventually(lambda: store.inboxes)
    await store.inboxes[0].send("a", pending=1)
    await store.inboxes[0].beat()
    assert list(await reading) == ["a"]


@pytest.mark.parametrize("how", ["silence", "gap", "heartbeat"])
async def test_a_snapshot_that_is_not_whole_is_none(how: str) -> None:
    store = FakeStore(present=3)
    reading = asyncio.create_task(Feed(store, PREFIX).snapshot(1.0))
    await eventually(lambda: store.inboxes)
    await store.inboxes[0].send("a", pending=2)
    if how == "gap":
        await store.inboxes[0].send("c", pending=0, skip=1)
    if how == "heartbeat":
        await store.inboxes[0].beat(last=2)
    with pytest.raises(TimeoutError, match="fell silent"):
        await reading


async def test_who_stops_gives_back_what_it_had_and_hears_nothing() -> None:
    store = FakeStore(present=0)
    feed = Feed(store, PREFIX)
    await feed.snapshot(1.0)
    assert feed.heard
    await feed.stop()
    assert not feed.heard
    assert store.inboxes[0].gone == ["subscription", "c1"]
    await feed.stop()
    assert store.inboxes[0].gone == ["subscription", "c1"]


async def test_without_a_connection_nothing_is_given_back() -> None:
    store = FakeStore(present=0)
    feed = Feed(store, PREFIX)
    await feed.snapshot(1.0)
    store.connected = False
    await feed.stop()
    assert store.inboxes[0].gone == []


class DeafBucket(FakeStore):
    """Takes a moment for each question, and swallows a cancellation that comes then, as nats-py on Python 3.11."""

    def __init__(self, deaf: str) -> None:
        super().__init__()
        self.deaf = deaf
        self.asked = asyncio.Event()

    async def ensure(self) -> None:
        await self._answer("is it there")
        await super().ensure()

    async def _add(self, stream: str, config: api.ConsumerConfig) -> Any:
        await self._answer("make a consumer")
        return await super()._add(stream, config)

    async def _delete(self, stream: str, name: str) -> None:
        await self._answer("give it back")
        await super()._delete(stream, name)

    async def _answer(self, question: str) -> None:
        if question == self.deaf:
            self.asked.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)


@pytest.mark.parametrize("deaf", ["is it there", "make a consumer", "give it back"])
async def test_a_follower_in_a_group_ends_with_it_whenever_that_is(deaf: str) -> None:
    """A group cancels its tasks once only, however often it is cancelled itself."""
    store = DeafBucket(deaf)
    feed = Feed(store, PREFIX)

    async def follow() -> None:
        async for _ in feed.entries():
            pass

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(follow())

    running = asyncio.create_task(run())
    if deaf == "give it back":
        await eventually(lambda: store.inboxes)
        feed.restart()
    await store.asked.wait()
    async with within(5, "the end of the group"):
        await cancelled(running)
