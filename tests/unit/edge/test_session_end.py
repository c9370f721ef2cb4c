"""Sessions end once, completely, and without holding the event loop."""

from __future__ import annotations

import asyncio
import gc
import weakref

from edge_harness import KEY, SIGNALING, World, until
from test_command_backlog import MoodyPlane

from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import EndReason
from rillcast.media import protocol
from services.edge import metrics
from services.edge.usecases.session_end import TURN


async def test_a_busy_plane_keeps_nobody_from_being_told_and_removes_the_session_later(world: World) -> None:
    session, plane_session = await world.watching()
    plane = world.edge.backlog._plane = MoodyPlane()
    plane.busy = True

    await world.close(session)
    await until(lambda: world.told(session)[-1:] == [("closed", "stopped")])
    assert [feed.users for feed in world.edge.relays.feeds_of(KEY)] == [0, 0]

    plane.busy = False
    world.tick()
    assert plane.sessions() == [plane_session]


async def test_a_session_ends_once_whoever_wants_it(world: World) -> None:
    session, plane_session = await world.watching()

    await world.close(session)
    world.plane.emit(protocol.SessionClosed(session=plane_session, reason=protocol.CloseReason.REMOVED))
    await world.close(session)
    await world.settle()

    assert [state for state, _ in world.told(session)].count("closed") == 1
    assert len(world.plane.of(protocol.RemoveSession)) == 1


async def test_who_ends_a_session_that_it_has_opened_and_forgotten_is_not_told_of_the_end(world: World) -> None:
    session, plane_session = await world.watching()
    before = metrics.ENDED.labels("stopped")._value.get()

    assert await world.close(session, forgotten_by=SIGNALING)
    await world.settle()

    assert "closed" not in [state for state, _ in world.told(session)]
    assert [command.session for command in world.plane.of(protocol.RemoveSession)] == [plane_session]
    assert metrics.ENDED.labels("stopped")._value.get() == before + 1


async def test_the_instance_that_opened_a_session_is_told_when_another_one_has_it_ended(world: World) -> None:
    session, _ = await world.watching()

    await world.close(session, forgotten_by=NodeId("signaling-2"))

    await until(lambda: world.told(session)[-1:] == [("closed", "stopped")])


async def test_many_are_ended_in_turns(world: World) -> None:
    for _ in range(3 * TURN):
        await world.whep()
    ending = asyncio.create_task(world.edge.session_end.end_all(KEY, EndReason.STREAM_ENDED))
    left = []
    while not ending.done():
        await asyncio.sleep(0)
        left.append(len(world.edge.viewers))

    assert left[:3] == [2 * TURN, TURN, 0]


async def test_who_comes_while_the_others_are_ended_stays(world: World) -> None:
    for _ in range(2 * TURN):
        await world.whep()
    ending = asyncio.create_task(world.edge.session_end.end_all(KEY, EndReason.STREAM_ENDED))
    await asyncio.sleep(0)
    late = await world.whep()
    await ending

    assert [viewer.session for viewer in world.edge.viewers] == [late.session]


async def test_what_many_held_is_freed_in_turns_too(world: World) -> None:
    for _ in range(3 * TURN):
        await world.whep()
    there = [weakref.ref(viewer) for viewer in world.edge.viewers]
    ending = asyncio.create_task(world.edge.session_end.end_all(KEY, EndReason.STREAM_ENDED))
    freed = []
    while not ending.done():
        await asyncio.sleep(0)
        gc.collect()
        freed.append(sum(viewer() is None for viewer in there))

    assert freed[1] >= TURN, freed


async def test_a_session_that_the_plane_never_had_is_not_removed_from_it(world: World) -> None:
    offer = await world.play()

    await world.close(offer.session)

    assert world.plane.of(protocol.RemoveSession) == []
    assert len(world.edge.first_packets) == 0
