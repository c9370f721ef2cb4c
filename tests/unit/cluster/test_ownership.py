"""A stream has one owner, and everybody finds it, whatever the store forgets (`ownership_sim`)."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.cluster.ownership_sim import Sim, random_run

ORIGIN, SECONDS, HEARD = st.integers(0, 2), st.sampled_from([0.001, 0.02, 0.3, 1.2]), st.sampled_from([0, 1, 99])


class Ownership(RuleBasedStateMachine):
    """At every moment no two claims serve under one epoch, and no viewer goes back to a lower one. After the faults
    one origin owns the stream, and every child follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.sim = Sim(random.Random(1))

    @rule(number=ORIGIN)
    def look(self, number: int) -> None:
        self.sim.origins[number].look()

    @rule(number=ORIGIN)
    def claim(self, number: int) -> None:
        self.sim.origins[number].claim()

    @rule(number=ORIGIN)
    def renew(self, number: int) -> None:
        self.sim.origins[number].renew()

    @rule(number=ORIGIN)
    def write(self, number: int) -> None:
        self.sim.origins[number].write()

    @rule(number=ORIGIN)
    def end(self, number: int) -> None:
        self.sim.origins[number].end()

    @rule(number=ORIGIN)
    def die(self, number: int) -> None:
        self.sim.origins[number].die()

    @rule(number=ORIGIN)
    def freeze(self, number: int) -> None:
        self.sim.origins[number].frozen ^= True

    @rule()
    def lose_answers(self) -> None:
        self.sim.store.lose_answers ^= True

    @rule()
    def go_away(self) -> None:
        self.sim.store.available ^= True

    @rule(writes=st.integers(1, 12))
    def forget(self, writes: int) -> None:
        self.sim.forget(writes)

    @rule()
    def lose_state(self) -> None:
        self.sim.store.lose_state()

    @rule(seconds=SECONDS, heard=HEARD)
    def tick(self, seconds: float, heard: int) -> None:
        self.sim.tick(seconds, heard)

    @invariant()
    def one_owner(self) -> None:
        self.sim.tick()

    def teardown(self) -> None:
        self.sim.settle()


TestOwnership = Ownership.TestCase
TestOwnership.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)


@pytest.mark.parametrize("forgets", [False, True])
def test_random_runs_keep_every_promise(forgets: bool) -> None:
    for seed in range(100):
        random_run(seed, forgets=forgets)


@pytest.mark.parametrize("forgets", [False, True])
def test_clocks_that_jump_by_an_hour_let_nobody_follow_a_lower_epoch_within_a_lease_of_the_higher_one(
    forgets: bool,
) -> None:
    for seed in range(100):
        random_run(seed, forgets=forgets, jumps_ms=3_600_000)


def test_clocks_that_differ_by_seconds_let_nobody_follow_a_lower_epoch_within_a_lease_of_the_higher_one() -> None:
    for seed in range(100):
        random_run(seed, forgets=True, skews_ms=(0, -3_000, 3_000))
