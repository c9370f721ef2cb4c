"""Relays from parents: who feeds an edge's sources, for how long, and what becomes of the relays before."""

from __future__ import annotations

import asyncio

import pytest
from edge_harness import AUDIO, KEY, VIDEO, Begin, World, until

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media import protocol
from rillcast.relay.child_relay import ChildState


def relays(world: World, parent: str) -> tuple[set[str], set[str]]:
    """Ids of all that a parent was asked for, and of all that were given back."""
    asked = world.parents[parent]
    return {opened.relay for opened in asked.opened}, {closed.relay for closed in asked.closed}


async def test_a_lost_parent_is_asked_again_on_the_same_source_and_viewers_stay(world: World) -> None:
    session, _ = await world.watching()
    source = world.source_of("v0")
    opened = len(world.parents["origin-1"].opened)

    world.plane.emit(protocol.RelayParentLost(source=source))
    await world.pass_time(0.5)

    assert len(world.parents["origin-1"].opened) == opened + 1
    assert [feed.source for feed in world.feeds()].count(source) == 2
    assert ("closed", "stream_ended") not in world.told(session)
    assert world.plane.of(protocol.RemoveSession) == []


async def test_a_new_owner_feeds_the_same_sources(world: World) -> None:
    await world.watching()
    await world.parent("origin-2")
    sources = {world.source_of("v0"), world.source_of("a0")}

    await world.live("origin-2", epoch=7)
    await world.pass_time(0.5)

    assert {o.claim for o in world.parents["origin-2"].opened} == {"c7"}
    assert {feed.source for feed in world.feeds()[-2:]} == sources
    assert len(world.feeds()) == 4


async def test_a_new_owner_is_asked_in_the_moment_in_which_it_is_known(world: World) -> None:
    await world.watching()
    second = await world.parent("origin-2")

    await world.live(epoch=2, owner="origin-2")
    await world.settle()

    assert len(second.opened) == 2, "no tick, no time"


async def test_an_owner_out_of_reach_is_retried_with_growing_delays_until_it_answers(world: World) -> None:
    await world.watching()
    await world.live("origin-2", epoch=7)

    await world.pass_time(10.0, step_s=0.05)
    attempts = [m for _, m in world.edge_bus.requested if getattr(m, "claim", "") == "c7" and m.track == "v0"]
    late = await world.parent("origin-2")
    await world.pass_time(2.5)

    assert 5 <= len(attempts) <= 16
    assert {o.track for o in late.opened} == {"v0", "a0"}


async def test_a_claim_anew_by_the_living_owner_leaves_the_relays_alone(world: World) -> None:
    await world.watching()

    await world.live("origin-1", epoch=1042, since=1)
    await world.pass_time(1.0)

    assert len(world.feeds()) == 2


async def test_a_new_claim_of_the_same_owner_opens_anew(world: World) -> None:
    await world.watching()

    await world.live("origin-1", epoch=9)
    await world.pass_time(0.5)

    assert len(world.feeds()) == 4


async def test_a_change_while_the_relay_is_being_opened_is_not_missed(world: World) -> None:
    world.parents["origin-1"].gate = asyncio.Event()  # which ends, or stands still, and never answers
    join = asyncio.create_task(world.whep())
    await until(lambda: len(world.parents["origin-1"].opened) == 2)
    await world.parent("origin-2")
    await world.live("origin-2", epoch=7)

    await world.pass_time(0.5)
    await join

    assert {o.track for o in world.parents["origin-2"].opened} == {"v0", "a0"}


async def test_relays_linger_after_the_last_viewer_and_then_are_closed(world: World) -> None:
    session, _ = await world.watching()
    await world.close(session)

    await world.pass_time(29.0, step_s=1.0)
    assert world.plane.of(protocol.RemoveSource) == []
    await world.pass_time(2.0)

    assert {r.source for r in world.plane.of(protocol.RemoveSource)} == {feed.source for feed in world.feeds()}
    assert len(world.parents["origin-1"].closed) == 2


async def test_a_viewer_within_the_linger_time_uses_the_open_relay(world: World) -> None:
    session, _ = await world.watching()
    await world.close(session)
    await world.pass_time(20.0, step_s=1.0)

    await world.watching()
    await world.pass_time(60.0, step_s=1.0)

    assert len(world.feeds()) == 2
    assert world.plane.of(protocol.RemoveSource) == []


async def test_a_lingering_relay_that_lost_its_parent_is_opened_anew_for_the_next_viewer(world: World) -> None:
    session, _ = await world.watching()
    await world.close(session)
    for feed in world.feeds():
        world.plane.emit(protocol.RelayParentLost(source=feed.source))
    await world.pass_time(1.0)
    assert len(world.feeds()) == 2

    await world.whep()

    assert len(world.feeds()) == 4


async def test_the_owner_before_is_told_once_the_new_one_feeds(world: World) -> None:
    await world.watching()
    await world.parent("origin-2")

    await world.live("origin-2", epoch=7)
    await world.pass_time(0.5)

    opened, closed = relays(world, "origin-1")
    assert opened == closed
    assert relays(world, "origin-2")[1] == set()


async def test_a_silent_parent_is_told_as_well_when_another_one_has_taken_over(world: World) -> None:
    await world.watching()
    world.plane.emit(protocol.RelayParentLost(source=world.source_of("v0")))
    await world.parent("origin-2")
    await world.live("origin-2", epoch=7)
    await world.pass_time(0.5)

    opened, closed = relays(world, "origin-1")
    assert opened == closed


async def test_silence_that_is_no_news_counts_once(world: World) -> None:
    await world.watching()
    source = world.source_of("v0")
    world.parents["origin-1"].refusal = RillcastError(ErrorCode.NO_STREAM_EXIST, "gone")
    before = len(world.parents["origin-1"].opened)

    for _ in range(3):
        world.plane.emit(protocol.RelayParentLost(source=source))
    await world.pass_time(0.1, step_s=0.05)

    assert len(world.parents["origin-1"].opened) == before + 1


async def test_a_source_that_the_plane_refused_is_asked_for_again(world: World) -> None:
    await world.watching()
    before = len(world.parents["origin-1"].opened)

    world.plane.emit(protocol.Error(command="add_relay_source", id=world.source_of("v0"), message="no"))
    await world.pass_time(0.5)

    assert len(world.parents["origin-1"].opened) == before + 1


async def test_a_feed_that_nobody_got_is_closed_at_once(world: World) -> None:
    world.parents["origin-1"].refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
    gate = world.parents["origin-1"].gate = asyncio.Event()
    join = asyncio.create_task(world.whep())
    await until(lambda: len(world.parents["origin-1"].opened) == 2)
    await world.close(next(iter(world.edge.viewers)).session)
    gate.set()

    with pytest.raises(RillcastError):
        await join
    await world.settle()
    assert len(world.edge.relays) == 0


async def test_only_feeds_that_time_may_change_are_looked_at_each_tick(world: World) -> None:
    session, _ = await world.watching()
    await world.pass_time(1.0)
    assert world.edge.relays._unsettled == set()

    await world.close(session)
    assert len(world.edge.relays._unsettled) == 2


async def test_the_stream_that_ended_is_closed_while_its_relay_is_still_being_opened(world: World) -> None:
    gate = world.parents["origin-1"].gate = asyncio.Event()
    join = asyncio.create_task(world.whep())
    await until(lambda: len(world.parents["origin-1"].opened) == 2)
    feeds = world.edge.relays.feeds_of(KEY)

    await world.ended(epoch=1)
    assert [feed.relay.state for feed in feeds] == [ChildState.CLOSED] * 2
    gate.set()
    with pytest.raises(RillcastError):
        await join
    await world.settle()

    opened, closed = relays(world, "origin-1")
    assert opened == closed
    assert world.feeds() == []
    assert world.plane.of(protocol.RemoveSource) == []


async def test_a_track_that_comes_back_in_another_codec_is_not_fed_to_its_old_source(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1", VIDEO, AUDIO)
    await world.live()
    await world.watching()
    await world.parent("origin-2", AUDIO)
    await world.live("origin-2", epoch=5, tracks=(AUDIO,))
    await world.pass_time(3.0)

    assert {opened.track for opened in world.parents["origin-2"].opened} == {"a0"}


async def test_a_node_with_too_much_on_the_side_asks_a_parent_a_moment_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(world.media.tasks, "_most", 0)
        join = asyncio.create_task(world.whep())
        await world.settle()
        assert [feed.relay.state for feed in world.edge.relays.feeds_of(KEY)] == [ChildState.WAITING] * 2
    await world.pass_time(0.5)

    assert (await join).sdp
