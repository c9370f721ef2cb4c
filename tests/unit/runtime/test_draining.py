"""A drain: all parts at once, within the time there is, none at another's expense, and who was cut off is named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import DrainRequest
from rillcast.contracts.messages.drains import MOST_NAMED
from rillcast.contracts.words import DrainAction, DrainPhase, NodeKind
from rillcast.runtime.process.departure import Departure, Left, Load
from rillcast.runtime.process.draining import CANCEL_AGAIN_S, Draining, Hook


class Told:
    """What the rest of the node heard."""

    def __init__(self) -> None:
        self.taking: list[bool] = []
        self.beats = 0
        self.others = True

    async def tell(self) -> None:
        self.beats += 1


class Viewers:
    """Somebody who leaves one by one, `every_s` seconds after another."""

    def __init__(self, count: int, every_s: float = 1.0) -> None:
        self.here = [f"viewer {number}" for number in range(count)]
        self.every_s = every_s
        self.stayed = 0
        self.cuts = 0

    async def leave(self, departure: Departure) -> None:
        while self.here:
            await asyncio.sleep(self.every_s)
            self.here.pop()

    def left(self) -> Left:
        return {Load.VIEWERS: len(self.here)}

    def named(self) -> Iterable[tuple[Load, str]]:
        return [(Load.VIEWERS, name) for name in self.here]

    async def cut(self) -> None:
        self.cuts += 1
        self.here.clear()

    def stay(self) -> None:
        self.stayed += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def drains(told: Told) -> Draining:
    return Draining(
        NodeKind.EDGE, default_s=10.0, elsewhere=lambda: told.others, tell=told.tell, taking=told.taking.append
    )


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("rillcast_drains_total", {"outcome": outcome}) or 0.0


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_without_parts_nothing_is_waited_for(drains: Draining) -> None:
    before = now()
    drains.begin(ending=True)
    await drains.until_over()
    assert now() == before
    assert drains.phase is DrainPhase.DRAINED


async def test_parts_leave_side_by_side(drains: Draining) -> None:
    ended = []

    def hook(seconds: float) -> Callable[[], Awaitable[None]]:
        async def leave() -> None:
            await asyncio.sleep(seconds)
            ended.append(seconds)

        return leave

    for seconds in (3.0, 1.0, 2.0):
        drains.add(Hook(hook(seconds)))
    before = now()
    drains.begin(ending=True)
    await drains.until_over()

    assert ended == [1.0, 2.0, 3.0]
    assert now() - before == pytest.approx(3.0)


async def test_a_failing_part_is_logged_and_the_others_go_on(
    drains: Draining, caplog: pytest.LogCaptureFixture
) -> None:
    viewers = Viewers(1)

    async def fail() -> None:
        raise ValueError("no")

    drains.add(Hook(fail))
    drains.add(viewers)
    drains.begin()
    await drains.until_over()

    assert viewers.here == []
    assert "A drain hook failed" in [record.message for record in caplog.records]


async def test_a_late_part_is_cancelled_and_one_that_will_not_end_is_left(
    drains: Draining, caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = []
    let_go = asyncio.Event()

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append("late")

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                cancelled.append("stubborn")

    drains.add(Hook(late))
    drains.add(Hook(stubborn))
    before = now()
    drains.begin(2.0)
    await drains.until_over()

    assert sorted(set(cancelled)) == ["late", "stubborn"]
    assert cancelled.count("late") == 1
    assert now() - before == pytest.approx(2.0 + CANCEL_AGAIN_S)
    assert "Draining took too long and was cut short" in caplog.text
    let_go.set()


async def test_progress_is_shown_and_the_end_says_that_nobody_was_cut_off(drains: Draining, told: Told) -> None:
    drains.add(Viewers(4))
    before = counted("drained")
    drains.begin()
    await asyncio.sleep(2.5)

    progress = drains.progress()
    assert (progress.phase, progress.viewers.began, progress.viewers.left) == (DrainPhase.DRAINING, 4, 2)
    assert progress.viewers.moved == 2
    assert progress.left_s == pytest.approx(7.5)
    assert told.taking == [False]
    await drains.until_over()
    over = drains.progress()
    assert (over.phase, over.viewers.left, over.viewers.cut, over.cut) == (DrainPhase.DRAINED, 0, 0, ())
    assert counted("drained") == before + 1
    assert told.beats == 2


async def test_who_is_left_at_the_deadline_is_cut_off_and_named(drains: Draining) -> None:
    viewers = Viewers(4 + MOST_NAMED)
    drains.add(viewers)
    cut_before = REGISTRY.get_sample_value("rillcast_drain_cut_total", {"what": "viewers"}) or 0.0
    drains.begin(3.5)
    await drains.until_over()

    over = drains.progress()
    assert over.phase is DrainPhase.CUT
    assert (over.viewers.moved, over.viewers.left, over.viewers.cut) == (3, 0, MOST_NAMED + 1)
    assert over.cut == tuple(f"viewer {number}" for number in range(MOST_NAMED))
    assert drains.progress(names=False).cut == ()
    assert viewers.cuts == 1
    assert REGISTRY.get_sample_value("rillcast_drain_cut_total", {"what": "viewers"}) == cut_before + MOST_NAMED + 1


async def test_a_cut_waits_for_nobody(drains: Draining) -> None:
    drains.add(Viewers(4, every_s=100.0))
    drains.begin(3_600.0)
    await asyncio.sleep(0.5)
    before = now()
    drains.cut("a second signal")
    await drains.until_over()

    assert now() == before
    assert drains.progress().viewers.cut == 4
    drains.cut("a third one")  # changes nothing
    assert drains.progress().viewers.cut == 4


async def test_a_cut_without_a_drain_before_takes_nothing_new_either(drains: Draining, told: Told) -> None:
    viewers = Viewers(2)
    drains.add(viewers)
    progress = await drains.asked(DrainRequest(action=DrainAction.CUT))
    assert progress.phase is DrainPhase.DRAINING
    await drains.until_over()
    assert (drains.progress().viewers.cut, told.taking, viewers.here) == (2, [False], [])


async def test_a_second_drain_only_changes_the_deadline(drains: Draining) -> None:
    drains.add(Viewers(60))
    drains.begin(20.0)
    await asyncio.sleep(5.5)
    assert (await drains.asked(DrainRequest(action=DrainAction.BEGIN))).left_s == pytest.approx(14.5)
    later = await drains.asked(DrainRequest(action=DrainAction.BEGIN, deadline_s=30.0))
    assert later.left_s == pytest.approx(30.0)
    assert later.viewers.began == 60
    sooner = await drains.asked(DrainRequest(action=DrainAction.BEGIN, deadline_s=1.0))
    assert sooner.left_s == pytest.approx(1.0)
    before = now()
    await drains.until_over()
    assert now() - before == pytest.approx(1.0)


async def test_sigterm_during_a_drain_of_an_operator_joins_it_and_makes_it_only_shorter(drains: Draining) -> None:
    drains.add(Viewers(1_000))
    drains.begin(3_600.0)
    await asyncio.sleep(1.0)
    drains.begin(ending=True)
    assert drains.progress().left_s == pytest.approx(10.0)
    assert drains.progress().ending
    drains.begin(3_600.0)  # the process is to end: nobody makes that later
    assert drains.progress().left_s == pytest.approx(10.0)
    drains.begin(2.0)
    assert drains.progress().left_s == pytest.approx(2.0)


async def test_sigterm_after_a_drain_ends_at_once(drains: Draining) -> None:
    drains.add(Viewers(1))
    drains.begin()
    await drains.until_over()
    before = now()
    drains.begin(ending=True)
    await drains.until_over()
    assert now() == before


async def test_a_drain_that_is_taken_back_lets_the_node_take_work_again(drains: Draining, told: Told) -> None:
    viewers = Viewers(4)
    drains.add(viewers)
    drains.begin()
    await asyncio.sleep(1.5)
    assert (await drains.asked(DrainRequest(action=DrainAction.UNDO))).phase is DrainPhase.NONE
    await asyncio.sleep(10.0)

    assert len(viewers.here) == 3  # nobody more went
    assert (viewers.stayed, viewers.cuts, told.taking) == (1, 0, [False, True])
    drains.begin()  # and again
    await drains.until_over()
    assert drains.progress().viewers.began == 3


async def test_a_part_that_swallows_a_cancellation_goes_on_with_nothing_once_the_drain_is_taken_back(
    drains: Draining,
) -> None:
    """As `asyncio.wait_for` in Python 3.11 does, by which nats-py waits."""
    sent_away = 0

    async def deaf() -> None:
        nonlocal sent_away
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        while True:
            await asyncio.sleep(1)
            sent_away += 1

    drains.add(Hook(deaf))
    drains.begin(60.0)
    await asyncio.sleep(0.1)
    await drains.undo()
    await asyncio.sleep(10)

    assert sent_away == 0


async def test_what_is_drained_stays_so_until_it_is_taken_back(drains: Draining, told: Told) -> None:
    drains.add(Viewers(1))
    drains.begin()
    await drains.until_over()
    await asyncio.sleep(100_000.0)
    assert (drains.phase, told.taking) == (DrainPhase.DRAINED, [False])
    await drains.undo()
    assert (drains.phase, told.taking) == (DrainPhase.NONE, [False, True])


async def test_there_is_nothing_to_take_back(drains: Draining) -> None:
    with pytest.raises(RillcastError, match="not being drained") as refusal:
        await drains.asked(DrainRequest(action=DrainAction.UNDO))
    assert refusal.value.code is ErrorCode.BAD_REQUEST
    drains.add(Viewers(3))
    drains.begin(ending=True)
    with pytest.raises(RillcastError, match="told to end"):
        await drains.undo()
    assert drains.phase is DrainPhase.DRAINING
    await drains.close()


async def test_two_who_take_it_back_at_once_disturb_nobody(drains: Draining, told: Told) -> None:
    drains.add(Viewers(3))
    drains.begin()
    await asyncio.sleep(0.5)
    await asyncio.gather(drains.undo(), drains.undo())
    assert (drains.phase, told.taking) == (DrainPhase.NONE, [False, True])


async def test_it_says_that_nobody_else_takes_what_is_here(drains: Draining, told: Told) -> None:
    told.others = False
    drains.add(Viewers(3))
    drains.begin()
    assert drains.progress().obstacle == "no other edge takes new work, so nobody can be moved"
    told.others = True
    assert drains.progress().obstacle == ""
    await drains.close()


async def test_looking_changes_nothing(drains: Draining, told: Told) -> None:
    assert (await drains.asked(DrainRequest(action=DrainAction.LOOK))).phase is DrainPhase.NONE
    assert told.taking == []
