"""Viewers settle: on links of every rate, wireless ones, lossy ones, shared ones, and such that get slow and fast
again. How often what is sent changes, how soon, how long pictures stand still and what gets lost, in virtual time over
many seeds.

RILLCAST_SEEDS says how many; a sweep takes about half a second of CPU for each and scenario.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec
import pytest
from encoder_model import LAYER_SHARES
from link_model import Stretch, Trace
from viewing import Viewing
from watched import Watched

from rillcast.contracts.ids import TrackId
from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.options import Option
from services.edge.domain.supply import with_fewer_layers

SIMULCAST = (
    Option(TrackId("v0.l"), 180, 150_000),
    Option(TrackId("v0.m"), 360, 500_000),
    Option(TrackId("v0.h"), 720, 1_500_000),
)
LADDER = (
    Option(TrackId("v0.240p"), 240, 200_000),
    Option(TrackId("v0.360p"), 360, 600_000),
    Option(TrackId("v0.480p"), 480, 1_200_000),
    Option(TrackId("v0"), 720, 2_500_000),
)
LAYERED = with_fewer_layers(SIMULCAST, lambda _: LAYER_SHARES, (None, ALL_LAYERS))
ALL = {"simulcast": SIMULCAST, "ladder": LADDER, "layered": LAYERED}
SEEDS = range(1, 1 + int(os.environ.get("RILLCAST_SEEDS", "1")))
FIVE_MINUTES_S, QUEUE_MS = 300.0, 300.0
SOUND_BPS = 48_000


class Bounds(msgspec.Struct, frozen=True):
    """What a viewer may notice in five minutes on one link."""

    changes: int = 2
    frozen_s: float = 3.0
    audio_lost: float = 0.005
    video_lost: float = 0.01


def view(options: Sequence[Option], seed: int, *stretches: Stretch, duration_s: float = FIVE_MINUTES_S) -> Watched:
    return Viewing(Trace("", duration_s, QUEUE_MS, list(stretches)), options, seed=seed).run()


def held(seen: Watched, bounds: Bounds) -> None:
    changes = [(round(at, 1), option.height, option.layers) for at, option in seen.changes]
    assert len(changes) <= bounds.changes, f"from {seen.first}: {changes}"
    assert seen.pictures.frozen_s <= bounds.frozen_s, seen.pictures.freezes
    assert seen.audio_lost <= bounds.audio_lost * seen.audio_sent
    assert seen.video_lost <= bounds.video_lost * seen.video_sent


def rates(options: Sequence[Option]) -> list[int]:
    """Around the boundary of each rendition, and far from any. The lowest one fits with all its frames."""
    needs = [option.bitrate_bps + SOUND_BPS for option in options if option.layers >= ALL_LAYERS]
    around = {int(bps * share) for bps in needs for share in (0.9, 1.0, 1.1, 1.2, 1.3, 1.5)}
    return [*sorted(bps for bps in around if bps >= needs[0] * 1.1), 10_000_000]


CONSTANT = [(name, bps) for name, options in ALL.items() for bps in rates(options)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "bps"), CONSTANT)
def test_on_a_link_of_constant_rate_a_viewer_settles_within_two_changes(name: str, bps: int, seed: int) -> None:
    seen = view(ALL[name], seed, Stretch(0, bps))

    held(seen, Bounds())
    assert seen.pictures.first_at is not None
    assert seen.pictures.first_at < 0.6
    sent = [option for at, option in seen.seconds if at > 30]
    assert all(option.bitrate_bps + SOUND_BPS <= bps for option in sent), "what does not fit is not kept"
    generous = [option for option in ALL[name] if (option.bitrate_bps + SOUND_BPS) * 1.3 <= bps]
    assert all(option.bitrate_bps >= generous[-1].bitrate_bps for option in sent if generous), "what fits is sent"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bps", [125_000, 140_000, 160_000, 180_000])
def test_a_link_that_carries_only_some_frames_of_the_lowest_gets_these_and_most_of_the_sound(
    bps: int, seed: int
) -> None:
    """Of 150 kbit/s the base layer has 60, with keyframes of a fifth of a second's bits and more."""
    seen = view(LAYERED, seed, Stretch(0, bps))

    held(seen, Bounds(changes=4, frozen_s=40.0, audio_lost=0.06, video_lost=0.02))
    sent = [option for at, option in seen.seconds if at > 30]
    assert {option.height for option in sent} == {180}
    assert sum(option.bitrate_bps + SOUND_BPS <= bps for option in sent) > 0.8 * len(sent)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bps", [300_000, 700_000, 1_200_000, 1_700_000, 3_000_000])
@pytest.mark.parametrize("name", ALL)
def test_jitter_and_stalls_as_on_a_wireless_link_change_hardly_anything(name: str, bps: int, seed: int) -> None:
    link = Stretch(0, bps, delay_ms=15, jitter_ms=8, stall_every_s=4, stall_ms=60)

    held(view(ALL[name], seed, link), Bounds(changes=5, frozen_s=10.0, audio_lost=0.03, video_lost=0.04))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bps", [300_000, 700_000, 1_200_000, 1_700_000, 3_000_000])
@pytest.mark.parametrize("name", ALL)
def test_bursts_of_loss_without_congestion_change_hardly_anything(name: str, bps: int, seed: int) -> None:
    link = Stretch(0, bps, loss=0.01, burst_every_s=8)

    held(view(ALL[name], seed, link), Bounds(changes=5, frozen_s=10.0, audio_lost=0.03, video_lost=0.03))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bps", [700_000, 1_200_000, 1_700_000, 3_000_000])
@pytest.mark.parametrize("name", ALL)
def test_others_who_come_and_go_are_made_room_for_once_each(name: str, bps: int, seed: int) -> None:
    """Half of the link, for two minutes."""
    stretches = [Stretch(0, bps), Stretch(60, bps, others_bps=bps // 2), Stretch(180, bps)]

    held(view(ALL[name], seed, *stretches), Bounds(changes=6, frozen_s=8.0, audio_lost=0.01, video_lost=0.03))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bps", [1_200_000, 3_000_000])
@pytest.mark.parametrize("name", ["simulcast", "ladder"])
def test_beside_a_transfer_that_takes_all_it_can_a_viewer_keeps_still(name: str, bps: int, seed: int) -> None:
    seen = view(ALL[name], seed, Stretch(0, bps), Stretch(30, bps, greedy=1))

    held(seen, Bounds(changes=4, frozen_s=120.0, audio_lost=0.1, video_lost=0.1))


STEPS = [(slow, fast) for slow in (300_000, 500_000, 700_000, 1_200_000) for fast in (3_000_000, 4_000_000)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("slow_s", [15, 200])
@pytest.mark.parametrize(("slow_bps", "fast_bps"), STEPS)
@pytest.mark.parametrize("name", ALL)
def test_a_link_that_gets_slow_is_followed_within_a_second_and_its_return_within_six(
    name: str, slow_bps: int, fast_bps: int, slow_s: int, seed: int
) -> None:
    options, falls_s, rises_s = ALL[name], 20.0, 20.0 + slow_s
    stretches = [Stretch(0, fast_bps), Stretch(falls_s, slow_bps), Stretch(rises_s, fast_bps)]

    seen = view(options, seed, *stretches, duration_s=rises_s + 60)

    places = {option.key: place for place, option in enumerate(options)}
    best = [places[option.key] for at, option in seen.seconds if at < falls_s][-1]
    lower = [at for at, option in seen.changes if falls_s < at and places[option.key] < best]
    full = [at for at, option in seen.changes if rises_s < at and places[option.key] >= best]
    assert lower[0] - falls_s <= 1.2
    assert full[0] - rises_s <= 6.5
    assert len([at for at, _ in seen.changes if falls_s < at <= rises_s]) <= 3
    assert len([at for at, _ in seen.changes if rises_s < at]) <= 2
    assert seen.frozen_s(falls_s, rises_s + 60) <= 3.5
    assert seen.audio_lost <= 0.02 * seen.audio_sent


@pytest.mark.parametrize("seed", range(1, 3))
@pytest.mark.parametrize("slow_bps", [300_000, 500_000, 700_000])
@pytest.mark.parametrize("name", ALL)
def test_a_receiver_that_reports_once_a_second_is_followed_by_its_estimates(
    name: str, slow_bps: int, seed: int
) -> None:
    """Estimates come alone: when one falls, nothing is known of the queue."""
    link = Trace("", 25.0, QUEUE_MS, [Stretch(0, 3_000_000), Stretch(20, slow_bps)])

    seen = Viewing(link, ALL[name], seed=seed, reports_with_estimates=False).run()

    assert next(at for at, _ in seen.changes if at > 20) - 20 <= 1.1
