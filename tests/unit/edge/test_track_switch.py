"""How tracks get to another rendition: many at once, in vain, and not twice."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from edge_harness import AUDIO, EDGE, KEY, VIDEO, Begin, World, rung, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import Ack, SelectRendition
from rillcast.media import protocol
from services.edge.usecases.track_switch import TURN

LOW, HIGH = rung(360, 600_000), msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)


async def crowd(begin: Begin, viewers: int) -> World:
    """Viewers of the publisher's rendition who all want the rung, whose relay isn't answered yet."""
    world = await begin()
    await world.parent("origin-1", HIGH, AUDIO)
    transcoder = await world.parent("transcoder-1", LOW)
    transcoder.gate = asyncio.Event()
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW)
    for _ in range(viewers):
        session, _ = await world.watching()
        await world.bus.request(subjects.edge_select(EDGE), SelectRendition(session=session, height=360), Ack)
    return world


def users(world: World) -> dict[str, int]:
    return {feed.track.track: feed.users for feed in world.edge.relays.feeds_of(KEY)}


async def test_all_who_wait_for_a_relay_are_switched_in_turns_once_it_opens(begin: Begin) -> None:
    world = await crowd(begin, 2 * TURN)
    gate = world.parents["transcoder-1"].gate
    assert gate is not None
    gate.set()
    counts = set()
    while len(world.edge.switch):
        await asyncio.sleep(0)
        counts.add(len(world.plane.of(protocol.SwitchSource)))

    assert {0, TURN, 2 * TURN} <= counts <= {0, TURN, 2 * TURN}
    assert users(world) == {"v0": 2 * TURN, "a0": 2 * TURN, LOW.track: 2 * TURN}


async def test_a_relay_that_is_refused_leaves_all_where_they_are(begin: Begin) -> None:
    world = await crowd(begin, 3)
    transcoder = world.parents["transcoder-1"]
    transcoder.refusal = RillcastError(ErrorCode.NO_STREAM_EXIST, "gone")
    assert transcoder.gate is not None
    transcoder.gate.set()
    await until(lambda: len(world.edge.switch) == 0)

    assert world.plane.of(protocol.SwitchSource) == []
    assert users(world) == {"v0": 3, "a0": 3}


async def test_news_of_a_switch_that_was_given_up_changes_nothing(begin: Begin) -> None:
    world = await crowd(begin, 1)
    session = next(iter(world.edge.viewers))
    gate = world.parents["transcoder-1"].gate
    assert gate is not None
    gate.set()
    await until(lambda: len(world.plane.of(protocol.SwitchSource)) == 1)
    switch = world.plane.of(protocol.SwitchSource)[0]
    assert switch.source is not None
    await world.bus.request(subjects.edge_select(EDGE), SelectRendition(session=session.session, height=0), Ack)

    world.plane.emit(protocol.SourceSwitched(session=switch.session, track=switch.track, source=switch.source))

    assert users(world) == {"v0": 1, "a0": 1, LOW.track: 0}
    assert world.plane.of(protocol.SwitchSource)[-1].source == world.source_of("v0")


async def test_a_node_with_too_much_on_the_side_stays_with_what_it_sends(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await begin()
    await world.parent("origin-1", HIGH, AUDIO)
    await world.parent("transcoder-1", LOW)
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW)
    session, _ = await world.watching()
    monkeypatch.setattr(world.media.tasks, "_most", 0)

    await world.bus.request(subjects.edge_select(EDGE), SelectRendition(session=session, height=360), Ack)

    assert world.plane.of(protocol.SwitchSource) == []
    assert users(world) == {"v0": 1, "a0": 1}
