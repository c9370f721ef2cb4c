"""An edge that goes away: nobody comes in, everybody is told or refused, nothing is left at the parents."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from edge_harness import Begin, World, until
from test_viewer_join import answer_to

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import new_session_id
from rillcast.contracts.messages import CloseRequest, SessionAnswer
from rillcast.contracts.words import EndReason
from rillcast.media import protocol
from rillcast.runtime.process.departure import Load
from services.edge.usecases.drain import CUT_FROM, MOVE_S
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


async def test_a_viewer_that_was_told_is_served_until_another_edge_has_it(begin: Begin) -> None:
    world = await begin(drain_timeout_s=20.0)
    await world.parent("origin-1")
    await world.live()
    sessions = [(await world.play()).session for _ in range(2)]
    departure = world.departure()
    world.media.draining = True

    leaving = asyncio.create_task(world.edge.drain.leave(departure))
    await until(lambda: all(world.told(session) == [("closed", "draining")] for session in sessions))
    assert len(world.edge.viewers) == 2
    assert world.plane.of(protocol.RemoveSession) == []
    for session in sessions:
        await world.edge.requests.close(CloseRequest(session=session, reason=EndReason.REPLACED))
    await leaving

    assert departure.left_s > 10.0, "nobody waits longer than needed"
    assert departure.cut == {}
    assert [world.told(session) for session in sessions] == [[("closed", "draining")]] * 2, "nobody is told twice"


async def test_a_viewer_that_was_told_and_does_not_go_is_cut_off_and_named(begin: Begin) -> None:
    world = await begin(drain_timeout_s=600.0)
    await world.parent("origin-1")
    await world.live()
    session = (await world.play()).session
    departure = world.departure()
    world.media.draining = True

    await world.edge.drain.leave(departure)

    assert 600.0 - departure.left_s == pytest.approx(MOVE_S, abs=1.0)
    assert departure.cut == {Load.VIEWERS: 1}
    assert departure.names == [f"viewer {session} of live/s1"]
    assert len(world.edge.viewers) == 0


async def test_while_no_other_edge_takes_viewers_an_operators_drain_sends_nobody_away(begin: Begin) -> None:
    world = await begin(drain_timeout_s=30.0)
    await world.parent("origin-1")
    await world.live()
    session = (await world.play()).session
    departure = world.departure(ending=False, elsewhere=False)

    leaving = asyncio.create_task(world.edge.drain.leave(departure))
    await asyncio.sleep(29.0)
    assert len(world.edge.viewers) == 1
    assert world.told(session) == []
    leaving.cancel()
    await asyncio.wait((leaving,))


async def test_an_operators_drain_leaves_those_alone_who_can_only_be_cut(begin: Begin) -> None:
    world = await begin(drain_timeout_s=100.0)
    await world.parent("origin-1")
    await world.live()
    for _ in range(3):
        await world.whep()
    departure = world.departure(ending=False)

    leaving = asyncio.create_task(world.edge.drain.leave(departure))
    await asyncio.sleep(100.0 * CUT_FROM - 1.0)
    assert len(world.edge.viewers) == 3
    await leaving
    assert departure.cut == {Load.VIEWERS: 3}
    assert departure.left_s > 0


async def test_an_edge_that_stays_after_all_serves_viewers_again(begin: Begin) -> None:
    world = await draining_world(begin)
    await world.whep()
    await world.drain()
    world.media.draining = False
    world.edge.drain.stay()

    opened = len(world.parents["origin-1"].opened)
    again = await world.whep()

    assert len(world.edge.viewers) == 1
    assert len(world.parents["origin-1"].opened) > opened, "relays are asked for anew"
    assert world.told(again.session) == []
    await world.drain()
    assert world.told(again.session) == [("closed", "draining")]


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
