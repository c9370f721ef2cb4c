"""A stream changes its origin: handed over, taken from the dead, contested."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import msgspec
import pytest
from origin_harness import KEY, World, until

from rillcast.contracts import subjects
from rillcast.contracts.decoding import decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import Ack, HandOverRequest
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.subjects import STREAM_LEASE_S
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


@pytest.mark.parametrize("same_id", [False, True])
async def test_whoever_is_let_in_has_a_dead_origins_stream_at_once_when_signaling_knows_of_its_end(
    world: World, same_id: bool
) -> None:
    old = await world.origin("origin-1")
    await world.go_live(old, has_credentials=False, secret_digest="s")
    dead = await world.settled_record()
    await old.kill()
    new = await world.origin("origin-1" if same_id else "origin-2")

    answer = await world.go_live(new, has_credentials=False, secret_digest="t", ownerless_claim=dead.claim)

    assert answer.restored
    now_there = await world.settled_record()
    assert (now_there.owner, now_there.started_at_ms) == (new.name, dead.started_at_ms)
    assert now_there.claim != dead.claim


@pytest.mark.parametrize("why", ["verified", "movable", "another claim", "unknown"])
async def test_a_stranger_waits_for_the_lease_of_whoever_is_verified_or_moved_and_of_a_claim_that_has_an_owner_perhaps(
    world: World, why: str
) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    verified, movable = why == "verified", why == "movable"
    await world.go_live(
        old, has_credentials=verified, credential_digest="mine", secret_digest="s", movable=movable, session="first"
    )
    claim = (await world.settled_record()).claim
    await old.kill()

    ownerless = {"another claim": "one-before", "unknown": ""}.get(why, str(claim))
    with pytest.raises(RillcastError) as refusal:
        await world.go_live(new, has_credentials=False, secret_digest="t", ownerless_claim=ownerless)

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert refusal.value.retry_after_s


async def test_a_publisher_that_is_moved_has_its_stream_among_strangers_and_keeps_it_when_it_is_moved_again(
    world: World,
) -> None:
    mine = {"has_credentials": False, "credential_digest": "s", "secret_digest": "s", "movable": True}
    theirs = {"has_credentials": False, "credential_digest": "t", "secret_digest": "t"}
    origins = [await world.origin(f"origin-{number}") for number in (1, 2, 3)]
    await world.go_live(origins[0], **mine)
    for old, new in pairwise(origins):
        claim = (await world.settled_record()).claim
        await old.kill()
        with pytest.raises(RillcastError):
            await world.publish(new, **theirs, ownerless_claim=claim)

        answer = await world.go_live(new, **mine, ownerless_claim=claim)

        assert (await world.settled_record()).publisher_session == answer.session


@pytest.mark.parametrize("movable", [False, True])
async def test_a_rightful_publisher_does_not_wait_for_what_a_frozen_owner_says_of_strangers(
    world: World, movable: bool
) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old, movable=movable)
    await world.settled_record()
    await old.freeze()
    strangers = [asyncio.create_task(world.publish(new, credential_digest=f"other {n}")) for n in range(5)]
    await until(lambda: new.origin.owner._newcomers.looking)
    asked_at = asyncio.get_running_loop().time()

    answer = await world.publish(new)

    assert answer.restored
    assert asyncio.get_running_loop().time() - asked_at < 0.1
    refusals = await asyncio.gather(*strangers, return_exceptions=True)
    assert {getattr(one, "code", None) for one in refusals} == {ErrorCode.STREAM_ID_IN_USE}


async def test_the_stream_of_a_publisher_that_could_be_moved_and_is_not_is_free_when_its_lease_is_over(
    world: World,
) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old, has_credentials=False, credential_digest="s", secret_digest="s", movable=True)
    await world.settled_record()
    await old.kill()
    await world.pass_time(STREAM_LEASE_S + 1.0)

    answer = await world.go_live(new, has_credentials=False, credential_digest="t", secret_digest="t")

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
