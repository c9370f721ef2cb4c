"""A hold on a stream's key ends once. Claiming itself: `test_moving_between_origins`."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest
from origin_harness import APP, KEY, STREAM, World
from push_ingest import PushIngest

from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.records import StreamRecord
from services.origin.usecases.claims import Hold


async def held(world: World) -> Hold:
    origin = await world.origin()
    await PushIngest(origin).publish()
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
    assert record.epoch == hold.epoch
    with pytest.raises(RuntimeError, match="has ended already"):
        await hold.release()


async def test_a_key_that_gets_lost_while_it_is_given_back_is_left_alone(world: World) -> None:
    hold = await held(world)
    theirs = StreamRecord(
        app=APP, stream=STREAM, owner=NodeId("origin-9"), publisher_session=SessionId("theirs"), tracks=()
    )
    await world.streams.put(KEY, msgspec.json.encode(theirs))
    hold.write()
    await world.settle()
    assert hold.lost

    await hold.release()

    record = await world.record()
    assert record is not None
    assert record.owner == "origin-9"


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

    async with asyncio.timeout(5):
        await hold.release()

    assert await world.record() is None
