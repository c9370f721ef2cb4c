"""Edges that feed each other, whatever happens in whatever order: no loop ever, nobody stays unfed while the owner
lives, and nothing is left when everybody has left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sim import Sim

from services.edge.usecases import downstream_relays

EVENTS = (
    *("join", "join", "leave", "time", "time", "settle", "moves"),
    *("lose", "unanswered", "silent", "child", "kill", "freeze", "thaw"),
)
STEPS = (*("deliver", "answer") * 12, *EVENTS)
RUNS, LENGTH = 60, 250
"""Each run is a walk of random steps, most of which carry letters."""

Step = tuple[str, int]


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream_relays, "READY_S", 0.0)


@pytest.mark.parametrize("seed", range(RUNS))
def test_in_long_runs_there_is_no_loop_everybody_is_fed_and_nothing_is_left(seed: int) -> None:
    asyncio.run(_live_through(_walk(random.Random(seed))))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 30)), max_size=60))
def test_in_short_runs_there_is_no_loop_everybody_is_fed_and_nothing_is_left(steps: list[Step]) -> None:
    asyncio.run(_live_through(steps))


def _walk(rng: random.Random) -> Iterator[Step]:
    yield from (("join", number) for number in range(6))
    for _ in range(LENGTH):
        yield rng.choice(STEPS), rng.randrange(30)


async def _live_through(steps: Iterator[Step] | list[Step]) -> None:
    sim = Sim()
    for what, number in steps:
        await _do(sim, what, number)
        sim.check()
    await sim.calm_down()
    for edge in sim.edges:
        edge.join()
    await sim.calm_down()
    await sim.everybody_leaves()


async def _do(sim: Sim, what: str, number: int) -> None:
    if what in ("deliver", "answer", "lose", "unanswered"):
        letters = sim.mail if what in ("deliver", "lose") else sim.answers
        if letters:
            await _carry(sim, what, number % len(letters))
        return
    edge = sim.edges[number % len(sim.edges)]
    match what:
        case "join":
            edge.join()
        case "leave":
            edge.leave()
        case "time":
            await sim.pass_time((0.05, 0.3, 1.2)[number % 3])
        case "settle":
            await sim.calm_down(rounds=10, must=False)
        case "silent":
            edge.hears_nothing()
        case "child":
            sim.forget_child(edge)
        case "moves":
            await sim.moves(number % 2)
        case "kill":
            sim.kill(number % len(sim.edges))
        case _:
            edge.awake = what == "thaw"
    await sim.turn()


async def _carry(sim: Sim, what: str, place: int) -> None:
    match what:
        case "deliver":
            await sim.deliver(place)
        case "answer":
            await sim.answer(place)
        case _:
            await sim.lose(sim.mail if what == "lose" else sim.answers, place)
