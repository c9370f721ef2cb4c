"""What is concluded from viewers behind links: reactions to a changing link, and what lossy ones cost the others."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rillcast.load.classes import LinkClass, Moment
from rillcast.load.run import Latency
from tests.bench import tables
from tests.bench.mixed import Mixed, draw, reaction_s, text
from tests.bench.page import document
from tests.bench.reach import lines
from tests.bench.results import Feedback, FeedbackRun, Results
from tests.bench.scale import FULL
from tests.unit.bench.figures import FACTS, step

FALLEN = ((0.0, 720), (10.8, 360), (27.5, 720))


def link_class(name: str, **changes: object) -> LinkClass:
    moment = Moment(
        second=0,
        viewers=2,
        limit_bps=700_000,
        received_bps=500_000,
        estimate_bps=650_000,
        heights={"720": 1, "360": 1},
        frozen_s=0.0,
        audio_lost=0,
    )
    good = LinkClass(
        name=name,
        viewers=2,
        limit_bps=700_000,
        first_picture_s=0.4,
        first_picture_s_most=0.8,
        without_picture=0,
        received_bps=500_000,
        used=0.71,
        padding=0.1,
        heights={"720": 0.25, "360": 0.75},
        switches=2,
        freezes=0.5,
        frozen_s=0.2,
        frozen_s_most=0.4,
        video=999,
        video_lost=1,
        repaired=20,
        audio=50,
        audio_lost=0,
        queue_drops=3,
        random_losses=0,
        plis=1,
        over_time=(moment, msgspec.structs.replace(moment, second=1)),
        pictures=(FALLEN, ((0.0, 360),)),
    )
    return msgspec.structs.replace(good, **changes)


def mixed() -> Mixed:
    return Mixed(
        source="ladder",
        viewers=4,
        connected=4,
        failures={"full": 3},
        seconds=40,
        slow_s=10,
        fast_s=25,
        links=(link_class("none", used=0.0), link_class("3M/700k@10/3M@25")),
        limits_of_the_generator=("it slept",),
        load=(1, 2, 3),
    )


@pytest.mark.parametrize(
    ("pictures", "at_s", "up", "reaction"),
    [
        (FALLEN, 10, False, 0.8),
        (FALLEN, 25, True, 2.5),
        (((0.0, 360),), 10, False, None),
        (((0.0, 720), (12.0, 360)), 25, True, None),
        (((0.0, 720),), 25, True, None),
        (((0.0, 720), (10.5, 180), (14.0, 360), (26.0, 720)), 10, False, 0.5),
    ],
)
def test_a_reaction_is_the_first_smaller_picture_or_the_full_one_again(
    pictures: tuple[tuple[float, int], ...], at_s: float, up: bool, reaction: float | None
) -> None:
    found = reaction_s(pictures, at_s, up=up)
    assert found == (pytest.approx(reaction) if reaction is not None else None)


def test_the_table_of_mixed_links_tells_reactions_and_the_generators_limits() -> None:
    written = text(mixed())
    assert "| none | 2 | 0.4 (0.8) | 0.50 | – | 720p 25%, 360p 75% |" in written
    assert "smaller picture after 0.8 s (0.8–0.8, 1 of 2); full picture again after 2.5 s" in written
    assert "* failed: 3 × full" in written
    assert "* the generator was at its limit: it slept" in written


def test_mixed_links_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "plots" / "mixed.png"
    draw(mixed(), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def run(variant: str, **changes: object) -> FeedbackRun:
    lossy = link_class("none, 10% lost", over_time=(), pictures=())
    good = FeedbackRun(
        variant=variant,
        step=step(),
        edge_us_per_packet=1.5,
        nacked=1_000,
        repaired=990,
        refused={"too_soon": 5, "not_in_ring": 10},
        others=(lossy,),
    )
    return msgspec.structs.replace(good, **changes)


def test_lossy_viewers_may_cost_the_others_neither_packets_nor_time() -> None:
    late = step(latency=Latency(10, 900, 2_000, 5_000, 6_000))
    runs = (run("clean"), run("lossy"), run("storm", step=late))
    results = Results(facts=FACTS, scale=FULL, feedback=Feedback(viewers=9, loss=0.1, storm_per_s=7, runs=runs))
    assert [line.met for line in lines(results) if line.item == "h"] == [True, False]
    page = document(results, "results", [])
    assert "| … sent again by the edge | 990 | 990 | 990 |" in page
    assert "| … requests not followed | not in ring 10, too soon 5 |" in page
    assert "| … found in the ring of those looked for | 99.00% |" in page
    assert "| … video lost after repair | 0.100% |" in page
    assert msgspec.json.decode(msgspec.json.encode(results), type=Results) == results
    assert any("Runs of each: 1. quiet" in part for part in tables.feedback(results.feedback or pytest.fail()))
