"""What the page of faults says of its figures: a goal that was missed, somebody who was lost, runs that are added."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tests.bench.machine import Facts
from tests.chaos.__main__ import harm
from tests.chaos.faults import FAULTS
from tests.chaos.measure import Noticed
from tests.chaos.page import document
from tests.chaos.results import CONTROL, NO_GAP_MS, Began, Goal, Part, Repetition, Results, Row, no_gap_ms, verdict
from tests.chaos.scene import Span

GOAL = Goal(p50_ms=500, p95_ms=1_000)


def once(**differently: Any) -> Repetition:
    plain = Repetition(
        fault="edge-killed",
        hit="edge-1",
        held_s=5,
        gaps_ms=(400,),
        standstills_ms=(0, 300),
        steady_ms=60,
        lost=(),
        whep=3,
        whep_lost=0,
        publishers=(),
        recovery_s=1.5,
        left_over="",
        joined=4,
        refused=0,
        unclear={},
        load=0.5,
        tracebacks=(),
    )
    return msgspec.structs.replace(plain, **differently)


def row(*repetitions: Repetition, goal: Goal = GOAL, name: str = "edge-killed") -> Row:
    return Row(name=name, what="an edge is killed", goal=goal, repetitions=repetitions)


def run(*rows: Row, seed: int = 7) -> Results:
    load = (0.1, 0.2, 0.3)
    began = Began(at="now", commit="c", command="x", seed=seed, took_s=60, load_before=load, load_after=load)
    facts = Facts(at="now", commit="c", kernel="k", cpu="p", cpus=2, flags=(), memory_gib=4, load=load, versions={})
    return Results(facts=facts, runs=(began,), machines="three", viewers="some", rows=rows)


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ({}, "met"),
        ({"lost": ("page 1",)}, "**missed**: lost"),
        ({"recovery_s": None}, "**missed**: not as before"),
        ({"unclear": {"500": 1}}, "**missed**: unclear answers"),
        ({"error": "no"}, "**missed**: failed"),
        ({"gaps_ms": (501,)}, "**missed**: gap"),
        ({"standstills_ms": (0, 1_001)}, "**missed**: gap"),
        ({"lost": ("page 1",), "gaps_ms": (9_000,)}, "**missed**: lost, gap"),
    ],
)
def test_a_row_says_what_it_missed(what: dict[str, Any], word: str) -> None:
    assert verdict(row(once(**what))) == word


def test_a_request_that_is_cut_by_the_end_of_its_server_is_no_unclear_answer() -> None:
    cut = row(once(unclear={"ReadError": 1}))
    assert verdict(cut) == "**missed**: unclear answers"
    assert verdict(msgspec.structs.replace(cut, replaced="the socket closes")) == "met"


def test_one_bad_repetition_of_many_is_not_hidden() -> None:
    assert verdict(row(*[once()] * 30, once(lost=("page 1",)))) == "**missed**: lost"
    assert verdict(row(*[once()] * 10, once(gaps_ms=(1_001,)))) == "**missed**: gap"


def test_no_gap_is_what_the_machine_does_without_any_fault() -> None:
    quiet = row(once(gaps_ms=(60,), standstills_ms=(0,)), goal=Goal(), name=CONTROL)
    busy = row(once(gaps_ms=(400,), standstills_ms=(0,)), goal=Goal(), name=CONTROL)
    fault = row(once(gaps_ms=(390,), standstills_ms=(0,)), goal=Goal(), name="nats-frozen")
    assert no_gap_ms([quiet, fault]) == NO_GAP_MS
    assert verdict(fault, no_gap_ms([quiet, fault])) == "**missed**: gap"
    assert verdict(fault, no_gap_ms([busy, fault])) == "met"
    assert verdict(busy, NO_GAP_MS) == "met", "nothing was done there"


def test_the_page_tells_every_row_and_what_happened() -> None:
    skipped = Row(name="parent-killed", what="a parent edge is killed", goal=GOAL, skipped="there is no tree")
    page = document(run(row(once(lost=("page 1: its picture stands",), unclear={"404 not live": 2})), skipped))
    assert "| an edge is killed | 1 | 1 | 0.40 / 0.40 / 0.40 s | 0.30 / 0.30 / 0.30 s |" in page
    assert "**missed**: lost, unclear answers" in page
    assert "page 1: its picture stands" in page
    assert "2 × 404 not live" in page
    assert "– there is no tree" in page


def test_who_was_lost_and_what_was_left_over_is_harm_and_a_long_gap_is_none() -> None:
    assert harm(run(row(once(gaps_ms=(9_000,))))) == []
    for what in ({"lost": ("page 1",)}, {"recovery_s": None}, {"error": "no"}):
        assert harm(run(row(once(), once(**what)))) == ["edge-killed"]


def test_a_later_run_is_added_to_an_earlier_one() -> None:
    both = run(row(once(hit="edge-2")), seed=8).after(run(row(once()), row(once(), name="nats-frozen")))
    assert [run.seed for run in both.runs] == [7, 8]
    assert {one.name: [r.hit for r in one.repetitions] for one in both.rows} == {
        "edge-killed": ["edge-1", "edge-2"],
        "nats-frozen": ["edge-1"],
    }


def test_every_fault_has_a_name_of_its_own_and_the_first_one_is_the_comparison() -> None:
    names = [fault.name for fault in FAULTS]
    assert names[0] == CONTROL
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_a_part_with_a_standstill_is_told_and_whether_it_counts() -> None:
    parts = (
        Part(name="edge-1 goes", counted=True, gap_ms=70, still_ms=0),
        Part(name="origin-2 goes", counted=True, gap_ms=90, still_ms=410, stood=3),
        Part(name="origin-2 starts", counted=False, gap_ms=800, still_ms=0, apart_ms=730),
    )
    text = document(run(row(once(parts=parts))))
    assert "origin-2 goes 0.09 s in Chromium, 0.41 s in bench (3 of them);" in text
    assert "origin-2 starts 0.80 s in Chromium, none in bench, 0.73 s by WHIP's stream (told apart)" in text
    assert "edge-1 goes" not in text


def test_what_a_part_is_told_of_is_its_longest_standstill() -> None:
    noticed = Noticed(
        Span("edge-1 goes", 1.0, 2.0, counted=True), gaps_ms=[70.4, 120.6], stills_ms=[0, 200], apart_ms=[30]
    )
    assert noticed.told() == Part(name="edge-1 goes", counted=True, gap_ms=121, still_ms=200, stood=1, apart_ms=30)
