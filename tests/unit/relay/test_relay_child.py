"""The child side of relays: what a parent's answer does to the plane, and what is given back when."""

from __future__ import annotations

import asyncio

import pytest
from relay_harness import REFUSAL, A, B, World, supply

from rillcast.contracts.epochs import Epoch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId
from rillcast.media.plane import PlaneBusy
from rillcast.media.protocol import AddRelaySource, Command, RemoveSource
from rillcast.relay.child import Outdated
from rillcast.relay.child_relay import ChildState
from rillcast.testing.plane import FakePlane

SERVER_ERROR = RillcastError(ErrorCode.SERVER_ERROR, "no")


async def test_a_grant_becomes_the_planes_source(world: World) -> None:
    await world.open(A)

    (command,) = world.plane.of(AddRelaySource)
    assert (command.source, command.parent, command.ssrc) == (1, "192.0.2.7:51000", 7)
    assert (world.relay.state, world.relay.parent, world.relay.epoch) == (ChildState.OPEN, A, Epoch(1, ClaimId("c1")))
    assert world.outcomes == ["ok"]


async def test_a_closed_relay_ends_its_source_and_is_given_back_once(world: World) -> None:
    await world.open(A)

    await world.close()

    assert [command.source for command in world.plane.of(RemoveSource)] == [1]
    assert world.a.closed == world.a.opened


async def test_a_relay_that_moves_is_given_back_to_the_old_parent_once_the_new_one_feeds(world: World) -> None:
    await world.open(A)
    world.relay.moved(world.clock())
    assert world.a.closed == []

    await world.open(B, epoch=7)

    assert world.a.closed == world.a.opened
    assert (world.b.closed, world.relay.parent, world.relay.claim) == ([], B, "c7")
    await world.close()
    assert (len(world.a.closed), world.b.closed) == (1, world.b.opened)


async def test_a_parent_that_fell_silent_may_still_be_sending_and_is_told(world: World) -> None:
    await world.open(A)
    world.relay.lost(world.clock())
    await world.open(B)

    assert world.a.closed == world.a.opened


async def test_the_same_parent_asked_again_replaces_its_own_relay(world: World) -> None:
    await world.open(A)
    world.relay.lost(world.clock())
    await world.open(A)

    assert (len(world.a.opened), world.a.closed) == (2, [])
    await world.close()
    assert world.a.closed == world.a.opened[1:]


async def test_a_relay_closed_while_it_waits_for_another_parent_is_given_back(world: World) -> None:
    await world.open(A)
    world.relay.lost(world.clock())

    await world.close()

    assert world.a.closed == world.a.opened


async def test_a_parent_that_never_answers_is_not_waited_for_once_another_has_the_track(world: World) -> None:
    world.a.gate.clear()  # as a node that ends, or stands still
    asking = asyncio.create_task(world.open(A))
    await settled()
    world.relays.outdate(world.relay, supply(A))
    await settled()
    assert not asking.done()

    for _ in range(4):  # as a stream's record that is written several times in a row; the last ones are too late
        world.relays.outdate(world.relay, supply(B, 7))
        await asyncio.sleep(0)

    with pytest.raises(Outdated):
        await asking
    assert world.relay.state is ChildState.WAITING
    assert world.relay.due <= world.clock() + 0.1
    await world.open(B, epoch=7)
    assert (world.relay.parent, world.relay.state) == (B, ChildState.OPEN)
    world.a.gate.set()
    await world.tasks.settle()
    assert (world.a.held, world.a.closed) == (None, world.a.opened)


async def test_nothing_is_outdated_while_nobody_is_asked(world: World) -> None:
    world.relays.outdate(world.relay, supply(B, 7))
    await world.open(A)
    world.relays.outdate(world.relay, supply(B, 7))
    assert (world.relay.parent, world.relay.state) == (A, ChildState.OPEN)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_grant_that_comes_after_the_close_is_given_back_and_feeds_nothing(world: World) -> None:
    world.a.gate.clear()
    opening = asyncio.create_task(world.open(A))
    while not world.a.opened:
        await asyncio.sleep(0)
    world.relays.close(world.relay)
    world.a.gate.set()
    await opening

    assert world.relay.state is ChildState.CLOSED
    assert world.plane.commands == []
    assert world.a.closed == world.a.opened


async def test_a_refusal_says_when_to_try_again_and_nothing_is_given_back(world: World) -> None:
    world.a.refusal = REFUSAL

    with pytest.raises(RillcastError, match="64 nodes"):
        await world.open(A)
    await world.tasks.settle()

    assert world.relay.state is ChildState.WAITING
    assert world.clock() + 0.05 <= world.relay.due <= world.clock() + 0.1
    assert (world.a.closed, world.outcomes) == ([], ["highResourceUsage"])


async def test_a_parent_whose_answer_makes_no_sense_may_hold_a_relay(world: World) -> None:
    world.a.refusal = SERVER_ERROR

    with pytest.raises(RillcastError):
        await world.open(A)
    await world.tasks.settle()

    assert world.a.closed == world.a.opened


async def test_a_grant_of_another_codec_is_given_back(world: World) -> None:
    world.a.codec = "AV1"

    with pytest.raises(RillcastError, match="it is AV1, not VP8"):
        await world.open(A)
    await world.tasks.settle()

    assert world.plane.commands == []
    assert world.a.closed == world.a.opened
    assert world.relay.state is ChildState.WAITING


async def test_a_grant_of_another_track_is_given_back(world: World) -> None:
    world.a.track = "a0"

    with pytest.raises(RillcastError, match="it is the track a0, not v0"):
        await world.open(A)
    await world.tasks.settle()

    assert (world.plane.commands, world.relay.track.track) == ([], "v0")
    assert world.a.closed == world.a.opened


async def test_a_plane_that_refuses_the_source_leaves_no_relay(world: World) -> None:
    world.plane.closed = True

    with pytest.raises(RillcastError, match="the plane is closed"):
        await world.open(A)
    await world.tasks.settle()

    assert world.a.closed == world.a.opened


class BusyPlane(FakePlane):
    def execute(self, command: Command) -> None:
        raise PlaneBusy("the worker is behind")


async def test_a_busy_plane_leaves_no_relay_and_the_relay_is_tried_again(world: World) -> None:
    world.relays._plane = BusyPlane()

    with pytest.raises(PlaneBusy):
        await world.open(A)
    await world.tasks.settle()

    assert world.a.closed == world.a.opened
    assert world.relay.state is ChildState.WAITING


async def test_who_is_cancelled_while_asking_leaves_no_relay(world: World) -> None:
    world.a.gate.clear()
    opening = asyncio.create_task(world.open(A))
    while not world.a.opened:
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait((opening,))
    await world.tasks.settle()

    assert world.relay.state is ChildState.WAITING
    assert world.a.closed == world.a.opened


async def test_nobody_there_is_a_refusal_and_the_close_that_fails_is_counted(world: World) -> None:
    gone = NodeId("origin-9")

    with pytest.raises(RillcastError) as refusal:
        await world.open(gone)
    await world.tasks.settle()

    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert world.outcomes == ["no_node_available", "close_no_node_available"]


async def test_waits_grow_with_failures_and_begin_anew_once_media_flows(world: World) -> None:
    world.a.refusal = REFUSAL
    waits = []
    for _ in range(6):
        with pytest.raises(RillcastError):
            await world.open(A)
        waits.append(world.relay.due - world.clock())
    world.relay.flows()
    with pytest.raises(RillcastError):
        await world.open(A)

    assert waits[0] <= 0.1 < waits[3] <= 0.8 < waits[5] <= 2.0
    assert world.relay.due - world.clock() <= 0.1


async def test_a_move_shortens_a_long_wait(world: World) -> None:
    world.a.refusal = REFUSAL
    for _ in range(6):
        with pytest.raises(RillcastError):
            await world.open(A)

    world.relay.moved(world.clock())

    assert world.relay.due <= world.clock() + 0.1
