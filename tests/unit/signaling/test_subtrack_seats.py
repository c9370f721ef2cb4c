"""So many broadcasts belong to a main track and no more, also when several instances attach them at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from rillcast.apps.patch import Patch
from rillcast.contracts.broadcast_records import KeptBroadcast, StoredBroadcast, SubtrackSeats
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.runtime.ports import Entry
from rillcast.testing.eventually import eventually, within
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.subtrack_seats import SEAT_MS, NotToldYet, SubtracksFull, seat_left, seat_taken
from services.signaling.core.usecases.broadcast_store import BroadcastStore

LIVE, MAIN = AppName("live"), StreamId("main")
BY_MAIN: Patch[KeptBroadcast] = Patch({"mainTrackStreamId": msgspec.Raw(b'"main"')})


class Shared(FakeKeyValue):
    """Others get a turn between reading and writing."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def get(self, key: str) -> Entry | None:
        self.reads += 1
        entry = await super().get(key)
        await asyncio.sleep(0)
        return entry


def at_most(limit: int) -> Patch[KeptBroadcast]:
    return Patch({"subtracksLimit": msgspec.Raw(str(limit).encode())})


@asynccontextmanager
async def instances(bucket: FakeKeyValue, count: int = 2) -> AsyncIterator[Sequence[BroadcastStore]]:
    stores = [BroadcastStore(bucket, BroadcastCatalog(), lambda: 1_000.0) for _ in range(count)]
    tasks = [asyncio.create_task(store.run()) for store in stores]
    try:
        async with within(10.0, "all have done theirs"):
            yield stores
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def subtracks(bucket: FakeKeyValue) -> set[str]:
    kept = [msgspec.json.decode(entry.value or b"", type=StoredBroadcast) for entry in await bucket.entries()]
    return {one.stream_id for one in kept if one.main_track_stream_id == MAIN}


async def seats(bucket: FakeKeyValue) -> SubtrackSeats:
    entry = await bucket.get(stream_key(LIVE, MAIN))
    assert entry is not None
    return msgspec.json.decode(entry.value or b"", type=StoredBroadcast).subtrack_seats


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("way", ["create", "change", "rewrite"])
async def test_of_many_that_are_attached_at_once_as_many_are_as_may_be(count: int, way: str) -> None:
    bucket = Shared()
    async with instances(bucket, count) as stores:
        await stores[0].create(LIVE, MAIN, at_most(3))

        async def attach(number: int) -> bool:
            stream, store = StreamId(f"s{number}"), stores[number % count]
            if way == "create":
                return await store.create(LIVE, stream, BY_MAIN)
            await store.create(LIVE, stream, Patch({}))
            if way == "change":
                return await store.change(LIVE, stream, BY_MAIN, live=False)
            record = KeptBroadcast(stream_id=stream, main_track_stream_id=MAIN)
            return await store.rewrite(LIVE, stream, lambda _: record)

        answers = await asyncio.gather(*(attach(number) for number in range(10)), return_exceptions=True)

        attached = {f"s{number}" for number, answer in enumerate(answers) if answer is True}
        assert {type(answer) for answer in answers} == {bool, SubtracksFull}, answers
        assert len(attached) == 3 and await subtracks(bucket) == attached
        assert (await seats(bucket)).coming == {}


async def test_a_place_that_was_given_back_is_free_at_once() -> None:
    bucket = Shared()
    async with instances(bucket, 1) as (store,):
        await store.create(LIVE, MAIN, at_most(1))
        for number in range(5):
            await store.create(LIVE, StreamId(f"s{number}"), BY_MAIN)
            with pytest.raises(SubtracksFull, match="main has as many subtracks as it may have: 1"):
                await store.create(LIVE, StreamId("more"), BY_MAIN)
            await store.delete(LIVE, StreamId(f"s{number}"))


async def test_one_that_was_attached_before_needs_no_seat_and_the_rest_of_it_changes() -> None:
    bucket = Shared()
    async with instances(bucket, 1) as (store,):
        await store.create(LIVE, MAIN, at_most(1))
        await store.create(LIVE, StreamId("s1"), BY_MAIN)
        await store.change(LIVE, MAIN, at_most(0), live=False)
        named: Patch[KeptBroadcast] = Patch(dict(BY_MAIN.posted) | {"name": msgspec.Raw(b'"new"')})
        assert await store.change(LIVE, StreamId("s1"), named, live=False)


async def test_who_took_a_seat_and_did_not_write_gives_it_back() -> None:
    bucket = Shared()
    async with instances(bucket, 1) as (store,):
        await store.create(LIVE, MAIN, at_most(1))
        await store.create(LIVE, StreamId("s1"), Patch({}))
        assert not await store.create(LIVE, StreamId("s1"), BY_MAIN)
        assert (await seats(bucket)).coming == {}
        assert await store.create(LIVE, StreamId("s2"), BY_MAIN)


class LostAnswers(Shared):
    """Takes what is created under a key, and does not say so."""

    async def create(self, key: str, value: bytes) -> int | None:
        revision = await super().create(key, value)
        if key == stream_key(LIVE, StreamId("lost")):
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "no answer")
        return revision


async def test_the_seat_of_somebody_of_whom_it_is_not_known_whether_it_was_attached_stays() -> None:
    bucket = LostAnswers()
    async with instances(bucket, 1) as (store,):
        await store.create(LIVE, MAIN, at_most(1))
        with pytest.raises(RillcastError):
            await store.create(LIVE, StreamId("lost"), BY_MAIN)
        assert (await seats(bucket)).coming == {"lost": 1_000_000}
        with pytest.raises(SubtracksFull):
            await store.create(LIVE, StreamId("s2"), BY_MAIN)


async def test_an_instance_that_is_told_late_waits_before_it_counts() -> None:
    bucket = Shared()
    async with instances(bucket, 1) as (quick,):
        await quick.create(LIVE, MAIN, at_most(1))
        late = BroadcastStore(bucket, BroadcastCatalog(), lambda: 1_000.0)
        await late.load()
        await quick.create(LIVE, StreamId("s1"), BY_MAIN)
        before = bucket.reads
        attaching = asyncio.create_task(late.create(LIVE, StreamId("s2"), BY_MAIN))
        await eventually(lambda: bucket.reads > before)
        following = asyncio.create_task(late.run())
        with pytest.raises(SubtracksFull):
            await attaching
        following.cancel()
        await asyncio.wait([following])
        assert await subtracks(bucket) == {"s1"}


async def test_a_record_out_of_the_backup_of_another_store_waits_for_nobody() -> None:
    bucket = Shared()
    record = StoredBroadcast(stream_id=MAIN, subtracks_limit=1, subtrack_seats=SubtrackSeats(upto=10**15))
    await bucket.put(stream_key(LIVE, MAIN), msgspec.json.encode(record))
    async with instances(bucket, 1) as (store,):
        assert await store.create(LIVE, StreamId("s1"), BY_MAIN)
        assert 0 < (await seats(bucket)).upto < 10**15
        with pytest.raises(SubtracksFull):
            await store.create(LIVE, StreamId("s2"), BY_MAIN)


async def test_a_record_that_takes_the_place_of_another_keeps_its_seats() -> None:
    bucket = Shared()
    seat = SubtrackSeats(coming={StreamId("s1"): 999_000})
    await bucket.put(
        stream_key(LIVE, MAIN),
        msgspec.json.encode(StoredBroadcast(stream_id=MAIN, subtracks_limit=1, subtrack_seats=seat)),
    )
    async with instances(bucket, 1) as (store,):
        anew = KeptBroadcast(stream_id=MAIN, subtracks_limit=1, name="anew")
        assert await store.rewrite(LIVE, MAIN, lambda _: anew)
        assert await seats(bucket) == seat
        with pytest.raises(SubtracksFull):
            await store.create(LIVE, StreamId("s2"), BY_MAIN)


async def test_a_subtrack_for_which_nothing_was_set_is_not_kept_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rillcast.apps.stored.MAX_BROADCASTS", 1)
    async with instances(Shared(), 1) as (store,):
        await store.create(LIVE, MAIN, Patch({}))
        live = KeptBroadcast(stream_id=StreamId("live"), main_track_stream_id=MAIN)
        with pytest.raises(RillcastError, match="as many broadcasts as the cluster keeps"):
            await store.rewrite(LIVE, StreamId("live"), lambda _: live)
        assert await store.rewrite(LIVE, MAIN, lambda record: record)


def test_a_seat_of_somebody_who_says_nothing_lapses() -> None:
    main = StoredBroadcast(stream_id=MAIN, subtracks_limit=1)
    taken = seat_taken(main, StreamId("a"), [], told=0, now_ms=5)
    assert taken is not None
    with pytest.raises(SubtracksFull):
        seat_taken(taken, StreamId("b"), [], told=0, now_ms=5 + SEAT_MS - 1)
    later = seat_taken(taken, StreamId("b"), [], told=0, now_ms=5 + SEAT_MS)
    assert later is not None and later.subtrack_seats.coming == {"b": 5 + SEAT_MS}


def test_who_has_not_been_told_of_the_last_subtrack_does_not_count() -> None:
    main = StoredBroadcast(stream_id=MAIN, subtracks_limit=2)
    taken = seat_taken(main, StreamId("a"), [], told=0, now_ms=0)
    assert taken is not None
    left = seat_left(taken, StreamId("a"), 7)
    assert left is not None and left.subtrack_seats == SubtrackSeats(upto=7)
    with pytest.raises(NotToldYet) as behind:
        seat_taken(left, StreamId("b"), [], told=6, now_ms=0)
    assert behind.value.upto == 7
    assert seat_taken(left, StreamId("b"), [StreamId("a")], told=7, now_ms=0) is not None
    assert seat_left(left, StreamId("a"), 9) is None


def test_where_there_is_no_limit_nobody_needs_a_seat() -> None:
    main = StoredBroadcast(stream_id=MAIN, subtrack_seats=SubtrackSeats(upto=9))
    assert seat_taken(main, StreamId("a"), [], told=0, now_ms=0) is None
