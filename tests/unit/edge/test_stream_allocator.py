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

    for estimate_bps in (2_000_000, 700_000):
        world.figures(plane_session, estimate_bps=estimate_bps, video_bps=1_500_000)
        await world.pass_time(1.0)

    switch = world.plane.of(protocol.SwitchSource)[-1]
    assert (switch.source, switch.hold) == (world.source_of("v0.360p"), True)

    for _ in range(3):
        world.figures(plane_session, video_bps=0)
        await world.pass_time(1.0)
    back = world.plane.of(protocol.SwitchSource)[-1]
    assert (back.source, back.hold) == (world.source_of("v0"), False), "no keyframe came"


def answer(world: World, probe: protocol.Probe, queue_ms: float = 0.0, padding_bytes: int = 20_000) -> None:
    """The plane has carried a probe out, which left so much of a queue."""
    world.plane.emit(
        protocol.Probed(
            session=probe.session,
            track=probe.track,
            padding_bytes=padding_bytes,
            media_bytes=max(0, probe.bitrate_bps * probe.duration_ms // 8_000 - padding_bytes),
            lasted_ms=float(probe.duration_ms),
            before_ms=20.0,
            after_ms=20.0 + queue_ms,
            checks=10,
            answered=10,
        )
    )


async def low_world(begin: Begin) -> tuple[World, protocol.PlaneSession]:
    """A viewer of the smaller rendition, who has chosen none."""
    world = await ladder_world(begin)
    _, plane_session = await world.watching(path_bps=900_000)
    return world, plane_session


async def until_probed(world: World, plane_session: protocol.PlaneSession) -> protocol.Probe:
    begun = world.clock()
    while not world.plane.of(protocol.Probe):
        assert world.clock() < begun + 20
        world.figures(plane_session, estimate_bps=900_000, video_bps=600_000)
        await world.pass_time(1.0, step_s=1.0)
    return world.plane.of(protocol.Probe)[-1]


async def test_a_quiet_link_is_probed_and_goes_up_when_the_last_pulse_left_no_queue(begin: Begin) -> None:
    world, plane_session = await low_world(begin)
    fits = metrics.PROBES.labels("fits")._value.get()
    first = await until_probed(world, plane_session)

    answered = 0
    while not world.plane.of(protocol.SwitchSource):
        probe = world.plane.of(protocol.Probe)[answered]
        assert (probe.session, probe.bitrate_bps) == (plane_session, first.bitrate_bps)
        answer(world, probe)
        answered += 1
        await world.settle()

    assert answered >= 2
    assert world.plane.of(protocol.SwitchSource)[-1].source == world.source_of("v0")
    assert metrics.PROBES.labels("fits")._value.get() == fits + 1


async def test_a_pulse_that_leaves_a_queue_changes_nothing_and_is_counted(begin: Begin) -> None:
    world, plane_session = await low_world(begin)
    failed = metrics.PROBES.labels("failed")._value.get()

    answer(world, await until_probed(world, plane_session), queue_ms=90.0)
    await world.settle()

    assert len(world.plane.of(protocol.Probe)) == 1
    assert world.plane.of(protocol.SwitchSource) == []
    assert metrics.PROBES.labels("failed")._value.get() == failed + 1


async def test_results_of_probes_nobody_waits_for_change_nothing(begin: Begin) -> None:
    world, plane_session = await low_world(begin)
    for session, track in ((plane_session, 0), (plane_session, 9), (protocol.PlaneSession(999), 0)):
        probe = protocol.Probe(session=session, track=track, bitrate_bps=9_000_000, duration_ms=500)
        answer(world, probe)
    await world.settle()

    assert world.plane.of(protocol.SwitchSource) == []


async def test_keyframes_are_paced_on_a_link_that_takes_little_more_and_no_longer_when_it_takes_far_more(
    begin: Begin,
) -> None:
    world, plane_session = await low_world(begin)

    first = world.plane.of(protocol.Pace)
    assert [(pace.session, pace.bitrate_bps >= 600_000) for pace in first] == [(plane_session, True)]
    world.figures(plane_session, estimate_bps=900_000, video_bps=600_000)
    await world.settle()
    assert world.plane.of(protocol.Pace) == first, "said once"

    answered = 0
    await until_probed(world, plane_session)
    while not world.plane.of(protocol.SwitchSource):
        answer(world, world.plane.of(protocol.Probe)[answered])
        answered += 1
        await world.settle()
    assert len(world.plane.of(protocol.Pace)) > 1


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
    for estimate_bps, seconds in ((2_000_000, 1), (700_000, 4), (5_000_000, 9)):
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
