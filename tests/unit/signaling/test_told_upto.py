"""Two instances write one key: both show what was written last, in whichever order each of them hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from rillcast.apps.patch import Patch
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.server_records import SETTINGS_KEY, NodeNote, ServerRecord, note_key
from rillcast.runtime.ports import Entry
from rillcast.testing.eventually import eventually, within
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.core.usecases.server_store import ServerStore

APP = AppName("live")


class LateAnswers(FakeKeyValue):
    """Takes a write at once, and tells its writer so when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def create(self, key: str, value: bytes) -> int | None:
        revision = await super().create(key, value)
        await self.gate.wait()
        return revision

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        written = await super().update(key, value, revision)
        await self.gate.wait()
        return written

    async def delete(self, key: str, revision: int | None = None) -> int | None:
        deleted = await super().delete(key, revision)
        await self.gate.wait()
        return deleted


class TellsLate(FakeKeyValue):
    """Tells nothing before the gate is open, and then looks each time at what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.following, self.gate = asyncio.Event(), asyncio.Event()
        self.each: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def watch(self, after: int = 0) -> AsyncIterator[AsyncIterator[Entry]]:
        async with super().watch(after) as entries:

            async def late() -> AsyncIterator[Entry]:
                self.following.set()
                async for entry in entries:
                    await self.gate.wait()
                    yield entry
                    self.each()

            yield late()


@asynccontextmanager
async def beside(*running: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one) for one in running]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_settings_of_the_servers_that_somebody_wrote_later_stay() -> None:
    bucket = LateAnswers()
    store = ServerStore(bucket)
    async with beside(store.run()), within(5.0, "both changes"):
        changing = asyncio.create_task(store.change(lambda record: ServerRecord(server_name="mine")))
        await eventually(lambda: store.record.server_name == "mine")
        await bucket.put(SETTINGS_KEY, msgspec.json.encode(ServerRecord(server_name="theirs")))
        await eventually(lambda: store.record.server_name == "theirs")
        bucket.gate.set()
        await changing
        assert store.record.server_name == "theirs"


async def test_settings_of_an_app_that_somebody_wrote_later_stay() -> None:
    bucket, catalog = LateAnswers(), AppCatalog([APP], {})
    store = AppStore(bucket, catalog)
    patch: Patch[AppSettings] = Patch.parse(b'{"webRTCViewerLimit":1}')

    def limit() -> int:
        settings = catalog.settings(APP)
        assert settings is not None
        return settings.web_rtc_viewer_limit

    async with beside(store.run()), within(5.0, "both changes"):
        changing = asyncio.create_task(store.change(APP, patch))
        await eventually(lambda: limit() == 1)
        theirs = AppSettings(app_name=APP, web_rtc_viewer_limit=2)
        await bucket.put(APP, msgspec.json.encode(theirs))
        await eventually(lambda: limit() == 2)
        bucket.gate.set()
        await changing
        assert limit() == 2


@pytest.mark.parametrize("from_the_start", [False, True])
async def test_an_app_that_somebody_made_after_it_was_deleted_here_stays(from_the_start: bool) -> None:
    bucket, catalog = LateAnswers(), AppCatalog([APP] if from_the_start else [], {})
    store = AppStore(bucket, catalog)
    await bucket.put(APP, msgspec.json.encode(AppSettings(app_name=APP, web_rtc_viewer_limit=1)))
    async with beside(store.run()), within(5.0, "the deletion"):
        await eventually(lambda: catalog.settings(APP) is not None)
        deleting = asyncio.create_task(store.delete(APP))
        await eventually(lambda: catalog.settings(APP) is None)
        theirs = AppSettings(app_name=APP, web_rtc_viewer_limit=2)
        await bucket.put(APP, msgspec.json.encode(theirs))
        await eventually(lambda: catalog.settings(APP) == theirs)
        bucket.gate.set()
        assert await deleting
        assert catalog.settings(APP) == theirs


async def test_a_note_that_somebody_wrote_after_it_was_deleted_here_stays() -> None:
    bucket, node = LateAnswers(), NodeId("edge-1")
    store = ServerStore(bucket)
    await bucket.put(note_key(node), msgspec.json.encode(NodeNote(text="old")))
    async with beside(store.run()), within(5.0, "the deletion"):
        await eventually(lambda: store.note(node) == "old")
        deleting = asyncio.create_task(store.write_note(node, "", [node]))
        await eventually(lambda: store.note(node) == "")
        await bucket.put(note_key(node), msgspec.json.encode(NodeNote(text="theirs")))
        await eventually(lambda: store.note(node) == "theirs")
        bucket.gate.set()
        await deleting
        assert store.note(node) == "theirs"


async def test_a_broadcast_that_is_deleted_here_does_not_come_back_when_an_earlier_change_is_told() -> None:
    bucket, catalog, stream = TellsLate(), BroadcastCatalog(), StreamId("s1")
    store, shown = BroadcastStore(bucket, catalog), list[bool]()
    async with beside(store.run()), within(5.0, "all that was written"):
        await bucket.following.wait()
        await store.create(APP, stream, Patch({}))
        assert await store.delete(APP, stream)
        assert catalog.get(APP, stream) is None
        bucket.each = lambda: shown.append(catalog.get(APP, stream) is not None)
        bucket.gate.set()
        await bucket.put("live/last", b'{"streamId":"last"}')
        await eventually(lambda: catalog.get(APP, StreamId("last")) is not None)
    assert len(shown) == 3 and not any(shown)


def test_an_earlier_write_of_somebody_else_does_not_come_after_an_own_one() -> None:
    seen: list[bytes | None] = []
    entries = ToldUpto(lambda entry: seen.append(entry.value))
    entries.own(Entry("a", None, 5))
    entries.own(Entry("b", b"mine", 6))
    entries.told(Entry("a", b"before", 3))
    entries.told(Entry("c", b"other", 4))
    entries.own(Entry("a", b"too late", 4))
    assert seen == [None, b"mine", b"other"]
    entries.told(Entry("b", b"mine", 6))
    assert len(entries) == 0
    entries.told(Entry("a", b"later", 7))
    assert seen == [None, b"mine", b"other", b"mine", b"later"]


def test_an_own_write_counts_until_the_bucket_has_told_one_that_is_later() -> None:
    seen: list[bytes | None] = []
    entries = ToldUpto(lambda entry: seen.append(entry.value))
    entries.own(None)
    entries.own(Entry("a", b"mine", 1))
    entries.told(Entry("a", b"mine", 1))
    entries.told(Entry("a", b"theirs", 3))
    entries.own(Entry("a", b"late", 2))
    entries.own(Entry("b", b"mine too", 4))
    assert seen == [b"mine", b"mine", b"theirs", b"mine too"]
