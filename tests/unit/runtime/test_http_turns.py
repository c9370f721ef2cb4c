"""How much one turn of the event loop does for clients, and for whom."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import pytest

from rillcast.runtime.http.turns import WORK_PER_TURN, Turns

DEAREST = 24


class Site:
    """Counts what is done in each turn of the loop."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.done: list[str] = []
        self.work_in_turn = Counter[int]()
        self._turn = 0

    def ask(self, party: str, work: int = 1, times: int = 1) -> None:
        for _ in range(times):
            self.turns.ask(party, partial(self._do, party, work))

    def _do(self, party: str, work: int) -> int:
        self.done.append(party)
        self.work_in_turn[self._turn] += work
        return work

    async def settle(self) -> None:
        while len(self.turns):
            self._turn += 1
            await asyncio.sleep(0)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize("work", [1, 5, DEAREST])
async def test_one_turn_does_no_more_than_its_share_and_one_job(site: Site, work: int) -> None:
    for number in range(100):
        site.ask(f"party{number}", work, times=20)
    await site.settle()
    assert len(site.done) == 2_000
    assert max(site.work_in_turn.values()) < WORK_PER_TURN + work


async def test_whoever_asks_little_waits_behind_one_job_of_whoever_asks_much(site: Site) -> None:
    site.ask("flooder", times=10_000)
    await asyncio.sleep(0)
    done = len(site.done)
    site.ask("another")
    await site.settle()
    assert site.done.index("another") - done <= 1


async def test_jobs_of_one_party_are_done_in_their_order() -> None:
    turns, done = Turns(), list[int]()

    def do(number: int) -> int:
        done.append(number)
        if number < 100:
            turns.ask("party", partial(do, number + 100))
        return 1

    for number in range(100):
        turns.ask("party", partial(do, number))
    while len(turns):
        await asyncio.sleep(0)
    assert done == list(range(200))


async def test_a_job_that_fails_keeps_the_others_from_nothing(site: Site) -> None:
    failed = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))

    def fail() -> int:
        raise ZeroDivisionError

    site.turns.ask("party", fail)
    site.ask("party")
    site.ask("another")
    await site.settle()
    assert site.done == ["another", "party"]
    assert [type(one) for one in failed] == [ZeroDivisionError]


async def test_work_that_is_none_costs_a_little_all_the_same(site: Site) -> None:
    site.ask("party", 0, times=100)
    await asyncio.sleep(0)
    assert len(site.done) == WORK_PER_TURN
