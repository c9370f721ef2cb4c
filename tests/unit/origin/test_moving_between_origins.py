"""A stream changes its origin: handed over, taken from the dead, contested."""

from __future__ import annotations

import msgspec
import pytest
from origin_harness import KEY, World, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import Ack, HandOverRequest
from rillcast.media import protocol


async def test_the_rightful_publisher_takes_its_stream_to_another_origin(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    first = await world.publish(old)
    old.media()
    before = await world.settled_record()

    second = await world.publish(new)

    after = await world.settled_record()
    assert second.restored
    assert (after.owner, after.publisher_session) == (new.name, second.session)
    assert after.epoch > before.epoch
    assert world.told(first.session)[-1] == ("closed", "replaced")
    assert len(old.plane.of(protocol.RemoveSession)) == 1
    assert "ended" not in world.announced()
    new.media()
    await until(lambda: world.announced() == ["started", "restored"])


async def test_the_record_never_vanishes_during_a_hand_over(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old)
    old.media()
    await world.settled_record()

    await world.publish(new)
    await world.settle()

    assert all(value is not None for _, value in world.streams.writes)


async def test_a_killed_origins_stream_is_claimed_without_waiting_for_its_lease(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old)
    old.media()
    before = await world.settled_record()
    await old.kill()

    answer = await world.publish(new)

    after = await world.settled_record()
    assert answer.restored
    assert (after.owner, after.epoch > before.epoch) == (new.name, True)


async def test_a_stranger_cannot_have_a_killed_origins_stream_before_the_lease_is_over(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old)
    await world.settled_record()
    await old.kill()

    with pytest.raises(RillcastError) as refusal:
        await world.publish(new, credential_digest="other")
    await world.pass_time(7.0)
    answer = await world.publish(new, credential_digest="other")

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert refusal.value.retry_after_s
    assert not answer.restored


async def test_a_stranger_at_another_origin_is_refused_while_the_publisher_is_alive(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old, has_credentials=False)
    await world.settled_record()

    with pytest.raises(RillcastError) as refusal:
        await world.publish(new, credential_digest="other", has_credentials=False)

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert old.plane.of(protocol.RemoveSession) == []


async def test_a_publisher_whose_network_changed_gets_its_stream_at_another_origin(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old, has_credentials=False)
    old.media()
    await world.settled_record()
    await world.pass_time(3.5)

    answer = await world.publish(new, credential_digest="other address", has_credentials=False)

    assert answer.restored


async def test_a_deposed_origin_stands_down_without_a_word_about_the_end(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    first = await world.publish(old)
    old.media()
    await world.settled_record()
    old.bus.connected = False  # cut off from the others, not from its publisher

    await world.publish(new)
    await world.pass_time(2.5)

    await until(lambda: len(old.plane.of(protocol.RemoveSession)) == 1)
    assert "ended" not in world.announced()
    record = await world.record()
    assert record is not None
    assert record.owner == new.name
    assert first.session not in {record.publisher_session}


async def test_a_restarted_origin_takes_its_own_orphaned_record_back_for_its_publisher(world: World) -> None:
    old = await world.origin("origin-1")
    await world.publish(old)
    old.media()
    before = await world.settled_record()
    await old.kill()
    new = await world.origin("origin-1")

    with pytest.raises(RillcastError, match="another publisher"):
        await world.publish(new, credential_digest="other")
    answer = await world.publish(new)

    after = await world.settled_record()
    assert answer.restored
    assert after.epoch > before.epoch
    assert after.since_epoch == after.epoch


async def test_a_stream_that_never_had_media_is_started_not_restored(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old)
    await world.settled_record()

    again = await world.publish(old)
    moved = await world.publish(new)
    new.media()

    await until(lambda: world.announced() == ["started"])
    assert not again.restored
    assert not moved.restored


async def test_a_moved_stream_stays_live_in_the_record_before_its_media_arrives(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old)
    old.media()
    await world.settle()
    before = await world.settled_record()

    await world.publish(new)

    after = await world.settled_record()
    assert after.media_flowing
    assert after.started_at_ms == before.started_at_ms


async def test_a_claim_that_came_in_between_is_not_overwritten(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.publish(old)
    old.media()
    before = await world.settled_record()
    foreign = msgspec.structs.replace(
        before, owner=NodeId("origin-3"), publisher_session=SessionId("third"), credential_digest="third", epoch=0
    )

    async def give_up_and_lose_the_race(_request: HandOverRequest) -> Ack:
        await world.streams.put(KEY, msgspec.json.encode(foreign))
        return Ack()

    await old.kill()
    await world.bus.serve(subjects.origin_hand_over(old.name), HandOverRequest, give_up_and_lose_the_race)

    with pytest.raises(RillcastError) as refusal:
        await world.publish(new)

    record = await world.record()
    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert record is not None
    assert record.owner == "origin-3"
