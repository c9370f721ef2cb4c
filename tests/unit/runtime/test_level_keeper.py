"""The level of the log, as operators set it for all nodes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.server_records import SETTINGS_KEY, ServerRecord
from rillcast.contracts.subjects import BUCKET_SERVER
from rillcast.contracts.words import LogLevel
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.process import server_settings
from rillcast.runtime.process.server_settings import LevelKeeper
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue


def record(level: LogLevel | None) -> bytes:
    return msgspec.json.encode(ServerRecord(log_level=level))


def test_the_own_level_holds_until_another_one_is_set_and_afterwards() -> None:
    used: list[LogLevel] = []
    keeper = LevelKeeper("warning", used.append)
    for value in (record(None), record(LogLevel.WARN), record(LogLevel.DEBUG), record(LogLevel.DEBUG), b"{", None):
        keeper.apply(Entry(SETTINGS_KEY, value, 1))
    assert used == [LogLevel.DEBUG, LogLevel.WARN]


def test_what_does_not_concern_the_level_changes_nothing() -> None:
    used: list[LogLevel] = []
    keeper = LevelKeeper("info", used.append)
    keeper.apply(Entry("note/edge-1", record(LogLevel.DEBUG), 1))
    keeper.apply(Entry(SETTINGS_KEY, b'{"logLevel":"LOUD"}', 2))
    assert used == []


async def test_it_waits_for_the_bucket_and_then_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_settings, "RETRY_S", 0.0)
    bucket, asked, used = FakeKeyValue(BUCKET_SERVER), 0, list[LogLevel]()

    async def kv(name: str) -> KeyValue:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, f"there is no bucket {name} yet")
        return bucket

    keeping = asyncio.create_task(LevelKeeper("info", used.append).keep(kv))
    try:
        await bucket.put(SETTINGS_KEY, record(LogLevel.ERROR))
        await eventually(lambda: used == [LogLevel.ERROR], 5, "the level")
        await bucket.put(SETTINGS_KEY, record(None))
        await eventually(lambda: used == [LogLevel.ERROR, LogLevel.INFO], 5, "the own level")
    finally:
        keeping.cancel()
