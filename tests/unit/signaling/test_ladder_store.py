"""What transcoders may know of apps' settings: it follows them, holds no secret, and outlives the store's absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings, LadderRung, LadderSettings
from rillcast.runtime.ports import Entry
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.usecases import ladder_store as ladder_store_module
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.core.usecases.ladder_store import LadderStore

LIVE, SHOW = AppName("live"), AppName("show")
RUNG = LadderRung(height=360, video_bitrate=800_000)
SECRET = "s" * 40


class Setting:
    """The buckets of apps and ladders, and a signaling instance that keeps the second like the first."""

    def __init__(self) -> None:
        self.apps, self.ladders = FakeKeyValue("apps"), FakeKeyValue("ladders")
        self.catalog = AppCatalog([LIVE], {})
        self.store = LadderStore(self.ladders, self.catalog)
        self.app_store = AppStore(self.apps, self.catalog, self.store.changed)

    async def set(self, settings: AppSettings) -> None:
        await self.apps.put(settings.app_name, msgspec.json.encode(settings))

    async def becomes(self, app: AppName, ladder: LadderSettings | None) -> None:
        async def there() -> bool:
            entry = await self.ladders.get(app)
            return (entry and msgspec.json.decode(entry.value or b"", type=LadderSettings)) == ladder

        await eventually(there, what=f"the ladder of {app}")


@asynccontextmanager
async def running(setting: Setting) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in (setting.store.run(), setting.app_store.run())]
    try:
        yield
    finally:
        for task in tasks:
            await cancelled(task)


async def test_every_app_has_its_ladder_there_and_no_secret() -> None:
    setting = Setting()
    async with running(setting):
        await setting.becomes(LIVE, LadderSettings(app_name=LIVE))
        await setting.set(AppSettings(app_name=SHOW, encoder_settings=(RUNG,), play_token_secret=SECRET))
        await setting.becomes(SHOW, LadderSettings(app_name=SHOW, encoder_settings=(RUNG,)))
    assert SECRET.encode() not in b"".join(value or b"" for _, value in setting.ladders.writes)


async def test_a_change_that_concerns_no_ladder_writes_nothing() -> None:
    setting = Setting()
    async with running(setting):
        await setting.set(AppSettings(app_name=LIVE, encoder_settings=(RUNG,)))
        await setting.becomes(LIVE, LadderSettings(app_name=LIVE, encoder_settings=(RUNG,)))
        before = list(setting.ladders.writes)
        await setting.set(AppSettings(app_name=LIVE, encoder_settings=(RUNG,), play_token_secret=SECRET))
        await setting.set(AppSettings(app_name=SHOW, vp8_enabled=True))
        await setting.becomes(SHOW, LadderSettings(app_name=SHOW, vp8_enabled=True))
        assert [key for key, _ in setting.ladders.writes[len(before) :]] == [SHOW]


async def test_an_app_that_is_gone_has_no_ladder() -> None:
    setting = Setting()
    async with running(setting):
        await setting.set(AppSettings(app_name=SHOW, vp8_enabled=True))
        await setting.becomes(SHOW, LadderSettings(app_name=SHOW, vp8_enabled=True))
        await setting.apps.delete(SHOW)
        await setting.becomes(SHOW, None)


async def test_changes_outlive_the_absence_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder_store_module, "FIRST_PAUSE_S", 0.01)
    setting = Setting()
    setting.ladders.available = False
    async with running(setting):
        await setting.set(AppSettings(app_name=LIVE, vp8_enabled=True))
        await eventually(lambda: bool(setting.store._due), what="the change being due")
        setting.ladders.available = True
        await setting.becomes(LIVE, LadderSettings(app_name=LIVE, vp8_enabled=True))
        await eventually(lambda: not setting.store._due, what="nothing being due")


async def test_what_the_store_lost_or_was_told_by_a_slower_instance_is_put_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ladder_store_module, "LOOK_EVERY_S", 0.05)
    setting = Setting()
    async with running(setting):
        await setting.set(AppSettings(app_name=SHOW, vp8_enabled=True))
        await setting.becomes(SHOW, LadderSettings(app_name=SHOW, vp8_enabled=True))
        await setting.ladders.put(SHOW, msgspec.json.encode(LadderSettings(app_name=SHOW)))
        await setting.becomes(SHOW, LadderSettings(app_name=SHOW, vp8_enabled=True))
        setting.ladders.lose_state()
        await setting.becomes(SHOW, LadderSettings(app_name=SHOW, vp8_enabled=True))
        await setting.becomes(LIVE, LadderSettings(app_name=LIVE))


async def test_the_same_ladder_in_the_words_of_another_version_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder_store_module, "LOOK_EVERY_S", 0.02)

    class Watched(FakeKeyValue):
        looked = 0

        async def get(self, key: str) -> Entry | None:
            self.looked += 1
            return await super().get(key)

    setting = Setting()
    ladder = msgspec.json.decode(msgspec.json.encode(LadderSettings(app_name=LIVE)))
    setting.ladders = watched = Watched("ladders")
    await watched.put(LIVE, msgspec.json.encode({**ladder, "a_field_of_the_future": 1}))
    setting.store = LadderStore(watched, setting.catalog)
    async with running(setting):
        await eventually(lambda: watched.looked >= 3, what="some looks")
    assert len(watched.writes) == 1


async def test_a_write_says_what_is_known_by_then() -> None:
    """Another instance may write better meanwhile, and this one, which has asked before, writes over that."""
    setting = Setting()
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(FakeKeyValue):
        async def get(self, key: str) -> Entry | None:
            asked.set()
            await go_on.wait()
            return await super().get(key)

    setting.ladders = slow = Slow("ladders")
    setting.store = LadderStore(slow, setting.catalog)
    task = asyncio.create_task(setting.store.run())
    await asked.wait()
    assert setting.catalog.apply(Entry(LIVE, msgspec.json.encode(AppSettings(app_name=LIVE, vp8_enabled=True)), 1))
    go_on.set()
    await eventually(lambda: bool(slow.writes), what="the ladder being written")
    await cancelled(task)
    assert msgspec.json.decode(slow.writes[0][1] or b"", type=LadderSettings).vp8_enabled


async def test_a_change_during_a_write_is_written_as_well() -> None:
    setting = Setting()
    asked = asyncio.Event()
    go_on = asyncio.Event()

    class Slow(FakeKeyValue):
        async def create(self, key: str, value: bytes) -> int | None:
            asked.set()
            await go_on.wait()
            return await super().create(key, value)

    setting.ladders = Slow("ladders")
    setting.store = LadderStore(setting.ladders, setting.catalog)
    setting.app_store = AppStore(setting.apps, setting.catalog, setting.store.changed)
    async with running(setting):
        await asked.wait()
        value = msgspec.json.encode(AppSettings(app_name=LIVE, vp8_enabled=True))
        assert setting.catalog.apply(Entry(LIVE, value, 1))
        setting.store.changed(LIVE)
        go_on.set()
        await setting.becomes(LIVE, LadderSettings(app_name=LIVE, vp8_enabled=True))
