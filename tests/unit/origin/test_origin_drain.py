"""An origin that is told to stop: publishers move first, then it goes."""

from __future__ import annotations

import asyncio

import pytest
from origin_harness import World, request, until

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media import protocol
from rillcast.testing.eventually import within
from services.origin.usecases import leaving


async def test_media_goes_on_until_the_publisher_has_moved(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    answer = await world.go_live(old)
    await world.settled_record()

    draining = asyncio.create_task(old.drain())
    await until(lambda: ("closed", "draining") in world.told(answer.session))
    await world.settle()
    assert not draining.done()
    assert old.plane.of(protocol.RemoveSession) == []
    moved = await world.go_live(new)
    await asyncio.wait((draining,), timeout=5)

    assert draining.done()
    assert moved.restored
    assert len(old.plane.of(protocol.RemoveSession)) == 1
    assert "ended" not in world.announced()
    record = await world.settled_record()
    assert record.owner == new.name


async def test_publishers_are_sent_away_one_after_the_other_and_nobody_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "MOVES_PER_S", 25.0)
    origin = await world.origin(drain_timeout_s=30.0)
    sessions = [(await world.go_live(origin, stream=f"s{number}")).session for number in range(5)]

    def sent_away() -> int:
        return sum(("closed", "draining") in world.told(session) for session in sessions)

    draining = asyncio.create_task(origin.drain())
    await until(sent_away)
    first = sent_away()
    await until(lambda: sent_away() == len(sessions))

    assert first < len(sessions)
    assert not draining.done()
    for session in sessions:
        await world.close(origin, session)
    await asyncio.wait((draining,), timeout=5)
    assert draining.done()


async def test_nobody_is_sent_away_while_the_bus_is_not_heard(world: World) -> None:
    origin = await world.origin(drain_timeout_s=30.0)
    answer = await world.go_live(origin)
    hears = False
    origin.origin.leaving._hears = lambda: hears
    draining = asyncio.create_task(origin.drain())
    await asyncio.sleep(5 * leaving.STEP_S)
    assert ("closed", "draining") not in world.told(answer.session)

    hears = True

    await until(lambda: ("closed", "draining") in world.told(answer.session))
    draining.cancel()


async def test_who_has_not_moved_in_time_is_left_for_the_next_origin(world: World) -> None:
    origin = await world.origin(drain_timeout_s=0.1)
    await world.go_live(origin)
    await world.settled_record()

    await origin.drain()

    assert origin.plane.of(protocol.RemoveSession) == []
    assert await world.record() is not None
    assert "ended" not in world.announced()


@pytest.mark.parametrize("whose", ["verified", "movable"])
async def test_what_an_origin_leaves_to_the_next_one_is_no_strangers(world: World, whose: str) -> None:
    """It has cut its publisher off, and still answers, until its process ends."""
    old, new = await world.origin("origin-1", drain_timeout_s=0.1), await world.origin("origin-2")
    mine = {"has_credentials": whose == "verified", "secret_digest": "s", "movable": whose == "movable"}
    await world.go_live(old, **mine)
    claim = (await world.settled_record()).claim
    await old.drain()
    await old.origin.leaving.cut()

    with pytest.raises(RillcastError) as refusal:
        await world.publish(new, has_credentials=False, credential_digest="t", ownerless_claim=claim)
    answer = await world.go_live(new, **mine)

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert (await world.settled_record()).publisher_session == answer.session


async def test_an_origin_without_publishers_goes_at_once(world: World) -> None:
    origin = await world.origin(drain_timeout_s=3_600.0)
    answer = await world.go_live(origin)
    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.DTLS_CLOSED)
    )

    async with within(5, "the end of the drain"):
        await origin.drain()

    assert ("closed", "draining") not in world.told(answer.session)


async def test_who_comes_while_the_node_goes_away_is_sent_to_another(world: World) -> None:
    origin = await world.origin(drain_timeout_s=0.0)
    await world.go_live(origin)
    await origin.drain()

    for changes in ({"stream": "other"}, {}):
        with pytest.raises(RillcastError, match="going away") as refusal:
            await world.go_live(origin, **changes)
        assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE


async def test_a_publish_under_way_when_the_drain_begins_goes_to_another_origin(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    mine = request()
    world.streams.answer_s = 0.05
    asking = asyncio.create_task(old.origin.webrtc.publish(mine))
    await until(lambda: old.origin.owner._newcomers.looking)
    draining = asyncio.create_task(old.drain())

    with pytest.raises(RillcastError, match="going away") as refusal:
        await asking
    await draining
    assert await world.record() is None
    await new.origin.webrtc.publish(mine)
    new.media()

    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert old.plane.commands == []
    record = await world.settled_record()
    assert record.owner == new.name


async def test_a_claim_under_way_when_the_drain_begins_leaves_the_key_free(world: World) -> None:
    origin = await world.origin(drain_timeout_s=0.0)
    answer = await world.publish(origin)
    with world.slow_store() as reached:
        origin.media()
        await reached.wait()
        await origin.drain()

    await world.settle()
    assert await world.record() is None
    assert ("media", None) not in world.told(answer.session)
    assert origin.nothing_is_left()
