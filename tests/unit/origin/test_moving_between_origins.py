"""A stream changes its origin: handed over, taken from the dead, contested."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from origin_harness import KEY, World, until

from rillcast.contracts import subjects
from rillcast.contracts.decoding import decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import Ack, HandOverRequest
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.words import EndReason
from rillcast.media import protocol
from rillcast.runtime.ports import Entry
from services.origin.usecases.stream_owner import StreamOwner


async def test_the_rightful_publisher_takes_its_stream_to_another_origin(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    first = await world.go_live(old)
    before = await world.settled_record()

    second = await world.go_live(new)

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
    await world.go_live(old)
    await world.settled_record()

    await world.go_live(new)
    await world.settle()

    assert all(value is not None for _, value in world.streams.writes)


async def test_a_killed_origins_stream_is_claimed_without_waiting_for_its_lease(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    before = await world.settled_record()
    await old.kill()

    answer = await world.go_live(new)

    after = await world.settled_record()
    assert answer.restored
    assert (after.owner, after.epoch > before.epoch) == (new.name, True)


async def test_a_frozen_origins_stream_is_claimed_without_waiting_for_its_answer(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    before = await world.settled_record()
    await old.freeze()
    answer = await world.publish(new)
    asked_at = asyncio.get_running_loop().time()

    new.media()

    await until(lambda: ("media", None) in world.told(answer.session))
    assert asyncio.get_running_loop().time() - asked_at <= 0.11
    after = await world.settled_record()
    assert answer.restored
    assert (after.owner, after.epoch > before.epoch) == (new.name, True)


async def test_an_owner_that_writes_while_its_stream_is_claimed_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is alive, so it answers soon; to run a race with its writes would be lost now and then."""
    hand_over = StreamOwner.hand_over

    async def slowly(owner: StreamOwner, request: HandOverRequest) -> Ack:
        await asyncio.sleep(0.5)
        return await hand_over(owner, request)

    monkeypatch.setattr(StreamOwner, "hand_over", slowly)
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    first = await world.go_live(old)
    await world.settled_record()
    owned = old.origin.owner._streams.key(KEY)
    assert owned is not None
    await world.settle()
    get = world.streams.get

    async def get_before_they_write(key: str) -> Entry | None:
        """The owner is always a little faster than whoever writes next."""
        entry = await get(key)
        if owned in old.origin.owner._streams:
            owned.hold.write()
            await owned.hold._keeper.step()
        return entry

    monkeypatch.setattr(world.streams, "get", get_before_they_write)
    answer = await world.go_live(new)

    assert answer.restored
    assert (await world.settled_record()).owner == new.name
    await until(lambda: world.told(first.session)[-1] == ("closed", "replaced"))
    assert len(old.plane.of(protocol.RemoveSession)) == 1


async def test_a_frozen_origin_that_wakes_finds_its_stream_gone_and_never_writes_over_it(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settled_record()
    old.task, running = None, old.task
    await old.freeze()
    await world.go_live(new)
    claimed = len(world.streams.writes)

    old.bus.connected, old.task = True, running
    await world.pass_time(7.0)

    owners = {decode_json(value, StreamRecord).owner for _, value in world.streams.writes[claimed:] if value}
    assert owners == {new.name}
    assert len(old.origin.owner._streams) == 0
    assert "ended" not in world.announced()


async def test_an_origin_that_wakes_too_late_leaves_the_stream_where_its_publisher_is(world: World) -> None:
    """It finds the request in its socket, and right behind it the word that another origin was asked."""
    late, new = await world.origin("origin-1"), await world.origin("origin-2")
    kept = await world.go_live(new, session="same")

    world.streams.answer_s = 0.01
    asking = asyncio.create_task(world.publish(late, session="same"))
    await until(lambda: late.origin.owner._newcomers.looking)
    await world.close(late, kept.session, reason=EndReason.NOT_ANSWERED)
    with pytest.raises(RillcastError) as refusal:
        await asking

    assert refusal.value.code is ErrorCode.UNKNOWN_SESSION
    assert (await world.settled_record()).owner == new.name
    assert ("closed", "replaced") not in world.told(kept.session)
    assert late.nothing_is_left()


async def test_a_stranger_cannot_have_a_killed_origins_stream_before_the_lease_is_over(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settled_record()
    await old.kill()

    with pytest.raises(RillcastError) as refusal:
        await world.go_live(new, credential_digest="other")
    await world.pass_time(7.0)
    answer = await world.go_live(new, credential_digest="other")

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert refusal.value.retry_after_s
    assert not answer.restored


async def test_a_stranger_at_another_origin_is_refused_while_the_publisher_is_alive(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old, has_credentials=False, secret_digest="s")
    await world.settled_record()

    with pytest.raises(RillcastError) as refusal:
        await world.go_live(new, credential_digest="other", secret_digest="t", has_credentials=False)

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert old.plane.of(protocol.RemoveSession) == []


async def test_a_publisher_whose_network_changed_gets_its_stream_at_another_origin(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old, has_credentials=False, secret_digest="s")
    await world.settled_record()
    await world.pass_time(3.5)

    answer = await world.go_live(new, credential_digest="other address", has_credentials=False)

    assert answer.restored


async def test_a_deposed_origin_stands_down_without_a_word_about_the_end(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    first = await world.go_live(old)
    await world.settled_record()
    old.bus.connected = False  # cut off from the others, not from its publisher

    await world.go_live(new)
    await world.pass_time(2.5)

    await until(lambda: len(old.plane.of(protocol.RemoveSession)) == 1)
    assert "ended" not in world.announced()
    record = await world.record()
    assert record is not None
    assert record.owner == new.name
    assert first.session not in {record.publisher_session}


async def test_a_restarted_origin_takes_its_own_orphaned_record_back_for_its_publisher(world: World) -> None:
    old = await world.origin("origin-1")
    await world.go_live(old)
    before = await world.settled_record()
    await old.kill()
    new = await world.origin("origin-1")

    with pytest.raises(RillcastError, match="another publisher"):
        await world.go_live(new, credential_digest="other")
    answer = await world.go_live(new)

    after = await world.settled_record()
    assert answer.restored
    assert after.epoch > before.epoch
    assert after.claim != before.claim


async def test_whoever_first_brings_media_has_the_stream_whichever_origin_was_asked(world: World) -> None:
    one, two = await world.origin("origin-1"), await world.origin("origin-2")
    slow = await world.publish(one)
    fast = await world.publish(two, credential_digest="other")
    two.media()
    await until(lambda: world.announced() == ["started"])

    one.media()

    await until(lambda: world.told(slow.session)[-1:] == [("closed", "in_use")])
    assert one.nothing_is_left()
    assert (await world.settled_record()).publisher_session == fast.session


async def test_a_moved_stream_stays_live_in_the_record_before_its_media_arrives(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settle()
    before = await world.settled_record()

    await world.go_live(new)

    after = await world.settled_record()
    assert after.media_flowing
    assert after.started_at_ms == before.started_at_ms


async def test_a_claim_that_came_in_between_is_not_overwritten(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    before = await world.settled_record()
    foreign = msgspec.structs.replace(
        before, owner=NodeId("origin-3"), publisher_session=SessionId("third"), credential_digest="third", epoch=0
    )

    async def give_up_and_lose_the_race(_request: HandOverRequest) -> Ack:
        await world.streams.put(KEY, msgspec.json.encode(foreign))
        return Ack()

    await old.kill()
    await world.bus.serve(subjects.origin_hand_over(old.name), HandOverRequest, give_up_and_lose_the_race)

    answer = await world.publish(new)
    new.media()

    await until(lambda: world.told(answer.session)[-1:] == [("closed", "in_use")])
    record = await world.record()
    assert record is not None
    assert record.owner == "origin-3"
