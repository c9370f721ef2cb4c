"""Two instances write one key: both show what was written last, in whichever order each of them hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.contracts.server_records import SETTINGS_KEY, ServerRecord
from rillcast.runtime.ports import Entry
from rillcast.testing.eventually import eventually, within
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.app_store import AppStore
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
