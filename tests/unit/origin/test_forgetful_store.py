"""The store returns to an earlier state: whose streams it forgot has them again, and nobody else gets them by that."""

from __future__ import annotations

import pytest
from origin_harness import World

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media import protocol
from rillcast.testing.kv import FakeKeyValue


def forget(store: FakeKeyValue) -> None:
    """All that was written."""
    store.roll_back(0)


async def test_the_owner_claims_anew_and_everything_given_away_stays_valid(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)
    before = await world.settled_record()
    await world.open_relay(origin)

    forget(world.streams)
    await world.pass_time(2.5)

    after = await world.settled_record()
    assert (after.owner, after.claim, after.epoch > before.epoch) == (origin.name, before.claim, True)
    assert origin.plane.of(protocol.RemoveRelay) == []
    assert ("closed", None) not in world.told(answer.session)
    assert (await world.open_relay(origin, claim=before.claim)).claim == before.claim


async def test_the_owner_claims_over_the_record_that_it_had_replaced(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settled_record()
    forgotten_from = world.streams.revision
    await world.go_live(new)
    before = await world.settled_record()
    assert before.owner == new.name

    world.streams.roll_back(forgotten_from)
    await world.pass_time(2.5)

    after = await world.settled_record()
    assert (after.owner, after.claim) == (new.name, before.claim)
    assert len(new.living_sources()) == 2
    assert old.living_sources() == []


async def test_a_stranger_gets_no_stream_because_the_store_forgot_its_owner(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settled_record()
    await world.settle()

    forget(world.streams)
    with pytest.raises(RillcastError) as refusal:
        await world.go_live(new, credential_digest="other")

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert old.plane.of(protocol.RemoveSession) == []


async def test_a_forgotten_owner_that_does_not_answer_keeps_nobody_out(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settled_record()
    await world.settle()
    await old.kill()

    forget(world.streams)
    answer = await world.go_live(new, credential_digest="other")

    assert not answer.restored


async def test_the_rightful_publisher_moves_although_the_store_forgot_and_its_former_owner_stands_down(
    world: World,
) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    before = await world.settled_record()

    forget(world.streams)
    await world.go_live(new)
    await world.pass_time(2.5)

    after = await world.settled_record()
    assert (after.owner, after.epoch > before.epoch, after.claim != before.claim) == (new.name, True, True)
    assert old.living_sources() == []
