"""What each viewer is sent: renditions switch, up and down, by force, and because others vanished."""

from __future__ import annotations

from typing import Any

import msgspec
from edge_harness import AUDIO, EDGE, KEY, VIDEO, Begin, World, rung, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import Ack, MuteRequest, SelectRendition
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol
from services.edge import metrics

LOW, HIGH = rung(360, 600_000), msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)


async def ladder_world(begin: Begin, **settings: Any) -> World:
    world = await begin(**settings)
    await world.parent("origin-1", HIGH, AUDIO)
    await world.parent("transcoder-1", LOW)
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW)
    return world


async def select(world: World, session: SessionId, height: int) -> None:
    await world.bus.request(subjects.edge_select(EDGE), SelectRendition(session=session, height=height), Ack)
    await world.settle()


async def test_a_forced_height_opens_its_relay_first_and_switches_without_losing_the_old_one(begin: Begin) -> None:
    world = await ladder_world(begin)
    session, plane_session = await world.watching()
    high = world.source_of("v0")

    await select(world, session, 360)

    low = world.source_of("v0.360p")
    assert world.parents["transcoder-1"].opened[0].claim == "c1"
    switches = world.plane.of(protocol.SwitchSource)
    assert [(s.session, s.source) for s in switches] == [(plane_session, low)]
    assert world.heights(session) == [720]

    world.plane.emit(protocol.SourceSwitched(session=plane_session, track=switches[0].track, source=low))
    await until(lambda: world.heights(session) == [720, 360])
    users = {feed.source: feed.users for feed in world.edge.relays.feeds_of(KEY)}
    assert (users[low], users[high]) == (1, 0)


async def test_a_thin_link_goes_down_by_itself(begin: Begin) -> None:
    world = await ladder_world(begin)
    _, plane_session = await world.watching()

    for _ in range(2):
        world.figures(plane_session, estimate_bps=700_000, video_bps=1_500_000)
        await world.pass_time(1.0)

    switch = world.plane.of(protocol.SwitchSource)[-1]
    assert (switch.source, switch.hold) == (world.source_of("v0.360p"), True)

    for _ in range(3):
        world.figures(plane_session, video_bps=0)
        await world.pass_time(1.0)
    back = world.plane.of(protocol.SwitchSource)[-1]
    assert (back.source, back.hold) == (world.source_of("v0"), False), "no keyframe came"


async def test_a_quiet_link_is_probed_with_padding_and_then_goes_up(begin: Begin) -> None:
    world = await ladder_world(begin)
    session, plane_session = await world.watching()
    await select(world, session, 360)
    low, track = world.source_of("v0.360p"), world.plane.of(protocol.SwitchSource)[-1].track
    world.plane.emit(protocol.SourceSwitched(session=plane_session, track=track, source=low))
    await select(world, session, 0)

    begun = world.clock()
    while world.plane.of(protocol.SwitchSource)[-1].source == low:
        assert world.clock() < begun + 20
        world.figures(plane_session, estimate_bps=900_000, video_bps=600_000)
        await world.pass_time(1.0, step_s=1.0)

    probes = world.plane.of(protocol.Probe)
    assert {(probe.session, probe.track) for probe in probes} == {(plane_session, track)}
    assert [probe.bitrate_bps for probe in probes] == [560_000, 1_050_000, 1_540_000, 1_540_000, 0]
    assert world.plane.of(protocol.SwitchSource)[-1].source == world.source_of("v0")


async def test_a_viewer_whose_link_carries_nothing_keeps_the_lowest_and_is_counted(begin: Begin) -> None:
    world = await ladder_world(begin)
    session, plane_session = await world.watching()
    for _ in range(6):
        world.figures(plane_session, estimate_bps=100_000, loss=0.4, video_bps=600_000)
        for switch in world.plane.of(protocol.SwitchSource)[-1:]:
            assert switch.source is not None
            world.plane.emit(protocol.SourceSwitched(session=plane_session, track=switch.track, source=switch.source))
        await world.pass_time(1.0, step_s=1.0)

    assert world.heights(session) == [720, 360]
    assert metrics.STARVED._value.get() == 1

    await world.close(session)
    assert metrics.STARVED._value.get() == 0


async def test_a_rendition_whose_relay_does_not_open_is_not_switched_to(begin: Begin) -> None:
    world = await ladder_world(begin)
    session, _ = await world.watching()
    world.parents["transcoder-1"].refusal = RillcastError(ErrorCode.NO_STREAM_EXIST, "gone")

    await select(world, session, 360)

    assert world.plane.of(protocol.SwitchSource) == []
    assert [feed.track.track for feed in world.edge.relays.feeds_of(KEY) if feed.users] == ["v0", "a0"]


async def test_a_switch_whose_keyframe_never_comes_is_given_up(begin: Begin) -> None:
    world = await ladder_world(begin)
    _, plane_session = await world.watching()
    for estimate_bps, seconds in ((700_000, 4), (5_000_000, 9)):
        for _ in range(seconds):
            world.figures(plane_session, estimate_bps=estimate_bps, video_bps=1_500_000)
            await world.pass_time(1.0, step_s=1.0)

    low, high = world.source_of("v0.360p"), world.source_of("v0")
    assert [s.source for s in world.plane.of(protocol.SwitchSource)] == [low, high]


async def test_a_choice_taken_back_before_the_switch_leaves_everything_as_it_was(begin: Begin) -> None:
    world = await ladder_world(begin)
    session, _ = await world.watching()
    await select(world, session, 360)
    await select(world, session, 0)

    assert world.plane.of(protocol.SwitchSource)[-1].source == world.source_of("v0")
    users = {feed.track.track: feed.users for feed in world.edge.relays.feeds_of(KEY)}
    assert users == {"v0": 1, "a0": 1, "v0.360p": 0}


async def test_a_rendition_that_ended_is_replaced_under_its_viewers(begin: Begin) -> None:
    world = await ladder_world(begin)
    session, plane_session = await world.watching()
    await select(world, session, 360)
    switch = world.plane.of(protocol.SwitchSource)[-1]
    world.plane.emit(
        protocol.SourceSwitched(session=plane_session, track=switch.track, source=world.source_of("v0.360p"))
    )
    await select(world, session, 0)

    await world.renditions.delete(f"{KEY}/transcoder-1")
    await until(lambda: world.plane.of(protocol.SwitchSource)[-1].source == world.source_of("v0"))


async def test_mute_pauses_one_kind_and_resumes_it(world: World) -> None:
    session, _ = await world.watching()
    audio = world.source_of("a0")

    for enabled in (False, False, True):
        mute = MuteRequest(session=session, kind=MediaKind.AUDIO, enabled=enabled)
        await world.bus.request(subjects.session_mute(EDGE), mute, Ack)

    assert [s.source for s in world.plane.of(protocol.SwitchSource)] == [None, audio]
    assert len({s.track for s in world.plane.of(protocol.SwitchSource)}) == 1


async def test_viewers_leave_a_rendition_whose_transcoder_fell_silent_at_once(begin: Begin) -> None:
    world = await ladder_world(begin)
    session, plane_session = await world.watching()
    await select(world, session, 360)
    rung_source = world.source_of(LOW.track)
    world.plane.emit(protocol.SourceSwitched(session=plane_session, track=0, source=rung_source))

    world.plane.emit(protocol.RelayParentLost(source=rung_source))
    await world.settle()

    switch = world.plane.of(protocol.SwitchSource)[-1]
    assert (switch.session, switch.source) == (plane_session, world.source_of("v0"))

    world.plane.emit(protocol.SourceSwitched(session=plane_session, track=0, source=world.source_of("v0")))
    world.figures(plane_session)
    await world.settle()
    assert world.plane.of(protocol.SwitchSource)[-1] == switch
    await world.parent("transcoder-2", LOW)
    await world.renditions.delete(f"{KEY}/transcoder-1")
    await world.ladder(LOW, owner="transcoder-2")
    world.figures(plane_session)
    await until(lambda: world.plane.of(protocol.SwitchSource)[-1].source == world.source_of(LOW.track))
    assert world.parents["transcoder-2"].opened


async def test_a_silent_transcoders_other_rungs_are_left_alone_as_well(begin: Begin) -> None:
    lower = rung(180, 200_000)
    world = await begin()
    await world.parent("origin-1", HIGH, AUDIO)
    await world.parent("transcoder-1", LOW, lower)
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW, lower)
    session, plane_session = await world.watching()
    await select(world, session, 360)
    rung_source = world.source_of(LOW.track)
    world.plane.emit(protocol.SourceSwitched(session=plane_session, track=0, source=rung_source))

    world.plane.emit(protocol.RelayParentLost(source=rung_source))
    await world.settle()

    assert world.plane.of(protocol.SwitchSource)[-1].source == world.source_of("v0")
    assert [request.track for request in world.parents["transcoder-1"].opened] == [LOW.track]
