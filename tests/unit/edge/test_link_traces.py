"""The choice of a rendition over whole network traces, with the estimates a libwebrtc receiver would send."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from link_model import TRACES, trace
from viewing import Viewing
from watched import Watched

from rillcast.contracts.ids import TrackId
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.options import Option
from services.edge.domain.rendition_selector import RenditionSelector

SIMULCAST = (
    Option(TrackId("v0.l"), 180, 150_000),
    Option(TrackId("v0.m"), 360, 500_000),
    Option(TrackId("v0.h"), 720, 1_500_000),
)
LADDER = (
    Option(TrackId("v0.240p"), 240, 350_000),
    Option(TrackId("v0.480p"), 480, 900_000),
    Option(TrackId("v0.720p"), 720, 1_600_000),
    Option(TrackId("v0"), 1080, 2_400_000),
)
SEEDS = range(1, 4)


def view(name: str, seed: int, options: tuple[Option, ...] = SIMULCAST, **how: Any) -> Watched:
    return Viewing(trace(name), options, seed=seed, **how).run()


def best(options: tuple[Option, ...]) -> dict[str, Any]:
    """For links that are wide at first."""
    return {"begins_with": options[-1]}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wide_link_keeps_the_highest_and_is_never_padded(seed: int) -> None:
    seen = view("steady", seed)

    assert (seen.first.height, seen.changes, seen.probes, seen.audio_lost) == (720, [], [], 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_is_followed_down_within_a_second_and_up_again_within_six_without_flapping(seed: int) -> None:
    seen = view("step", seed)

    down, up = seen.after(20)[0], seen.after(60)[-1]
    assert down[0] - 20 <= 1.0
    assert up == (up[0], 720)
    assert up[0] - 60 <= 6.0
    assert len(seen.switches) == 2
    assert seen.share_at(360, 22, 60) == 1.0
    assert seen.audio_lost / seen.audio_sent < 0.005


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_once_a_second_only_cost_a_second(seed: int) -> None:
    seen = view("step", seed, early=False)

    assert seen.after(20)[0][0] - 20 <= 2.5
    assert len(seen.switches) <= 4


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ladder_is_followed_likewise(seed: int) -> None:
    seen = view("step", seed, LADDER, **best(LADDER[:3]))

    assert seen.after(20)[0][0] - 20 <= 1.0
    assert seen.share_at(240, 25, 60) == 1.0
    assert seen.after(60)[-1][0] - 60 <= 6.0
    assert seen.switches[-1][1] >= 720
    assert len(seen.after(20)) <= 4
    assert seen.audio_lost / seen.audio_sent < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_every_cliff_of_a_sawtooth_is_left_at_once_and_each_tooth_is_climbed_once(seed: int) -> None:
    seen = view("lte-sawtooth", seed)

    for cliff in (40, 80, 120, 160):
        at, height = seen.after(cliff)[0]
        assert at - cliff <= 1.5
        assert height == 360
    assert len(seen.switches) <= 12
    assert all(later[0] - before[0] > 3 for before, later in itertools.pairwise(seen.switches))
    assert seen.audio_lost / seen.audio_sent < 0.005


@pytest.mark.parametrize("seed", SEEDS)
def test_loss_that_is_the_links_own_does_not_keep_the_picture_small(seed: int) -> None:
    seen = view("lossy-wifi", seed)

    assert seen.share_at(720, 30, 180) > 0.95
    assert len(seen.changes) <= 2
    assert seen.share_at(180, 0, 180) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_jitter_alone_hardly_ever_changes_anything(seed: int) -> None:
    seen = view("jittery", seed)

    assert len(seen.changes) <= 2
    assert seen.share_at(720, 0, 180) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_link_between_two_renditions_stays_at_the_lower(seed: int) -> None:
    seen = view("between", seed)

    assert (seen.first.height, seen.changes) == (360, [])
    assert seen.padding < 0.08
    assert seen.audio_lost / seen.audio_sent < 0.005


@pytest.mark.parametrize("seed", SEEDS)
def test_a_viewer_whose_path_could_not_be_measured_begins_small_and_is_up_in_a_moment(seed: int) -> None:
    seen = view("steady", seed, answers=False)

    assert seen.first.height == 180
    assert [height for _, height in seen.switches] == [720]
    assert seen.switches[0][0] < 6.0


@pytest.mark.parametrize("seed", SEEDS)
def test_where_not_even_the_lowest_fits_it_is_kept_and_that_is_said_until_it_does(seed: int) -> None:
    seen = view("starving", seed)

    first = seen.after(15)[0]
    assert first[0] - 15 <= 1.2
    assert seen.share_at(180, 19, 45) == 1.0
    assert any(15 < at < 45 for at in seen.starved)
    assert not any(at > 70 for at in seen.starved)
    assert seen.switches[-1][1] == 720


@pytest.mark.parametrize("seed", SEEDS)
def test_a_policer_that_drops_without_delay_is_recognised_by_loss(seed: int) -> None:
    seen = view("policed", seed, **best(SIMULCAST))

    assert seen.after(20)[0][0] - 20 <= 2.0
    assert seen.share_at(720, 22, 60) == 0.0
    assert seen.switches[-1][1] == 720
    assert seen.audio_lost / seen.audio_sent < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_a_receiver_without_estimates_is_followed_by_its_reports(seed: int) -> None:
    seen = view("step", seed, remb=False)

    assert seen.after(20)[0][0] - 20 <= 3.5
    assert seen.share_at(720, 25, 60) == 0.0
    assert seen.switches[-1][1] == 720
    assert seen.audio_lost / seen.audio_sent < 0.03


class Figures(msgspec.Struct, frozen=True):
    """What an edge knew of a Chromium viewer whose link fell from 4 to 0.7 Mbit/s at second 0; in the last recording
    from 3 Mbit/s, and the plane told nothing of lags."""

    at_s: float
    current: TrackId
    options: tuple[Option, ...]
    link: LinkFigures


@pytest.mark.parametrize("recording", range(3))
def test_recorded_figures_of_a_falling_link_lead_down_within_a_second_and_not_before(recording: int) -> None:
    raw = (TRACES / "chromium-falls.json").read_bytes()
    selector = RenditionSelector()
    changes = []
    for seen in msgspec.json.decode(raw, type=list[list[Figures]])[recording]:
        choice = selector.choose(seen.options, seen.current, seen.link, seen.at_s)
        if choice.track != seen.current:
            changes.append((seen.at_s, choice.track))

    assert [track for _, track in changes] == ["v0.m"]
    assert 0 < changes[0][0] < 1


@pytest.mark.parametrize(("lag_ms", "chosen"), [(174.5, "v0.m"), (50.2, "v0.h")])
def test_a_fall_counts_at_once_if_the_viewer_is_behind_and_waits_for_a_second_one_if_not(
    lag_ms: float, chosen: str
) -> None:
    """Recorded of a Chromium: its link fell 0.32 s before the second figures; the lag of 50 ms is made up."""
    selector = RenditionSelector()
    before = LinkFigures(estimate_bps=1_876_000, fraction_lost=0.0, sent_bps=1_812_000, other_bps=39_642, lag_ms=44.0)
    fallen = LinkFigures(
        estimate_bps=965_556,
        fraction_lost=0.0,
        sent_bps=1_391_104,
        other_bps=42_478,
        lag_ms=lag_ms,
        delivered_bps=615_213,
    )

    for at in range(3):
        assert selector.choose(SIMULCAST, TrackId("v0.h"), before, at).track == "v0.h"

    assert selector.choose(SIMULCAST, TrackId("v0.h"), fallen, 2.6).track == chosen
