"""From what was agreed on to the session in the plane: what was wished, what has vanished, and a plane that is busy."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from edge_harness import AUDIO, EDGE, KEY, VIDEO, Begin, World, rung, until
from test_command_backlog import MoodyPlane
from test_viewer_join import answer_to

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId, TrackId
from rillcast.contracts.messages import Ack, MuteRequest, SelectRendition
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol


async def muted(world: World, session: SessionId) -> None:
    await world.bus.request(
        subjects.session_mute(EDGE), MuteRequest(session=session, kind=MediaKind.AUDIO, enabled=False), Ack
    )


async def test_a_kind_muted_between_offer_and_answer_is_not_sent_and_can_be_resumed(world: World) -> None:
    offer = await world.play()
    await muted(world, offer.session)

    await world.accept(offer.session, answer_to(offer.sdp))

    sources = {track.kind: track.source for track in world.added()[0].send}
    assert sources == {"video": world.source_of("v0"), "audio": None}
    again = MuteRequest(session=offer.session, kind=MediaKind.AUDIO, enabled=True)
    await world.bus.request(subjects.session_mute(EDGE), again, Ack)
    assert [switch.source for switch in world.plane.of(protocol.SwitchSource)] == [world.source_of("a0")]


async def test_a_kind_muted_while_the_answer_is_carried_out_is_not_sent(world: World) -> None:
    gate = asyncio.Event()
    offer = await world.play()
    for feed in world.edge.relays.feeds_of(KEY):
        world.plane.emit(protocol.RelayParentLost(source=feed.source))
    world.parents["origin-1"].gate = gate
    accepting = asyncio.create_task(world.accept(offer.session, answer_to(offer.sdp)))
    await world.settle()
    await muted(world, offer.session)
    await world.pass_time(0.5)
    gate.set()
    await accepting

    assert [track.source for track in world.added()[0].send if track.kind == "audio"] == [None]


async def test_a_height_chosen_between_offer_and_answer_is_what_the_session_begins_with(begin: Begin) -> None:
    world = await begin()
    low = rung(360, 600_000)
    await world.parent("origin-1")
    await world.parent("transcoder-1", low)
    await world.live()
    await world.ladder(low)
    offer = await world.play()
    chosen = SelectRendition(session=offer.session, height=360)
    await world.bus.request(subjects.edge_select(EDGE), chosen, Ack)

    await world.accept(offer.session, answer_to(offer.sdp))

    assert [t.source for t in world.added()[0].send if t.kind == "video"] == [world.source_of(low.track)]
    users = {feed.track.track: feed.users for feed in world.edge.relays.feeds_of(KEY)}
    assert users == {"v0": 0, "a0": 1, low.track: 1}


async def test_a_rendition_that_vanished_during_the_join_is_replaced_at_once(begin: Begin) -> None:
    world = await begin()
    low, high = rung(360, 600_000), msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)
    origin = await world.parent("origin-1", high, AUDIO)
    await world.parent("transcoder-1", low)
    await world.live(tracks=(high, AUDIO))
    await world.ladder(low)
    gate = origin.gate = asyncio.Event()
    join = asyncio.create_task(world.whep())
    await until(lambda: len(origin.opened) == 2)

    await world.live(tracks=(msgspec.structs.replace(high, codec="AV1"), AUDIO))
    gate.set()
    await join
    await world.settle()

    assert world.plane.of(protocol.SwitchSource)[-1].source == world.source_of(low.track)


async def test_a_plane_that_is_too_busy_refuses_the_join_and_leaves_nothing(world: World) -> None:
    plane = world.edge.associations._plane = MoodyPlane()
    plane.busy = True
    offer = await world.play()

    for join in (world.whep(), world.accept(offer.session, answer_to(offer.sdp))):
        with pytest.raises(RillcastError) as refusal:
            await join
        assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE

    assert len(world.edge.viewers) == 0
    assert [feed.users for feed in world.edge.relays.feeds_of(KEY)] == [0, 0]
    assert len(world.edge.first_packets) == 0


async def test_a_viewer_without_the_publishers_codec_gets_a_rendition_it_can_play(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1", VIDEO, AUDIO)
    await world.parent("transcoder-1", rung(360, 600_000))
    h265 = msgspec.structs.replace(VIDEO, codec="H265")
    await world.live(tracks=(h265, AUDIO))
    await world.ladder(rung(360, 600_000))

    await world.whep()

    assert [o.track for o in world.parents["transcoder-1"].opened] == ["v0.360p"]
    assert {o.track for o in world.parents["origin-1"].opened} == {"a0"}


async def test_the_first_rendition_is_the_highest_within_the_first_budget(begin: Begin) -> None:
    world = await begin(first_budget_bps=1_000_000)
    await world.parent("origin-1")
    await world.parent("transcoder-1", rung(360, 600_000), rung(480, 900_000))
    await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=2_500_000), AUDIO))
    await world.ladder(rung(360, 600_000), rung(480, 900_000))

    await world.whep()

    assert [o.track for o in world.parents["transcoder-1"].opened] == ["v0.480p"]


# ------------------------------------------------------------------ a path that is measured


LOWER, HIGHER = rung(360, 600_000), msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)


async def choosing_world(begin: Begin) -> World:
    world = await begin()
    await world.parent("origin-1", HIGHER, AUDIO)
    await world.parent("transcoder-1", LOWER)
    await world.live(tracks=(HIGHER, AUDIO))
    await world.ladder(LOWER)
    return world


def users(world: World) -> dict[str, int]:
    return {feed.track.track: feed.users for feed in world.edge.relays.feeds_of(KEY)}


async def test_a_viewer_with_a_choice_is_sent_no_picture_before_its_path_is_measured(begin: Begin) -> None:
    world = await choosing_world(begin)

    await world.whep()

    added = world.added()[-1]
    assert added.measure_path
    assert {track.kind: track.source for track in added.send} == {"video": None, "audio": world.source_of("a0")}
    world.connect(added.session)
    await world.settle()
    assert [s.source for s in world.plane.of(protocol.SwitchSource)] == [world.source_of("v0")]


@pytest.mark.parametrize("path_bps", [500_000, 0])
async def test_a_narrow_path_and_one_of_which_nothing_is_known_begin_with_the_lowest(
    begin: Begin, path_bps: int
) -> None:
    world = await choosing_world(begin)
    answer = await world.whep()
    world.connect(world.added()[-1].session, path_bps)
    await until(lambda: world.plane.of(protocol.SwitchSource) != [])

    assert [s.source for s in world.plane.of(protocol.SwitchSource)] == [world.source_of(LOWER.track)]
    assert world.heights(answer.session) == [360]
    assert users(world) == {"v0": 0, "a0": 1, LOWER.track: 1}


async def test_a_smaller_rendition_whose_relay_does_not_open_leaves_what_the_join_has_opened(begin: Begin) -> None:
    world = await choosing_world(begin)
    world.parents["transcoder-1"].refusal = RillcastError(ErrorCode.NO_STREAM_EXIST, "gone")
    await world.whep()
    world.connect(world.added()[-1].session, 500_000)
    await until(lambda: world.plane.of(protocol.SwitchSource) != [])

    assert [s.source for s in world.plane.of(protocol.SwitchSource)] == [world.source_of("v0")]
    assert users(world)["v0"] == 1


async def test_nothing_is_measured_for_a_viewer_without_a_choice(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1")
    await world.live()

    await world.whep()

    added = world.added()[-1]
    assert not added.measure_path
    assert all(track.source is not None for track in added.send)


async def test_a_picture_that_is_muted_meanwhile_is_not_sent_and_can_be_resumed(begin: Begin) -> None:
    world = await choosing_world(begin)
    answer = await world.whep()
    for enabled in (False, True, False):
        mute = MuteRequest(session=answer.session, kind=MediaKind.VIDEO, enabled=enabled)
        await world.bus.request(subjects.session_mute(EDGE), mute, Ack)
    world.connect(world.added()[-1].session, 500_000)
    await world.settle()
    assert world.plane.of(protocol.SwitchSource) == []

    mute = MuteRequest(session=answer.session, kind=MediaKind.VIDEO, enabled=True)
    await world.bus.request(subjects.session_mute(EDGE), mute, Ack)
    await until(lambda: world.plane.of(protocol.SwitchSource) != [])
    assert world.plane.of(protocol.SwitchSource)[-1].source == world.source_of(LOWER.track)


@pytest.mark.parametrize(("height", "track"), [(360, LOWER.track), (720, HIGHER.track)])
async def test_a_height_that_is_chosen_meanwhile_is_begun_with(begin: Begin, height: int, track: TrackId) -> None:
    world = await choosing_world(begin)
    answer = await world.whep()
    chosen = SelectRendition(session=answer.session, height=height)
    await world.bus.request(subjects.edge_select(EDGE), chosen, Ack)
    assert world.plane.of(protocol.SwitchSource) == []

    world.connect(world.added()[-1].session)
    await until(lambda: world.plane.of(protocol.SwitchSource) != [])
    assert [s.source for s in world.plane.of(protocol.SwitchSource)] == [world.source_of(track)]


async def test_a_rendition_that_goes_while_the_path_is_measured_is_not_begun_with(begin: Begin) -> None:
    world = await choosing_world(begin)
    await world.whep()
    await world.live(tracks=(msgspec.structs.replace(HIGHER, codec="AV1"), AUDIO))
    world.connect(world.added()[-1].session)
    await until(lambda: world.plane.of(protocol.SwitchSource) != [])

    assert {s.source for s in world.plane.of(protocol.SwitchSource)} == {world.source_of(LOWER.track)}
