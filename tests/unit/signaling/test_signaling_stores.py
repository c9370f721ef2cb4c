"""Changes of one key by several instances at once: none is lost, and nobody tries for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from rillcast.apps.patch import Patch
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.records import AppSettings
from rillcast.runtime.ports import Entry
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.core.usecases.key_changes import ATTEMPTS, MAX_WAITING, KeyChanges

LIVE = AppName("live")


class Shared(FakeKeyValue):
    """Others get a turn between reading and writing, as they do when the store is elsewhere."""

    async def get(self, key: str) -> Entry | None:
        entry = await super().get(key)
        await asyncio.sleep(0.001)
        return entry


def in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work)


def changes(bucket: FakeKeyValue) -> KeyChanges:
    return KeyChanges(bucket, busy="others are at it", rng=random.Random(1))


def one_more(value: bytes | None) -> bytes:
    return str(int(value or b"0") + 1).encode()


def patch(body: bytes) -> Patch[AppSettings]:
    return Patch.parse(body)


async def test_settings_that_two_instances_change_at_once_keep_both_changes() -> None:
    shared = Shared()
    await shared.put("live", msgspec.json.encode(AppSettings(app_name=AppName("live"))))
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


def test_of_one_instance_all_that_change_an_app_at_once_do() -> None:
    async def all_at_once() -> None:
        shared = Shared()
        store = AppStore(shared, AppCatalog(["live"], {}))

        await asyncio.gather(*(store.change(LIVE, patch(b'{"webRTCViewerLimit": %d}' % n)) for n in range(60)))

        assert len(shared.writes) == 60

    in_virtual_time(all_at_once())


async def test_of_two_instances_that_create_a_broadcast_one_does() -> None:
    shared = Shared()
    stores = [BroadcastStore(shared, BroadcastCatalog()) for _ in range(2)]
    empty: Patch[KeptBroadcast] = Patch({})

    created = await asyncio.gather(*(store.create(LIVE, StreamId("s1"), empty) for store in stores))

    assert sorted(created) == [False, True]


@pytest.mark.parametrize("each", [5, 20])
def test_instances_that_change_a_broadcast_at_once_lose_nothing(each: int) -> None:
    async def all_at_once() -> None:
        shared = Shared()
        stores = [BroadcastStore(shared, BroadcastCatalog()) for _ in range(2)]
        await stores[0].create(LIVE, StreamId("s1"), Patch({}))

        def one_more(record: KeptBroadcast | None) -> KeptBroadcast | None:
            assert record is not None
            return msgspec.structs.replace(record, name=f"{record.name or ''}x")

        await asyncio.gather(
            *(store.rewrite(LIVE, StreamId("s1"), one_more) for store in stores for _ in range(each)),
            stores[0].change(LIVE, StreamId("s1"), Patch({"category": msgspec.Raw(b'"one"')}), live=False),
            stores[1].change(LIVE, StreamId("s1"), Patch({"description": msgspec.Raw(b'"two"')}), live=False),
        )

        entry = await shared.get(stream_key(LIVE, StreamId("s1")))
        assert entry is not None and entry.value is not None
        kept = msgspec.json.decode(entry.value, type=KeptBroadcast)
        assert (kept.name, kept.category, kept.description) == ("x" * 2 * each, "one", "two")

    in_virtual_time(all_at_once())


@pytest.mark.parametrize("count", [1, 1_000])
def test_many_broadcasts_are_deleted_at_once_also_those_that_another_instance_has_just_changed(count: int) -> None:
    async def all_at_once() -> None:
        shared = Shared()
        one, other = (BroadcastStore(shared, BroadcastCatalog()) for _ in range(2))
        streams = [StreamId(f"s{number}") for number in range(count)]
        for stream in streams:
            await one.create(LIVE, stream, Patch({}))
        await other.change(LIVE, streams[-1], Patch({"name": msgspec.Raw(b'"new"')}), live=False)

        await one.delete_all(LIVE, streams)

        assert await shared.entries() == []

    in_virtual_time(all_at_once())


@pytest.mark.parametrize(("instances", "each"), [(1, 60), (3, 20), (10, 6)])
def test_changes_of_one_key_at_once_are_all_made(instances: int, each: int) -> None:
    async def all_at_once() -> None:
        shared = Shared()
        several = [changes(shared) for _ in range(instances)]

        await asyncio.gather(*(one.change("key", one_more) for one in several for _ in range(each)))

        entry = await shared.get("key")
        assert entry is not None
        assert entry.value == str(instances * each).encode()
        assert [len(one) for one in several] == [0] * instances

    in_virtual_time(all_at_once())


@pytest.mark.parametrize(("instances", "each"), [(1, 60), (3, 20)])
def test_of_many_that_delete_a_broadcast_one_did(instances: int, each: int) -> None:
    async def all_at_once() -> None:
        shared = Shared()
        stores = [BroadcastStore(shared, BroadcastCatalog()) for _ in range(instances)]
        await stores[0].create(LIVE, StreamId("s1"), Patch({}))

        told = await asyncio.gather(*(store.delete(LIVE, StreamId("s1")) for store in stores for _ in range(each)))

        assert told.count(True) == 1
        assert [value for _, value in shared.writes].count(None) == 1

    in_virtual_time(all_at_once())


def test_a_change_of_one_key_waits_for_no_other_key() -> None:
    async def meanwhile() -> None:
        class Stuck(FakeKeyValue):
            async def get(self, key: str) -> Entry | None:
                if key == "stuck":
                    await asyncio.Event().wait()
                return await super().get(key)

        of_both = changes(Stuck())
        stuck = asyncio.create_task(of_both.change("stuck", one_more))
        await asyncio.sleep(0)

        await of_both.change("free", one_more)

        assert len(of_both) == 1
        stuck.cancel()
        await asyncio.wait([stuck])
        assert len(of_both) == 0

    in_virtual_time(meanwhile())


async def refused(work: Coroutine[Any, Any, Entry | None]) -> RillcastError:
    with pytest.raises(RillcastError) as refusal:
        await work
    error = refusal.value
    assert (error.code, error.message) == (ErrorCode.STORE_UNAVAILABLE, "others are at it")
    assert error.retry_after_s is not None
    return error


def test_who_waits_too_long_or_after_too_many_is_refused() -> None:
    async def behind_a_stuck_one() -> None:
        class Stuck(FakeKeyValue):
            async def get(self, key: str) -> Entry | None:
                await asyncio.Event().wait()
                return None

        waited = changes(Stuck())
        stuck = asyncio.create_task(waited.change("key", one_more))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(refused(waited.change("key", one_more))) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)

        began = asyncio.get_running_loop().time()
        await refused(waited.delete("key"))
        assert asyncio.get_running_loop().time() == began
        await asyncio.gather(*waiting)

        stuck.cancel()
        await asyncio.wait([stuck])
        assert len(waited) == 0

    in_virtual_time(behind_a_stuck_one())


def test_nobody_tries_for_ever() -> None:
    class Contested(FakeKeyValue):
        tries = 0

        async def create(self, key: str, value: bytes) -> int | None:
            self.tries += 1
            return None

        async def delete(self, key: str, revision: int | None = None) -> int | None:
            self.tries += 1
            return None

    async def in_vain() -> None:
        contested = Contested()
        await refused(changes(contested).change("key", one_more))
        assert contested.tries == ATTEMPTS
        await contested.put("key", b"1")
        await refused(changes(contested).delete("key"))
        assert contested.tries == 2 * ATTEMPTS

    in_virtual_time(in_vain())


async def test_nothing_is_written_when_nothing_is_to_change() -> None:
    untouched = FakeKeyValue()
    assert await changes(untouched).change("key", lambda _: None) is None
    assert await untouched.get("key") is None


async def test_what_a_change_raises_goes_through() -> None:
    def refuse(_: bytes | None) -> bytes:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await changes(FakeKeyValue()).change("key", refuse)


async def test_what_others_delete_between_reading_and_following_is_forgotten() -> None:
    bucket, catalog = FakeKeyValue(), BroadcastCatalog()
    for stream in ("kept", "gone"):
        await bucket.put(stream_key(LIVE, StreamId(stream)), b'{"streamId":"%s"}' % stream.encode())
    store, applied = BroadcastStore(bucket, catalog), list[str]()
    await store.load()
    await bucket.delete(stream_key(LIVE, StreamId("gone")))
    apply = catalog.apply
    catalog.apply = lambda entry: applied.append(entry.key) or apply(entry)  # type: ignore[method-assign,func-returns-value]

    following = asyncio.create_task(store.run())
    try:
        await eventually(lambda: catalog.get(LIVE, StreamId("gone")) is None, 10.0, "the deletion is heard of")
    finally:
        await cancelled(following)

    assert catalog.get(LIVE, StreamId("kept")) is not None
    assert applied == [stream_key(LIVE, StreamId("gone"))], "what was read is not read again"
