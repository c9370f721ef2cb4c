"""Changes of one key by several instances at once: none is lost, and nobody tries for ever."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from rillcast.apps.patch import Patch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord
from rillcast.runtime.ports import Entry
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.core.usecases.compare_and_set import ATTEMPTS, compare_and_set

LIVE = AppName("live")


class Shared(FakeKeyValue):
    """Others get a turn between reading and writing, as they do when the store is elsewhere."""

    async def get(self, key: str) -> Entry | None:
        entry = await super().get(key)
        await asyncio.sleep(0)
        return entry


def patch(body: bytes) -> Patch[AppSettings]:
    return Patch.parse(body)


async def test_settings_that_two_instances_change_at_once_keep_both_changes() -> None:
    shared = Shared()
    await shared.put("live", msgspec.json.encode(AppSettings(app_name="live")))
    stores = [AppStore(shared, AppCatalog(["live"], {})) for _ in range(2)]

    await asyncio.gather(
        stores[0].change(LIVE, patch(b'{"webRTCViewerLimit": 5}')),
        stores[1].change(LIVE, patch(b'{"ingestingStreamLimit": 7}')),
    )

    entry = await shared.get("live")
    assert entry is not None
    assert [key for key, _ in shared.writes] == ["live"] * 3
    settings = msgspec.json.decode(entry.value or b"", type=AppSettings)
    assert (settings.web_rtc_viewer_limit, settings.ingesting_stream_limit) == (5, 7)


async def test_of_two_instances_that_create_a_broadcast_one_does() -> None:
    shared = Shared()
    stores = [BroadcastStore(shared, BroadcastCatalog()) for _ in range(2)]
    empty: Patch[BroadcastRecord] = Patch({})

    created = await asyncio.gather(*(store.create(LIVE, StreamId("s1"), empty) for store in stores))

    assert sorted(record is not None for record in created) == [False, True]


async def test_nobody_tries_for_ever() -> None:
    class Contested(FakeKeyValue):
        tries = 0

        async def create(self, key: str, value: bytes) -> int | None:
            self.tries += 1
            return None

    contested = Contested()
    with pytest.raises(RillcastError) as refused:
        await compare_and_set(contested, "key", lambda _: b"1", busy="others are at it")

    assert (refused.value.code, refused.value.message) == (ErrorCode.STORE_UNAVAILABLE, "others are at it")
    assert refused.value.retry_after_s is not None
    assert contested.tries == ATTEMPTS


async def test_nothing_is_written_when_nothing_is_to_change() -> None:
    untouched = FakeKeyValue()
    assert await compare_and_set(untouched, "key", lambda _: None, busy="busy") is None
    assert await untouched.get("key") is None
