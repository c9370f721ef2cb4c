"""The child side of the relay tree: how referrals and standbys are followed, and what is given back on the way."""

from __future__ import annotations

import asyncio

import pytest
from relay_harness import REFUSAL, A, B, World

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, RelayId
from rillcast.contracts.messages import RelayLeaving
from rillcast.relay.child_relay import ChildState

NOBODY = NodeId("edge-9")


async def open_as_owner(world: World, owner: NodeId = A) -> None:
    await world.open(owner)


async def test_a_referral_is_followed_and_the_owner_stays_known(world: World) -> None:
    world.a.referral, world.b.level = (B,), 2

    await open_as_owner(world)

    assert (world.relay.state, world.relay.parent, world.relay.owner) == (ChildState.OPEN, B, A)
    assert (world.relay.level, world.outcomes) == (2, ["referred", "ok"])
    assert world.a.closed == [], "who refers holds nothing"
    await world.close()
    assert world.b.closed == world.b.opened


async def test_who_referred_to_somebody_dead_is_asked_again_and_hears_of_it(world: World) -> None:
    world.a.referral = (NOBODY, B)
    world.b.refusal = REFUSAL

    await open_as_owner(world)

    assert world.relay.parent == A
    assert [request.unreachable for request in world.a.asked] == [(), (NOBODY, B)]


async def test_the_refusal_of_the_owner_ends_the_attempt(world: World) -> None:
    world.a.refusal = REFUSAL

    with pytest.raises(RillcastError, match="64 nodes"):
        await open_as_owner(world)

    assert (world.relay.state, len(world.a.opened)) == (ChildState.WAITING, 1)


async def test_a_level_that_is_too_high_is_not_taken(world: World) -> None:
    world.a.level = 4

    with pytest.raises(RillcastError, match="it has level 4, and the most is 3") as refusal:
        await open_as_owner(world)

    assert refusal.value.code is ErrorCode.SERVER_ERROR
    await world.tasks.settle()
    assert world.a.closed == world.a.opened


async def test_a_node_with_children_asks_for_a_level_above_theirs(world: World) -> None:
    world.a.referral, world.b.level = (B,), 2
    await open_as_owner(world)
    assert world.b.asked[0].most_level == 3
    world.relay.children = 1

    world.relay.lost(world.clock())
    await open_as_owner(world)

    assert world.a.asked[-1].most_level == 2


async def test_a_standby_is_asked_before_the_owner_when_another_parent_fell_silent(world: World) -> None:
    standby = NodeId("edge-3")
    world.a.referral, world.b.standbys = (B,), (standby,)
    await open_as_owner(world)

    world.relay.lost(world.clock())

    assert world.relay.due <= world.clock(), "at once"
    search = world.relay.search(A)
    assert [search.next(), search.next(), search.next()] == [standby, A, None]
    assert search.unreachable == (B,), "so that nobody sends us back"


async def test_an_owner_that_fell_silent_is_asked_again_first_and_its_other_children_after_that(world: World) -> None:
    world.a.standbys = (B,)
    await open_as_owner(world)
    world.relay.lost(world.clock())
    assert world.relay.due > world.clock()
    await open_as_owner(world)
    assert len(world.a.opened) == 2

    world.relay.lost(world.clock())
    await open_as_owner(world)

    assert world.relay.parent == B


async def test_a_parent_that_leaves_is_left_and_told_once_another_one_feeds(world: World) -> None:
    world.a.referral = (B,)
    await open_as_owner(world)
    leaving = RelayLeaving(relay=world.b.opened[0], parent=B)

    assert world.relay.left_by(leaving, world.clock())
    assert world.b.closed == []
    await open_as_owner(world)

    assert (world.relay.parent, world.b.closed) == (A, world.b.opened)
    assert world.a.asked[-1].unreachable == (B,)


@pytest.mark.parametrize(
    "leaving", [RelayLeaving(relay=RelayId("forged"), parent=A), RelayLeaving(relay=RelayId("r"), parent=B)]
)
async def test_who_does_not_know_the_relay_moves_nobody(world: World, leaving: RelayLeaving) -> None:
    await open_as_owner(world)

    assert not world.relay.left_by(leaving, world.clock())
    assert world.relay.state is ChildState.OPEN


async def test_a_track_that_is_closed_during_a_search_asks_nobody_else(world: World) -> None:
    world.a.referral = (B,)
    world.a.gate.clear()
    asking = asyncio.create_task(open_as_owner(world))
    while not world.a.opened:
        await asyncio.sleep(0)

    world.relays.close(world.relay)
    world.a.gate.set()

    with pytest.raises(RillcastError):
        await asking
    assert (world.b.opened, world.relay.state) == ([], ChildState.CLOSED)
