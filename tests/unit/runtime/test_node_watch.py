"""Watching nodes in virtual time: what makes a node doubtful, what is made of the answers, and what is never done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeLoad, NodeReport, NodeVouched
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import EXPIRY_S, NodeDirectory
from rillcast.runtime.discovery.lifeline import Ended
from rillcast.runtime.discovery.node_watch import LATE_S, NodeWatch
from rillcast.runtime.discovery.questions import CannotAsk
from rillcast.runtime.discovery.suspicion import FROZEN_GRACE_S, QUESTION_S, AdminSays, BusSays

EDGE = NodeId("edge-1")
KINDS = (NodeKind.EDGE, NodeKind.ORIGIN)


class Line:
    """The lifeline to a node; the test ends it."""

    def __init__(self, info: NodeInfo) -> None:
        self.info = info
        self.held = False
        self.fresh = False
        self.closed = False
        self.ending: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.opens = True

    async def hold(self, on_held: Callable[[], None]) -> Ended:
        if not self.opens:
            return Ended.REFUSED
        self.held = self.fresh = True
        on_held()
        try:
            return await self.ending
        finally:
            self.held = self.fresh = False
            self.closed = True


class Site:
    """One watch over nodes that beat, answer and die as the test says."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.hears = True
        self.directory = NodeDirectory(clock=self.loop.time, hearing=lambda: int(self.hears))
        self.gone: list[str] = []
        self.directory.on_gone(lambda last: self.gone.append(last.info.incarnation))
        self.bus = BusSays.ANSWERED
        self.admin = AdminSays.SAME
        self.took_s = 0.01
        self.cannot_ask = False
        self.answered: tuple[BusSays, AdminSays] | None = None
        self.asked = 0
        self.most_asked_at_once = 0
        self._asking = 0
        self.lines: list[Line] = []
        self.lines_open = True
        self.beating = True
        self.vouching: str | None = None
        """For which incarnation somebody vouches when he is asked."""
        self.others_asked = 0
        self.watch = NodeWatch(
            self.directory,
            self,
            kinds=KINDS,
            most=100,
            ask_others=self._ask_others,
            clock=self.loop.time,
            lifeline=self._lifeline,
        )
        self.directory.watched_by(self.watch)

    def answer_is_under_way(self) -> None:
        """The question that is asked now has been answered already."""
        self.answered = self.bus, self.admin

    async def ask_both(self, info: NodeInfo) -> tuple[BusSays, AdminSays]:
        self.asked += 1
        self._asking += 1
        self.most_asked_at_once = max(self.most_asked_at_once, self._asking)
        try:
            await asyncio.sleep(self.took_s)
        finally:
            self._asking -= 1
        if self.cannot_ask:
            raise CannotAsk("the bus is down")
        answered, self.answered = self.answered, None
        return answered or (self.bus, self.admin)

    async def _ask_others(self, info: NodeInfo) -> None:
        self.others_asked += 1
        if self.vouching is not None:
            self.vouch(self.vouching)

    def vouch(self, incarnation: str) -> None:
        self.watch.vouched(NodeVouched(node=EDGE, incarnation=incarnation, by=NodeId("edge-9")))

    def _lifeline(self, info: NodeInfo) -> Line:
        line = Line(info)
        line.opens = self.lines_open
        self.lines.append(line)
        return line

    def beat(self, node: str = EDGE, *, kind: NodeKind = NodeKind.EDGE, incarnation: str = "1") -> None:
        info = NodeInfo(node=NodeId(node), kind=kind, version="0", admin_address="x:1", incarnation=incarnation)
        self.directory.heard(NodeReport(info=info, load=NodeLoad(), ready=True))

    async def keep_beating(self) -> None:
        while True:
            if self.beating:
                self.beat()
            await asyncio.sleep(1.0)

    def dies(self) -> None:
        """As when a process is killed: its kernel closes what it had, and refuses whoever comes."""
        self.beating = False
        self.bus, self.admin = BusSays.NOBODY, AdminSays.REFUSED
        self.lines_open = False
        self.break_line()

    def break_line(self, how: Ended = Ended.LOST) -> None:
        if not self.lines[-1].ending.done():
            self.lines[-1].ending.set_result(how)

    def answers(self, bus: BusSays, admin: AdminSays) -> None:
        """As when it beats no more, and is asked."""
        self.beating = False
        self.bus, self.admin = bus, admin
        self.took_s = QUESTION_S


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    tasks = [asyncio.create_task(site.watch.run()), asyncio.create_task(site.keep_beating())]
    await asyncio.sleep(0.1)
    yield site
    for task in tasks:
        if task.done():
            await task
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert all(line.closed or not line.opens for line in site.lines), "everything that was opened is closed"


async def test_a_node_that_beats_is_not_asked_and_holds_one_lifeline(site: Site) -> None:
    await asyncio.sleep(60)
    assert (site.asked, len(site.lines), site.gone) == (0, 1, [])


async def test_a_killed_process_is_gone_at_once(site: Site) -> None:
    site.dies()
    await asyncio.sleep(0.05)
    assert site.gone == ["1"]
    assert site.directory.placeable(NodeKind.EDGE) == {}


async def test_what_a_killed_process_had_sent_before_brings_it_not_back(site: Site) -> None:
    site.dies()
    await asyncio.sleep(0.05)
    site.beat()
    assert not site.directory.alive(EDGE)
    site.beat(incarnation="2")
    assert site.directory.alive(EDGE)


async def test_a_process_that_was_given_up_and_lives_comes_back(site: Site) -> None:
    site.dies()
    await asyncio.sleep(2)
    site.beat()
    assert site.directory.alive(EDGE)


async def test_a_lifeline_that_breaks_under_a_living_node_is_mended(site: Site) -> None:
    site.break_line()
    await asyncio.sleep(0.05)
    assert (site.asked, site.gone) == (1, [])
    await asyncio.sleep(2)
    assert site.lines[-1].held
    assert len(site.lines) == 2


async def test_a_lifeline_that_flaps_is_tried_ever_more_seldom(site: Site) -> None:
    for _ in range(600):
        site.break_line()
        await asyncio.sleep(0.1)
    assert len(site.lines) < 20
    assert site.asked < 20
    assert site.gone == []


async def test_without_heartbeats_a_node_that_answers_on_the_bus_lives_and_is_asked_seldom(site: Site) -> None:
    site.beating = False
    await asyncio.sleep(60)
    assert site.gone == []
    assert 20 < site.asked < 45
    assert EDGE in site.directory.placeable(NodeKind.EDGE)


async def test_a_node_that_is_cut_off_from_the_bus_keeps_its_sessions_and_gets_no_new_ones(site: Site) -> None:
    site.answers(BusSays.NOBODY, AdminSays.SAME)
    await asyncio.sleep(120)
    assert site.gone == []
    assert site.directory.alive(EDGE)
    assert site.directory.placeable(NodeKind.EDGE) == {}
    assert site.watch.shown()["doubtful"] == {EDGE: "isolated"}
    site.beating = True
    await asyncio.sleep(1.5)
    assert EDGE in site.directory.placeable(NodeKind.EDGE)


async def test_a_process_that_is_frozen_for_a_while_is_not_given_up(site: Site) -> None:
    site.answers(BusSays.SILENT, AdminSays.SILENT)
    await asyncio.sleep(FROZEN_GRACE_S + 1.0)
    assert site.watch.shown()["doubtful"] == {EDGE: "frozen"}
    site.beating, site.bus, site.admin = True, BusSays.ANSWERED, AdminSays.SAME
    await asyncio.sleep(30)
    assert (site.gone, site.watch.shown()["doubtful"]) == ([], {})


async def test_a_process_that_stays_frozen_is_given_up(site: Site) -> None:
    site.answers(BusSays.SILENT, AdminSays.SILENT)
    await asyncio.sleep(FROZEN_GRACE_S + 4.0)
    assert site.gone == ["1"]


async def test_a_machine_that_vanishes_is_given_up_at_the_second_look(site: Site) -> None:
    site.answers(BusSays.SILENT, AdminSays.UNREACHABLE)
    site.lines_open = False
    site.lines[-1].fresh = False
    await asyncio.sleep(3.0)
    assert site.gone == ["1"]


@pytest.mark.parametrize("admin", [AdminSays.UNREACHABLE, AdminSays.SILENT])
async def test_whose_media_arrives_somewhere_is_not_given_up_and_gets_no_new_sessions(
    site: Site, admin: AdminSays
) -> None:
    site.vouching = "1"
    site.lines_open = False
    site.break_line()
    site.answers(BusSays.NOBODY, admin)
    await asyncio.sleep(120)
    assert site.gone == []
    assert site.directory.placeable(NodeKind.EDGE) == {}
    site.vouching = None
    await asyncio.sleep(FROZEN_GRACE_S + 1.5)
    assert site.gone == ["1"]


async def test_nobody_vouches_for_another_process_nor_against_the_machine(site: Site) -> None:
    site.vouching = "2"
    site.lines_open = False
    site.lines[-1].fresh = False
    site.answers(BusSays.SILENT, AdminSays.UNREACHABLE)
    await asyncio.sleep(3.0)
    assert site.gone == ["1"]
    site.vouching = "3"
    site.lines_open, site.took_s = True, 0.01
    site.beat(incarnation="3")
    await asyncio.sleep(0.1)
    site.vouch("3")
    site.dies()
    await asyncio.sleep(0.1)
    assert site.gone == ["1", "3"], "where nobody listens any more, nobody serves"


async def test_others_are_asked_only_about_who_answers_nobody(site: Site) -> None:
    site.answers(BusSays.SILENT, AdminSays.SAME)
    await asyncio.sleep(10)
    assert site.others_asked == 0
    site.admin = AdminSays.SILENT
    await asyncio.sleep(3)
    assert site.others_asked > 0


async def test_a_node_without_a_lifeline_is_given_up_no_sooner_than_by_its_silence() -> None:
    site = Site()
    site.lines_open = False
    running = asyncio.create_task(site.watch.run())
    site.beat()
    site.answers(BusSays.NOBODY, AdminSays.REFUSED)
    await asyncio.sleep(EXPIRY_S)
    assert site.gone == []
    await asyncio.sleep(1.5)
    assert site.gone == ["1"]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_while_we_hear_nothing_nobody_is_judged(site: Site) -> None:
    site.hears = False
    site.dies()
    await asyncio.sleep(60)
    assert (site.asked, site.gone) == (0, [])
    site.hears = True
    await asyncio.sleep(1)
    assert site.gone == ["1"]


async def test_what_was_found_while_we_ceased_to_hear_counts_for_nothing(site: Site) -> None:
    site.took_s = 0.5
    site.dies()
    await asyncio.sleep(0.25)
    site.hears = False
    await asyncio.sleep(30)
    assert (site.asked, site.gone) == (1, [])


async def test_a_question_that_we_cannot_send_says_nothing(site: Site) -> None:
    site.cannot_ask = True
    site.dies()
    await asyncio.sleep(30)
    assert site.gone == []


async def test_who_was_held_up_himself_judges_nobody(site: Site) -> None:
    site.took_s = LATE_S + 0.1
    site.dies()
    await asyncio.sleep(30)
    assert site.gone == []


async def test_an_answer_from_before_the_end_is_not_taken_for_one_after_it(site: Site) -> None:
    site.took_s = 0.5
    site.directory.doubt(EDGE)
    await asyncio.sleep(0.2)
    site.answer_is_under_way()
    site.dies()
    await asyncio.sleep(1.2)
    assert site.gone == ["1"]


async def test_a_goodbye_on_the_lifeline_makes_nobody_doubtful(site: Site) -> None:
    site.break_line(Ended.LEFT)
    await asyncio.sleep(0.1)
    assert site.asked == 0
    site.directory.left(NodeLeft(node=EDGE, kind=NodeKind.EDGE))
    site.beating = False
    await asyncio.sleep(30)
    assert (site.asked, site.gone, len(site.lines)) == (0, ["1"], 1)


async def test_a_restart_is_another_process_with_another_lifeline(site: Site) -> None:
    site.beating = False
    site.beat(incarnation="2")
    await asyncio.sleep(0.1)
    assert site.gone == ["1"]
    assert site.lines[0].closed
    assert (site.lines[1].info.incarnation, site.lines[1].held) == ("2", True)
    site.dies()
    await asyncio.sleep(0.1)
    assert site.gone == ["1", "2"]


async def test_requests_without_an_answer_make_a_node_doubtful_but_not_each_of_them(site: Site) -> None:
    for _ in range(1_000):
        site.directory.doubt(EDGE)
        await asyncio.sleep(0.002)
    assert 1 <= site.asked <= 3
    site.directory.doubt(NodeId("nobody"))


async def test_when_everybody_is_doubtful_they_are_asked_in_turns(site: Site) -> None:
    for number in range(500):
        site.beat(f"edge-{number}")
    site.answers(BusSays.SILENT, AdminSays.SAME)
    await asyncio.sleep(10)
    assert site.most_asked_at_once == 64
    assert site.gone == []


async def test_there_are_no_more_lifelines_than_allowed(site: Site) -> None:
    for number in range(300):
        site.beat(f"origin-{number}", kind=NodeKind.ORIGIN)
    await asyncio.sleep(0.5)
    assert sum(line.held for line in site.lines) == 100


async def test_other_kinds_are_left_to_their_silence(site: Site) -> None:
    site.beat("license-1", kind=NodeKind.LICENSE, incarnation="license")
    await asyncio.sleep(EXPIRY_S + 0.5)
    site.directory.expire()
    assert site.gone == ["license"]
    assert len(site.lines) == 1
