"""An edge that goes away: nobody comes in, everybody is told or refused, nothing is left at the parents."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from edge_harness import Begin, World, until
from test_viewer_join import answer_to

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import new_session_id
from rillcast.contracts.messages import SessionAnswer
from services.edge.usecases.session_end import TURN


async def draining_world(begin: Begin) -> World:
    world = await begin(drain_timeout_s=0.2)
    await world.parent("origin-1")
    await world.live()
    return world


async def test_every_viewer_is_sent_away_and_every_relay_given_back(begin: Begin) -> None:
    world = await draining_world(begin)
    answers = [await world.whep() for _ in range(5)]

    await world.drain()

    assert len(world.edge.viewers) == len(world.edge.relays) == 0
    assert all(world.told(answer.session)[-1] == ("closed", "draining") for answer in answers)
    origin = world.parents["origin-1"]
    assert {closed.relay for closed in origin.closed} == {opened.relay for opened in origin.opened}


async def test_those_that_can_be_told_over_their_socket_go_first(begin: Begin) -> None:
    world = await draining_world(begin)
    cut = [(await world.whep()).session for _ in range(2)]
    told = [(await world.play()).session for _ in range(2)]

    await world.drain()

    order = [change.session for change in world.changes if change.reason == "draining"]
    assert set(order[:2]) == set(told)
    assert set(order[2:]) == set(cut)


async def test_a_join_under_way_is_refused_so_that_another_edge_is_asked(begin: Begin) -> None:
    world = await draining_world(begin)
    gate = world.parents["origin-1"].gate = asyncio.Event()
    join = asyncio.create_task(world.whep())
    await until(lambda: len(world.parents["origin-1"].opened) == 2)

    draining = asyncio.create_task(world.drain())
    await until(lambda: len(world.edge.viewers) == 0)
    gate.set()
    await draining

    with pytest.raises(RillcastError, match="going away") as refusal:
        await join
    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert world.added() == []
    assert not [change for change in world.changes if change.reason == "draining"], "the asker hears the refusal"


async def test_a_join_that_waits_for_its_stream_is_refused_as_well(begin: Begin) -> None:
    world = await begin(drain_timeout_s=0.2)
    await world.parent("origin-1")
    join = asyncio.create_task(world.whep())
    await world.settle()
    world.media.draining = True

    await world.live()

    with pytest.raises(RillcastError, match="going away"):
        await join
    assert world.parents["origin-1"].opened == []


async def test_nobody_comes_in_any_more(begin: Begin) -> None:
    world = await draining_world(begin)
    await world.drain()

    with pytest.raises(RillcastError, match="going away") as refusal:
        await world.whep()

    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE


async def test_an_answer_that_comes_while_its_viewer_is_sent_away_is_refused(begin: Begin) -> None:
    world = await draining_world(begin)
    offer: SessionAnswer = await world.play()
    await world.drain()

    with pytest.raises(RillcastError) as refusal:
        await world.accept(offer.session, answer_to(offer.sdp))

    assert refusal.value.code is ErrorCode.UNKNOWN_SESSION
    assert world.told(offer.session) == [("closed", "draining")]


async def test_no_turn_of_the_event_loop_sends_more_than_a_few_away(begin: Begin) -> None:
    world = await draining_world(begin)
    for _ in range(3 * TURN):
        await world.whep(session=new_session_id())
    left = [len(world.edge.viewers)]

    draining = asyncio.create_task(world.drain())
    while left[-1]:
        await asyncio.sleep(0)
        left.append(len(world.edge.viewers))
    await draining

    assert (left[0], left[-1]) == (3 * TURN, 0)
    assert max(before - after for before, after in pairwise(left)) <= TURN
