"""Viewers that are sent fewer temporal layers, and the next lower rendition that is kept at hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from edge_harness import AUDIO, KEY, VIDEO, Begin, World, until
from encoder_model import LAYER_SHARES
from link_model import trace
from test_link_traces import SEEDS, SIMULCAST
from test_stream_allocator import answer
from viewing import Viewing
from watched import Watched

from rillcast.contracts.ids import TrackId
from rillcast.media import protocol
from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.options import Option, first_choice, nearest
from services.edge.domain.supply import with_fewer_layers

LAYERED = with_fewer_layers(SIMULCAST, lambda _: LAYER_SHARES, (None, ALL_LAYERS))
PUBLISHED = msgspec.structs.replace(VIDEO, bitrate_bps=1_500_000)
SMALL = msgspec.structs.replace(VIDEO, track=TrackId("v0.l"), rid="l", height=360, bitrate_bps=500_000)
LARGE = msgspec.structs.replace(PUBLISHED, rid="h")


def rates(options: tuple[Option, ...]) -> list[tuple[int, int, int]]:
    return [(option.height, option.layers, option.bitrate_bps) for option in options]


def test_the_lowest_rendition_goes_down_to_its_base_layer_and_the_others_by_one_layer() -> None:
    assert rates(LAYERED) == [
        (180, 0, 60_000),
        (180, 1, 90_000),
        (180, 2, 150_000),
        (360, 1, 300_000),
        (360, 2, 500_000),
        (720, 1, 900_000),
        (720, 2, 1_500_000),
    ]


def test_fewer_frames_that_save_nothing_are_no_option_unless_they_are_sent() -> None:
    close = (Option(TrackId("l"), 360, 500_000), Option(TrackId("h"), 480, 900_000))
    shares = {TrackId("h"): (0.55, 1.0)}

    def of(track: TrackId) -> tuple[float, ...]:
        return shares.get(track, ())

    assert rates(with_fewer_layers(close, of, (None, ALL_LAYERS))) == [(360, 2, 500_000), (480, 2, 900_000)]
    assert (480, 0, 495_000) in rates(with_fewer_layers(close, of, (TrackId("h"), 0)))


def test_first_and_forced_choices_have_all_layers() -> None:
    assert first_choice(LAYERED, 1_000_000) == SIMULCAST[1].track
    assert nearest(LAYERED, 720) == SIMULCAST[2]
    assert nearest(LAYERED, 100) == SIMULCAST[0]


def view(name: str, seed: int) -> Watched:
    return Viewing(trace(name), LAYERED, seed=seed).run()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_link_between_two_renditions_gets_the_higher_with_fewer_frames(seed: int) -> None:
    seen = view("between", seed)

    larger = [at for at, option in seen.seconds if (option.height, option.layers) == (720, 1)]
    assert len(larger) > 250
    assert seen.share_at(180, 0, 300) == 0.0
    assert len(seen.changes) <= 2
    assert seen.audio_lost / seen.audio_sent < 0.005


@pytest.mark.parametrize("seed", SEEDS)
def test_a_link_that_carries_no_rendition_in_full_gets_a_base_layer_and_loses_less_sound(seed: int) -> None:
    seen, whole = view("starving", seed), Viewing(trace("starving"), SIMULCAST, seed=seed).run()

    sent = [(option.height, option.layers) for at, option in seen.seconds if 22 < at < 45]
    assert sent.count((180, 0)) > 0.8 * len(sent)
    assert seen.audio_lost / seen.audio_sent < 0.1
    assert seen.audio_lost < whole.audio_lost * 0.7
    assert seen.seconds[-1][1].height == 720


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wide_link_gets_every_frame(seed: int) -> None:
    seen = view("steady", seed)

    assert {(option.height, option.layers) for _, option in seen.seconds} == {(720, ALL_LAYERS)}


# ------------------------------------------------------------------ carried out


def source_stats(world: World, track: str, *layers_bps: int) -> None:
    world.plane.emit(
        protocol.SourceStats(
            source=world.source_of(track),
            bitrate_bps=1_500_000,
            packets=100,
            lost=0,
            recovered=0,
            keyframes=1,
            frames_per_second=30.0,
            width=1280,
            height=720,
            layers_bps=layers_bps,
            silent_ms=0,
            consumers=1,
        )
    )


async def layered_world(begin: Begin, **settings: Any) -> World:
    world = await begin(**settings)
    await world.parent("origin-1", PUBLISHED, AUDIO)
    await world.live(tracks=(PUBLISHED, AUDIO))
    return world


async def test_a_thin_link_gets_fewer_layers_of_the_only_rendition_and_all_after_a_probe(begin: Begin) -> None:
    world = await layered_world(begin)
    _, plane_session = await world.watching()
    source_stats(world, "v0", 600_000, 900_000, 1_500_000)

    for estimate_bps in (1_600_000, 1_000_000):
        world.figures(plane_session, estimate_bps=estimate_bps, video_bps=1_500_000)
        await world.pass_time(1.0, step_s=1.0)

    assert [(c.session, c.temporal) for c in world.plane.of(protocol.LimitLayers)] == [(plane_session, 1)]
    assert world.plane.of(protocol.SwitchSource) == []
    begun = world.clock()
    answered = 0
    while len(world.plane.of(protocol.LimitLayers)) == 1:
        assert world.clock() < begun + 20
        world.figures(plane_session, estimate_bps=1_800_000, video_bps=900_000)
        await world.pass_time(1.0, step_s=1.0)
        for probe in world.plane.of(protocol.Probe)[answered:]:
            answer(world, probe)
            answered += 1
    assert world.plane.of(protocol.LimitLayers)[-1].temporal == ALL_LAYERS
    assert world.plane.of(protocol.Probe)[0].track == world.plane.of(protocol.LimitLayers)[0].track


async def test_one_rendition_without_layers_is_left_alone(begin: Begin) -> None:
    world = await layered_world(begin)
    _, plane_session = await world.watching()
    source_stats(world, "v0")

    world.figures(plane_session, estimate_bps=300_000, video_bps=1_500_000)
    await world.settle()

    assert world.plane.of(protocol.LimitLayers) == []
    assert world.plane.of(protocol.SwitchSource) == []


async def test_the_publishers_next_smaller_layer_is_kept_at_hand_and_given_back(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1", LARGE, SMALL, AUDIO)
    await world.live(tracks=(LARGE, SMALL, AUDIO))
    session, plane_session = await world.watching()
    world.figures(plane_session, estimate_bps=3_000_000, video_bps=1_500_000)

    await until(lambda: any(request.track == SMALL.track for request in world.parents["origin-1"].opened))
    spare = next(feed for feed in world.edge.relays.feeds_of(KEY) if feed.track.track == SMALL.track)
    assert spare.users == 1
    await until(lambda: spare.relay.parent is not None)
    await world.pass_time(1.0)
    world.figures(plane_session, estimate_bps=700_000, video_bps=1_500_000)
    await until(lambda: world.plane.of(protocol.SwitchSource) != [])
    switch = world.plane.of(protocol.SwitchSource)[0]
    assert (switch.source, switch.hold) == (spare.source, True)

    await world.close(session)
    assert {feed.users for feed in world.edge.relays.feeds_of(KEY)} == {0}
