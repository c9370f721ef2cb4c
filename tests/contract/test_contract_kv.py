"""What every `KeyValue` does: the same tests on the fake and on JetStream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from kv_stores import Store, store_of

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import eventually, within

TTL_S = 1.0


@pytest.fixture(params=["fake", "jetstream"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    async with store_of(request.param) as made:
        yield made


@pytest.fixture
async def bucket(store: Store) -> KeyValue:
    return await store.bucket("contract")


async def following(entries: AsyncIterator[Entry], count: int, timeout_s: float = 30.0) -> list[Entry]:
    """The next `count` entries."""
    async with within(timeout_s, "the next entries of the watch"):
        return [await anext(entries) for _ in range(count)]


async def test_a_new_key_is_created_once(bucket: KeyValue) -> None:
    revision = await bucket.create("live/a=2Eb", b"one")
    assert revision is not None
    assert await bucket.create("live/a=2Eb", b"two") is None
    assert await bucket.get("live/a=2Eb") == Entry("live/a=2Eb", b"one", revision)


async def test_of_many_creators_one_wins(bucket: KeyValue) -> None:
    results = await asyncio.gather(*(bucket.create("contested", str(i).encode()) for i in range(20)))
    winners = [i for i, revision in enumerate(results) if revision is not None]
    assert len(winners) == 1
    entry = await bucket.get("contested")
    assert entry is not None
    assert entry.value == str(winners[0]).encode()


async def test_a_missing_key_is_none(bucket: KeyValue) -> None:
    assert await bucket.get("missing") is None


async def test_an_update_needs_the_current_revision(bucket: KeyValue) -> None:
    first = await bucket.put("key", b"one")
    second = await bucket.update("key", b"two", first)
    assert second is not None
    assert second > first
    assert await bucket.update("key", b"three", first) is None
    assert await bucket.get("key") == Entry("key", b"two", second)


async def test_an_update_of_a_missing_key_is_refused(bucket: KeyValue) -> None:
    assert await bucket.update("missing", b"x", 77) is None


async def test_a_delete_needs_the_current_revision_if_one_is_given(bucket: KeyValue) -> None:
    first = await bucket.put("key", b"one")
    second = await bucket.put("key", b"two")
    assert await bucket.delete("key", first) is None
    third = await bucket.delete("key", second)
    assert third is not None and third > second
    assert await bucket.get("key") is None
    assert await bucket.delete("key") == 0


async def test_deleting_what_is_not_there_succeeds(bucket: KeyValue) -> None:
    assert await bucket.delete("missing") == 0


async def test_a_deleted_key_can_be_created_again_with_a_higher_revision(bucket: KeyValue) -> None:
    first = await bucket.create("key", b"one")
    await bucket.delete("key")
    second = await bucket.create("key", b"two")
    assert first is not None
    assert second is not None
    assert second > first
    assert await bucket.create("key", b"three") is None


async def test_entries_are_those_present(bucket: KeyValue) -> None:
    assert await bucket.entries() == []
    for key in ("a/1", "a/2", "b"):
        await bucket.put(key, key.encode())
    await bucket.put("b", b"changed")
    await bucket.delete("a/1")
    assert {entry.key: entry.value for entry in await bucket.entries()} == {"a/2": b"a/2", "b": b"changed"}


async def test_entries_lack_no_key_that_is_rewritten_meanwhile(bucket: KeyValue) -> None:
    keys = [f"seat/{i}" for i in range(10)]
    for key in keys:
        await bucket.put(key, b"x")

    async def rewrite(key: str) -> None:
        while True:
            await bucket.put(key, b"x")
            await asyncio.sleep(0)

    rewriting = [asyncio.create_task(rewrite(key)) for key in keys]
    try:
        for _ in range(50):  # each may take half a second on a busy machine
            assert {entry.key for entry in await bucket.entries()} == set(keys)
    finally:
        await cancelled(*rewriting)


async def test_buckets_do_not_mix(store: Store) -> None:
    one, other = await store.bucket("one"), await store.bucket("other")
    await one.put("key", b"x")
    assert await other.get("key") is None
    assert await other.entries() == []


@pytest.mark.parametrize("key", ["", ".a", "a.", "a..b", "a b", "a*", ">", "ü"])
async def test_impossible_keys_are_refused(bucket: KeyValue, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await bucket.put(key, b"x")


async def test_a_watch_gives_what_is_present_then_every_change(bucket: KeyValue) -> None:
    await bucket.put("gone", b"x")
    await bucket.delete("gone")
    await bucket.put("a", b"1")
    await bucket.put("b", b"1")
    async with bucket.watch() as entries:
        present = await following(entries, 2)
        assert [(entry.key, entry.value) for entry in present] == [("a", b"1"), ("b", b"1")]
        revision = await bucket.put("a", b"2")
        await bucket.delete("b")
        changed, deleted = await following(entries, 2)
        assert changed == Entry("a", b"2", revision)
        assert (deleted.key, deleted.value) == ("b", None)


async def test_a_watch_goes_on_where_a_snapshot_ended(bucket: KeyValue) -> None:
    for key in ("kept", "changed", "deleted"):
        await bucket.put(key, b"1")
    snapshot = await bucket.snapshot()
    assert {entry.key for entry in snapshot.entries} == {"kept", "changed", "deleted"}
    await bucket.put("changed", b"2")
    await bucket.delete("deleted")

    async with bucket.watch(snapshot.upto) as entries:
        since = await following(entries, 2)
        assert [(entry.key, entry.value) for entry in since] == [("changed", b"2"), ("deleted", None)]
        await bucket.put("new", b"1")
        assert [entry.key for entry in await following(entries, 1)] == ["new"]


async def test_a_watch_after_a_snapshot_of_nothing_gives_the_first_key(bucket: KeyValue) -> None:
    snapshot = await bucket.snapshot()
    assert snapshot.entries == []
    async with bucket.watch(snapshot.upto) as entries:
        await bucket.put("a", b"1")
        assert [entry.key for entry in await following(entries, 1)] == ["a"]


async def test_nothing_is_missed_between_a_snapshot_and_a_watch_after_an_outage(store: Store, bucket: KeyValue) -> None:
    await bucket.put("kept", b"1")
    await bucket.put("dropped", b"1")
    snapshot = await bucket.snapshot()
    await bucket.delete("dropped")
    await store.lose()
    await store.restore()

    async with bucket.watch(snapshot.upto) as entries:
        while (entry := (await following(entries, 1))[0]).key != "dropped":
            assert entry.key == "kept"
        assert entry.value is None


async def test_a_snapshot_of_what_a_store_has_forgotten_hides_nothing(store: Store, bucket: KeyValue) -> None:
    kept = await bucket.put("key", b"kept")
    await store.remember()
    await bucket.put("key", b"forgotten")
    snapshot = await bucket.snapshot()
    await store.roll_back()

    async with bucket.watch(snapshot.upto) as entries:
        assert await following(entries, 1) == [Entry("key", b"kept", kept)]


async def test_a_watch_of_an_empty_bucket_gives_the_first_key(bucket: KeyValue) -> None:
    async with bucket.watch() as entries:
        first = asyncio.create_task(following(entries, 1))
        await bucket.put("a", b"1")
        assert [entry.key for entry in await first] == ["a"]


async def test_several_watches_see_many_changes_in_order(bucket: KeyValue) -> None:
    async with bucket.watch() as one, bucket.watch() as other:
        await bucket.put("first", b"0")
        await following(one, 1)
        await following(other, 1)
        written = [await bucket.put(f"n{i % 7}", str(i).encode()) for i in range(300)]
        for entries in (one, other):
            seen: list[int] = []
            while not seen or seen[-1] != written[-1]:  # quick changes of one key may come as the last one only
                seen += [entry.revision for entry in await following(entries, 1)]
            assert seen == sorted(set(seen) & set(written))
            assert set(seen) >= set(written[-7:])


async def test_a_key_not_rewritten_expires(store: Store) -> None:
    bucket = await store.bucket("expiring", TTL_S)
    first = await bucket.create("key", b"one")
    assert first is not None

    async def expired() -> bool:
        entry = await bucket.get("key")
        assert entry is None, entry
        return True

    await eventually(expired, 30, "the end of the key")
    assert await bucket.entries() == []
    assert await bucket.update("key", b"late", first) is None
    second = await bucket.create("key", b"two")
    assert second is not None
    assert second > first


async def test_a_rewritten_key_stays(store: Store) -> None:
    bucket = await store.bucket("expiring", TTL_S)
    now = asyncio.get_running_loop().time
    since = written_at = now()
    revision = await bucket.create("key", b"0")
    while now() - since < 2.2 * TTL_S:
        assert revision is not None
        await asyncio.sleep(TTL_S / 5)
        began = now()
        revision = await bucket.update("key", b"again", revision)
        if revision is None:  # right only if this process was held up for so long: then it begins anew
            assert now() - written_at >= TTL_S, "it was not rewritten in time"
            since = began = now()
            revision = await bucket.create("key", b"0")
        written_at = began


async def test_an_outage_is_an_error_with_a_time_to_retry(store: Store, bucket: KeyValue) -> None:
    revision = await bucket.put("key", b"one")
    await store.lose()
    for operation in (
        bucket.get("key"),
        bucket.create("other", b"x"),
        bucket.update("key", b"x", revision),
        bucket.put("key", b"x"),
        bucket.delete("key"),
        bucket.entries(),
    ):
        async with within(1, "the refusal of an operation without the store"):
            with pytest.raises(RillcastError) as caught:
                await operation
        assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
        assert caught.value.retry_after_s
    await store.restore()
    assert await bucket.get("key") == Entry("key", b"one", revision)
    assert await bucket.update("key", b"two", revision) is not None


async def test_a_watch_gives_the_present_entries_again_after_an_outage(store: Store, bucket: KeyValue) -> None:
    await bucket.put("kept", b"1")
    await bucket.put("dropped", b"1")
    async with bucket.watch() as entries:
        await following(entries, 2)
        await bucket.delete("dropped")
        await following(entries, 1)
        await store.lose()
        await store.restore()
        again = await following(entries, 2)
        assert {entry.key: entry.value for entry in again} == {"kept": b"1", "dropped": None}
        await bucket.put("new", b"1")
        assert [entry.key for entry in await following(entries, 1)] == ["new"]


async def test_a_store_that_lost_its_state_is_used_on_with_growing_revisions(store: Store, bucket: KeyValue) -> None:
    before = await bucket.create("key", b"one")
    async with bucket.watch() as entries:
        await following(entries, 1)
        await store.lose()
        await store.restore(empty=True)
        assert await bucket.get("key") is None
        after = await bucket.create("key", b"two")
        assert before is not None
        assert after is not None
        assert after > before
        assert await following(entries, 1) == [Entry("key", b"two", after)]


async def test_a_write_is_the_first_to_reach_an_emptied_store(store: Store, bucket: KeyValue) -> None:
    revision = await bucket.create("key", b"one")
    assert revision is not None
    await store.lose()
    await store.restore(empty=True)
    assert await bucket.update("key", b"two", revision) is None
    assert await bucket.create("key", b"three") is not None


async def test_a_store_that_returned_to_an_earlier_state_gives_out_revisions_again(
    store: Store, bucket: KeyValue
) -> None:
    kept = await bucket.put("key", b"kept")
    await store.remember()
    forgotten = await bucket.update("key", b"forgotten", kept)
    assert forgotten is not None
    await bucket.put("other", b"forgotten too")

    await store.roll_back()

    assert await bucket.get("key") == Entry("key", b"kept", kept)
    assert await bucket.get("other") is None
    assert await bucket.update("key", b"late", forgotten) is None, "nobody has this revision now"
    assert await bucket.put("other", b"somebody else's") == forgotten
    assert await bucket.update("other", b"taken for one's own", forgotten) is not None, "the same revision, twice"


async def test_a_watch_shows_what_a_store_returned_to(store: Store, bucket: KeyValue) -> None:
    kept = await bucket.put("key", b"kept")
    await store.remember()
    async with bucket.watch() as entries:
        await following(entries, 1)
        forgotten = await bucket.put("key", b"forgotten")
        assert await following(entries, 1) == [Entry("key", b"forgotten", forgotten)]

        await store.roll_back()

        assert await following(entries, 1) == [Entry("key", b"kept", kept)]
        assert await bucket.put("key", b"new") == forgotten
        assert await following(entries, 1) == [Entry("key", b"new", forgotten)]


async def test_what_expired_is_not_there_again_in_an_earlier_state(store: Store) -> None:
    bucket = await store.bucket("expiring", TTL_S)
    await bucket.put("key", b"one")
    await store.remember()

    async def expired() -> bool:
        return await bucket.get("key") is None

    await eventually(expired, 30, "the end of the key")
    await store.roll_back()

    await eventually(expired, 30, "the end of the key once more")
