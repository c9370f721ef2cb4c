"""An edge that feeds other edges: they use its feeds as viewers do, and are told when they had better go elsewhere."""

from __future__ import annotations

import asyncio

import pytest
from edge_harness import APP, EDGE, KEY, STREAM, Begin, World, claim_of, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, RelayId, TrackId
from rillcast.contracts.messages import Ack, RelayAnswer, RelayClose, RelayLeaving, RelayOpen
from rillcast.media import protocol
from rillcast.media.protocol import PlaneRelay

CHILD = NodeId("edge-2")


async def give(world: World, child: NodeId = CHILD, *, epoch: int = 1, track: str = "v0", most_level: int = 3) -> str:
    """Another edge asks for a track. The relay's id when it gets it, or whom it is sent to."""
    request = RelayOpen(
        app=APP,
        stream=STREAM,
        track=TrackId(track),
        claim=claim_of(epoch),
        child=child,
        relay=RelayId(f"{child}-{track}"),
        child_address="192.0.2.9:51000",
        most_level=most_level,
    )
    answer = await world.bus.request(subjects.media_relay_open(EDGE), request, RelayAnswer)
    assert answer.grant is not None
    assert answer.grant.level == 2
    return request.relay


async def take_back(world: World, relay: str, child: NodeId = CHILD) -> None:
    request = RelayClose(relay=RelayId(relay), child=child)
    await world.bus.request(subjects.media_relay_close(EDGE), request, Ack)


async def hear(world: World, child: NodeId = CHILD) -> list[RelayLeaving]:
    """What a child of the edge is told from now on."""
    heard: list[RelayLeaving] = []

    async def note(_subject: str, event: RelayLeaving) -> None:
        heard.append(event)

    await world.bus.listen(subjects.media_relay_leaving(child), RelayLeaving, note)
    return heard


async def test_what_comes_in_goes_on_from_the_same_source_and_names_who_is_above(world: World) -> None:
    await world.watching()

    await give(world)

    (relay,) = world.plane.of(protocol.AddRelay)
    assert relay.source == world.source_of("v0")


async def test_a_child_keeps_the_feed_when_the_last_viewer_has_left_and_it_lingers_after_it(
    world: World,
) -> None:
    session, _ = await world.watching()
    relay = await give(world)
    await world.close(session)

    await world.pass_time(60.0, step_s=1.0)
    assert [feed.track.track for feed in world.edge.relays.feeds_of(KEY)] == ["v0"]
    await take_back(world, relay)
    await world.pass_time(29.0, step_s=1.0)
    assert len(world.edge.relays) == 1
    await world.pass_time(2.0, step_s=1.0)

    assert len(world.edge.relays) == len(world.edge.downstream) == 0


async def test_a_child_that_fell_silent_keeps_nothing(world: World) -> None:
    session, _ = await world.watching()
    await give(world)
    await world.close(session)

    world.plane.emit(protocol.RelayChildLost(relay=PlaneRelay(1)))
    await world.pass_time(31.0, step_s=1.0)

    assert len(world.edge.relays) == len(world.edge.downstream) == 0


@pytest.mark.parametrize("epoch", [1, 2])
async def test_what_does_not_come_in_here_under_that_claim_is_refused(world: World, epoch: int) -> None:
    if epoch == 2:
        await world.watching()

    with pytest.raises(RillcastError) as refusal:
        await give(world, epoch=epoch)

    assert refusal.value.code is ErrorCode.NO_STREAM_EXIST
    assert world.plane.of(protocol.AddRelay) == []


async def test_a_child_that_comes_while_the_feed_is_being_opened_waits_for_it(world: World) -> None:
    gate = world.parents["origin-1"].gate = asyncio.Event()
    join = asyncio.create_task(world.whep())
    await until(lambda: len(world.parents["origin-1"].opened) == 2)
    asking = asyncio.create_task(give(world))
    await world.settle()
    assert not asking.done()

    gate.set()
    await join

    assert await asking == "edge-2-v0"


async def test_an_edge_with_a_child_asks_for_no_higher_level_and_a_child_that_may_not_be_so_low_is_refused(
    world: World,
) -> None:
    await world.watching()
    await give(world)
    with pytest.raises(RillcastError, match="this node has level 1"):
        await give(world, NodeId("edge-3"), most_level=1)

    world.plane.emit(protocol.RelayParentLost(source=world.source_of("v0")))
    await world.pass_time(0.5)

    asked = [opened for opened in world.parents["origin-1"].opened if opened.track == "v0"]
    assert [opened.most_level for opened in asked] == [3, 1]


async def test_a_full_or_draining_edge_takes_no_children(begin: Begin) -> None:
    world = await begin(max_children=1)
    await world.parent("origin-1")
    await world.live()
    await world.watching()
    await give(world, track="a0")
    with pytest.raises(RillcastError, match="feeds as many others as it may"):
        await give(world, NodeId("edge-3"))

    world.media.draining = True

    with pytest.raises(RillcastError, match="going away") as refusal:
        await give(world)
    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE


async def test_an_edge_that_may_have_no_children_says_so_and_has_none(begin: Begin) -> None:
    world = await begin(max_children=0)
    await world.parent("origin-1")
    await world.live()
    await world.watching()

    assert {opened.gives for opened in world.parents["origin-1"].opened} == {False}
    with pytest.raises(RillcastError):
        await give(world)


async def test_children_are_told_first_when_the_edge_drains_and_their_relays_end_last(begin: Begin) -> None:
    world = await begin(drain_timeout_s=2.0)
    await world.parent("origin-1")
    await world.live()
    await world.watching()
    heard = await hear(world)
    relay = await give(world)

    draining = asyncio.create_task(world.drain())
    await until(lambda: bool(heard))
    assert heard == [RelayLeaving(relay=RelayId(relay), parent=EDGE)]
    assert world.plane.of(protocol.RemoveRelay) == []
    await take_back(world, relay)
    await draining

    assert len(world.edge.relays) == len(world.edge.downstream) == 0


async def test_a_child_that_does_not_leave_does_not_hold_up_the_drain(begin: Begin) -> None:
    world = await begin(drain_timeout_s=0.5)
    await world.parent("origin-1")
    await world.live()
    await world.watching()
    await give(world)

    await world.drain()

    assert len(world.edge.relays) == len(world.edge.downstream) == 0
    kinds = [type(c).__name__ for c in world.plane.commands]
    assert kinds.index("RemoveRelay") < kinds.index("RemoveSource")


async def test_the_end_of_the_stream_ends_the_relays_before_the_sources(world: World) -> None:
    await world.watching()
    await give(world)

    await world.ended(1)

    kinds = [type(c).__name__ for c in world.plane.commands]
    assert kinds.index("RemoveRelay") < kinds.index("RemoveSource")
    assert len(world.edge.relays) == len(world.edge.downstream) == 0


async def test_children_of_an_edge_that_nobody_feeds_are_told_and_then_let_go(world: World) -> None:
    await world.watching()
    heard = await hear(world)
    await give(world)
    world.parents["origin-1"].refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")

    world.plane.emit(protocol.RelayParentLost(source=world.source_of("v0")))
    await world.pass_time(0.5)
    assert heard == []
    await world.pass_time(1.0)
    assert len(heard) == 1
    assert world.plane.of(protocol.RemoveRelay) == []
    await world.pass_time(2.5)
    assert len(world.plane.of(protocol.RemoveRelay)) == 1
    world.parents["origin-1"].refusal = None
    await world.pass_time(3.0)

    asked = [opened for opened in world.parents["origin-1"].opened if opened.track == "v0"]
    assert asked[-1].most_level == 3, "without children any level will do"


async def test_nothing_is_left_of_a_child_whose_relay_the_plane_refuses(world: World) -> None:
    session, _ = await world.watching()
    await give(world)
    await world.close(session)

    world.plane.emit(protocol.Error(command="add_relay", id=1, message="no such source"))
    await world.pass_time(31.0, step_s=1.0)

    assert len(world.edge.relays) == len(world.edge.downstream) == 0


async def test_a_parent_that_leaves_is_left_without_a_gap(world: World) -> None:
    await world.watching()
    source = world.source_of("v0")
    relay = next(opened.relay for opened in world.parents["origin-1"].opened if opened.track == "v0")

    await world.bus.emit(subjects.media_relay_leaving(EDGE), RelayLeaving(relay=relay, parent=NodeId("origin-1")))
    await world.settle()
    await world.pass_time(0.5)

    assert [feed.source for feed in world.feeds()].count(source) == 2
    assert world.plane.of(protocol.RemoveSource) == []
