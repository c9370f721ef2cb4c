"""A layer of simulcast that its publisher stops: viewers are sent another one long before the record says so."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import AUDIO, KEY, VIDEO, Begin, World
from test_stream_allocator import answer

from rillcast.contracts.ids import TrackId
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession
from services.edge import metrics

HIGH, LOW = (
    msgspec.structs.replace(VIDEO, track=TrackId(f"v0.{rid}"), rid=rid, height=height, bitrate_bps=bitrate_bps)
    for rid, height, bitrate_bps in (("h", 720, 2_000_000), ("l", 360, 500_000))
)


@pytest.fixture
async def world(begin: Begin) -> World:
    world = await begin()
    await world.parent("origin-1", HIGH, LOW, AUDIO)
    await world.live(tracks=(HIGH, LOW, AUDIO))
    return world


async def watching_the_best(world: World) -> PlaneSession:
    """A viewer who is sent the higher layer, while the edge has the lower one at hand."""
    _, plane_session = await world.watching()
    for _ in range(40):
        world.figures(plane_session, estimate_bps=9_000_000, video_bps=2_000_000)
        await world.pass_time(1.0)
        for switch in world.plane.of(protocol.SwitchSource)[-1:]:
            if switch.source is not None:
                switched = protocol.SourceSwitched(session=plane_session, track=switch.track, source=switch.source)
                world.plane.emit(switched)
        if shown(world) == HIGH.track and {HIGH.track, LOW.track} <= fed(world):
            break
    assert shown(world) == HIGH.track
    for track in fed(world):
        world.plane.emit(protocol.SourceStarted(source=world.source_of(track)))
    await world.pass_time(1.0)
    return plane_session


def fed(world: World) -> set[TrackId]:
    return {feed.track.track for feed in world.edge.relays.feeds_of(KEY)}


def shown(world: World) -> TrackId | None:
    (viewer,) = world.edge.viewers
    (video,) = (track for track in viewer.tracks if track.index == 0)
    return video.track_of(KEY)


def asked_for(world: World) -> TrackId | None:
    """The layer to which the viewer was to go last."""
    source = world.plane.of(protocol.SwitchSource)[-1].source
    return next((track for track in fed(world) if world.source_of(track) == source), None)


def silent(world: World, *tracks: TrackId, interval_ms: int = 33) -> None:
    for track in tracks:
        world.plane.emit(protocol.SourceSilent(source=world.source_of(track), frame_interval_ms=interval_ms))


async def test_viewers_of_a_layer_that_stops_are_sent_another_one_at_once(world: World) -> None:
    await watching_the_best(world)

    silent(world, HIGH.track)
    await world.pass_time(0.1, step_s=0.05)

    assert asked_for(world) == LOW.track


async def test_nobody_is_led_back_until_the_layer_comes_again(world: World) -> None:
    plane_session = await watching_the_best(world)
    silent(world, HIGH.track)
    await world.pass_time(0.1, step_s=0.05)
    world.plane.emit(
        protocol.SourceSwitched(session=plane_session, track=0, source=world.source_of(LOW.track)),
    )

    for _ in range(5):
        world.figures(plane_session, estimate_bps=9_000_000, video_bps=500_000)
        await world.pass_time(1.0)
    assert asked_for(world) == LOW.track
    assert world.plane.of(protocol.Probe) == [], "there is nothing to go up to"
    world.plane.emit(protocol.SourceStarted(source=world.source_of(HIGH.track)))
    answered = 0
    for _ in range(60):
        world.figures(plane_session, estimate_bps=9_000_000, video_bps=500_000)
        await world.pass_time(1.0)
        for probe in world.plane.of(protocol.Probe)[answered:]:
            answer(world, probe)
            answered += 1

    assert asked_for(world) == HIGH.track
    assert len(world.edge.stopped) == 0, "nothing is remembered of it"


async def test_what_a_probe_shows_leads_nobody_to_a_layer_that_stopped_meanwhile(world: World) -> None:
    _, plane_session = await world.watching(path_bps=800_000)
    for _ in range(40):
        world.figures(plane_session, estimate_bps=900_000, video_bps=500_000)
        await world.pass_time(1.0)
        if world.plane.of(protocol.Probe):
            break
    for track in fed(world):
        world.plane.emit(protocol.SourceStarted(source=world.source_of(track)))
    await world.pass_time(0.1, step_s=0.05)
    silent(world, HIGH.track)
    await world.pass_time(0.7, step_s=0.05)
    before = world.plane.of(protocol.SwitchSource)

    for number in range(8):
        for probe in world.plane.of(protocol.Probe)[number : number + 1]:
            answer(world, probe)
        await world.settle()

    assert world.plane.of(protocol.SwitchSource) == before


async def test_a_publisher_that_pauses_has_stopped_no_layer(world: World) -> None:
    await watching_the_best(world)
    before = world.plane.of(protocol.SwitchSource)

    for first, second in ((HIGH, LOW), (LOW, HIGH)):
        silent(world, first.track, second.track)
        await world.pass_time(0.5, step_s=0.05)
        for track in (second.track, first.track):  # the frames of a second's picture arrive one after the other
            world.plane.emit(protocol.SourceStarted(source=world.source_of(track)))
            await world.pass_time(0.1, step_s=0.05)

    assert world.plane.of(protocol.SwitchSource) == before


async def test_a_layer_that_stops_while_the_publisher_paused_is_noticed_when_it_goes_on(world: World) -> None:
    await watching_the_best(world)
    silent(world, HIGH.track, LOW.track)
    await world.pass_time(2.0, step_s=0.05)

    world.plane.emit(protocol.SourceStarted(source=world.source_of(LOW.track)))
    await world.pass_time(0.8, step_s=0.05)

    assert asked_for(world) == LOW.track


async def test_layers_with_a_picture_each_second_have_stopped_at_no_time(world: World) -> None:
    """Each picture comes 0.3 s after that of the other layer, and each layer is silent half a second later."""

    async def second() -> None:
        world.plane.emit(protocol.SourceStarted(source=world.source_of(LOW.track)))
        await world.pass_time(0.3, step_s=0.05)
        world.plane.emit(protocol.SourceStarted(source=world.source_of(HIGH.track)))
        await world.pass_time(0.2, step_s=0.05)
        silent(world, LOW.track)
        await world.pass_time(0.3, step_s=0.05)
        silent(world, HIGH.track)
        await world.pass_time(0.2, step_s=0.05)

    await watching_the_best(world)
    silent(world, HIGH.track, LOW.track)
    before, counted = world.plane.of(protocol.SwitchSource), metrics.LAYERS_STOPPED._value.get()

    for _ in range(30):
        await second()

    assert world.plane.of(protocol.SwitchSource) == before
    assert metrics.LAYERS_STOPPED._value.get() == counted


@pytest.mark.parametrize("interval_ms", [600, 1000, 2500, 5000])
async def test_a_slow_layer_beside_a_fast_one_stops_at_no_time(world: World, interval_ms: int) -> None:
    await watching_the_best(world)
    before, counted = world.plane.of(protocol.SwitchSource), metrics.LAYERS_STOPPED._value.get()

    for _ in range(10):
        await world.pass_time(0.5, step_s=0.05)
        silent(world, HIGH.track, interval_ms=interval_ms)
        await world.pass_time(interval_ms / 1000 - 0.5, step_s=0.05)
        world.plane.emit(protocol.SourceStarted(source=world.source_of(HIGH.track)))

    assert world.plane.of(protocol.SwitchSource) == before
    assert metrics.LAYERS_STOPPED._value.get() == counted


async def test_a_slow_layer_that_comes_no_more_has_stopped_after_two_of_its_pictures(world: World) -> None:
    await watching_the_best(world)
    counted = metrics.LAYERS_STOPPED._value.get()

    silent(world, HIGH.track, interval_ms=1000)
    await world.pass_time(1.4, step_s=0.05)
    assert metrics.LAYERS_STOPPED._value.get() == counted
    await world.pass_time(0.2, step_s=0.05)

    assert asked_for(world) == LOW.track
    assert metrics.LAYERS_STOPPED._value.get() == counted + 1


async def test_a_slow_layer_is_no_witness_that_a_fast_one_has_stopped(world: World) -> None:
    """A publisher that pauses: the layer of few pictures is silent later than the other one."""
    await watching_the_best(world)
    before = world.plane.of(protocol.SwitchSource)

    for _ in range(5):
        world.plane.emit(protocol.SourceStarted(source=world.source_of(HIGH.track)))
        await world.pass_time(0.3, step_s=0.05)
        silent(world, LOW.track)
        await world.pass_time(0.2, step_s=0.05)
        silent(world, HIGH.track, interval_ms=1000)
        await world.pass_time(5.0, step_s=0.05)

    assert world.plane.of(protocol.SwitchSource) == before


async def test_when_a_layer_and_the_next_one_stop_together_a_third_one_is_looked_at(begin: Begin) -> None:
    lowest = msgspec.structs.replace(LOW, track=TrackId("v0.q"), rid="q", height=180, bitrate_bps=150_000)
    world = await begin()
    await world.parent("origin-1", HIGH, LOW, lowest, AUDIO)
    await world.live(tracks=(HIGH, LOW, lowest, AUDIO))
    await watching_the_best(world)
    assert lowest.track not in fed(world)

    silent(world, HIGH.track, LOW.track)
    await world.pass_time(0.1, step_s=0.05)
    assert lowest.track in fed(world)
    world.plane.emit(protocol.SourceStarted(source=world.source_of(lowest.track)))
    await world.pass_time(0.8, step_s=0.05)

    assert asked_for(world) == lowest.track


async def test_silence_of_a_sound_or_of_what_is_not_known_means_nothing(world: World) -> None:
    await watching_the_best(world)
    before = world.plane.of(protocol.SwitchSource)

    silent(world, AUDIO.track)
    world.plane.emit(protocol.SourceSilent(source=protocol.SourceId(999), frame_interval_ms=33))
    await world.pass_time(1.0)

    assert world.plane.of(protocol.SwitchSource) == before
    assert len(world.edge.stopped) == 0


async def test_what_is_known_of_a_stream_ends_with_its_feeds(world: World) -> None:
    await watching_the_best(world)
    silent(world, HIGH.track)
    await world.pass_time(0.2, step_s=0.05)

    await world.ended(epoch=1)
    await world.pass_time(0.2, step_s=0.05)

    assert len(world.edge.stopped) == 0
