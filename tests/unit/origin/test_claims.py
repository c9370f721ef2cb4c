"""A hold on a stream's key ends once. Claiming itself: `test_moving_between_origins`."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import msgspec
import pytest
from origin_harness import APP, KEY, STREAM, World
from push_ingest import PushIngest

from rillcast.contracts.ids import ClaimId, NodeId, SessionId, StreamId
from rillcast.contracts.records import StreamRecord
from rillcast.testing.eventually import within
from services.origin.usecases.claims import Hold


async def held(world: World) -> Hold:
    origin = await world.origin()
    await PushIngest(origin).go_live()
    await world.settled_record()
    owned = origin.origin.owner._streams.key(KEY)
    assert owned is not None
    return owned.hold


async def test_a_released_key_is_free_and_one_that_is_left_is_not(world: World) -> None:
    hold = await held(world)

    await hold.leave()
    await world.pass_time(3.0)

    assert hold.ended
    record = await world.record()
    assert record is not None
    assert record.epoch == hold.epoch.number
    with pytest.raises(RuntimeError, match="has ended already"):
        await hold.release()


async def test_a_key_that_gets_lost_while_it_is_given_back_is_left_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    hold = await held(world)
    theirs = StreamRecord(
        app=APP,
        stream=STREAM,
        owner=NodeId("origin-9"),
        publisher_session=SessionId("theirs"),
        tracks=(),
        epoch=hold.epoch.number + 1,
        claim=ClaimId("theirs"),
    )
    await world.streams.put(KEY, msgspec.json.encode(theirs))
    hold.write()
    await world.settle()
    assert hold.lost
    (line,) = [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert vars(line)["rillcast_fields"] == {"key": KEY, "owner": "origin-9"}

    await hold.release()

    record = await world.record()
    assert record is not None
    assert record.owner == "origin-9"


@pytest.mark.parametrize("kind", ["bytes", "owner", "stream"])
async def test_what_is_no_record_of_the_stream_is_overwritten_by_its_owner(world: World, kind: str) -> None:
    hold = await held(world)
    record = await world.record()
    assert record is not None
    garbage = {
        "bytes": b"\xff garbage",
        "owner": msgspec.json.encode(msgspec.structs.replace(record, owner=NodeId("é"))),
        "stream": msgspec.json.encode(
            msgspec.structs.replace(record, owner=NodeId("origin-9"), stream=StreamId("other"))
        ),
    }
    await world.streams.put(KEY, garbage[kind])

    hold.write()
    await world.settle()

    assert not hold.lost
    now_there = await world.record()
    assert now_there is not None
    assert (now_there.owner, now_there.publisher_session) == (record.owner, record.publisher_session)
    assert (now_there.epoch, now_there.claim) == (hold.epoch.number, record.claim)


async def test_a_key_is_released_although_the_store_swallows_a_cancellation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `asyncio.wait_for` in Python 3.11 does, by which nats-py waits, when the answer comes at the same time."""
    hold = await held(world)
    update, asked = world.streams.update, asyncio.Event()

    async def deaf(key: str, value: bytes, revision: int) -> int | None:
        asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        monkeypatch.setattr(world.streams, "update", update)
        return await update(key, value, revision)

    monkeypatch.setattr(world.streams, "update", deaf)
    hold.write()
    await asked.wait()

    async with within(5, "the release of the claim"):
        await hold.release()

    assert await world.record() is None
