"""Watching nodes in virtual time: what makes a node doubtful, what is made of the answers, and what is never done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from node_watch_site import EDGE, Site

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeLeft
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import EXPIRY_S
from rillcast.runtime.discovery.judging import Doubt
from rillcast.runtime.discovery.lifeline import Ended
from rillcast.runtime.discovery.node_watch import LATE_S
from rillcast.runtime.discovery.suspicion import FROZEN_GRACE_S, QUESTION_S, AdminSays, BusSays


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
    assert site.directory.alive(EDGE)
    assert site.directory.placeable(NodeKind.EDGE) == {}, "nobody knows how busy it is"


async def test_a_node_that_is_cut_off_from_the_bus_keeps_its_sessions_and_gets_no_new_ones(site: Site) -> None:
    site.answers(BusSays.NOBODY, AdminSays.SAME)
    await asyncio.sleep(120)
    assert site.gone == []
    assert site.directory.alive(EDGE)
    assert site.directory.placeable(NodeKind.EDGE) == {}
    assert site.watch.shown()["doubtful"] == {EDGE: "isolated"}
    assert site.directory.kept_from_writing(EDGE), "what it writes may not get to us"
    site.beating = True
    await asyncio.sleep(1.5)
    assert EDGE in site.directory.placeable(NodeKind.EDGE)
    assert not site.directory.kept_from_writing(EDGE)


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


def vanishes(site: Site) -> None:
    """As a machine that is gone: nothing comes from it any more, and nothing says so."""
    site.answers(BusSays.SILENT, AdminSays.UNREACHABLE)
    site.lines_open = False
    site.lines[-1].fresh = False
    site.watch.doubt(EDGE, Doubt.RELAY)


async def test_a_machine_that_vanishes_is_given_up_at_the_first_look_if_another_node_misses_it_too(site: Site) -> None:
    site.missing = "1"
    vanishes(site)
    await asyncio.sleep(QUESTION_S + 0.05)
    assert site.gone == ["1"]


@pytest.mark.parametrize(
    "others", [{}, {"missing": "2"}, {"missing": "1", "vouching": "1"}], ids=["silence", "another process", "a quarrel"]
)
async def test_nobody_else_s_word_spares_it_the_second_look(site: Site, others: dict[str, str]) -> None:
    vars(site).update(others)
    vanishes(site)
    site.vouch("1", hears=False, by=EDGE)
    await asyncio.sleep(QUESTION_S + 0.05)
    assert site.gone == []


async def test_what_was_said_before_the_look_counts_for_nothing(site: Site) -> None:
    site.vouch("1", hears=False)
    vanishes(site)
    await asyncio.sleep(QUESTION_S + 0.05)
    assert site.gone == []


async def test_a_silent_relay_of_a_node_that_lives_costs_one_look_a_second(site: Site) -> None:
    site.missing = "1"
    for _ in range(40):
        site.watch.doubt(EDGE, Doubt.RELAY)
        await asyncio.sleep(0.05)
    assert site.gone == []
    assert site.asked == 2


async def test_others_are_asked_about_who_is_doubted_or_answers_nobody(site: Site) -> None:
    site.answers(BusSays.SILENT, AdminSays.SAME)
    await asyncio.sleep(10)
    assert site.others_asked == 1, "who is only cut off from the bus is not asked about again"
    site.admin = AdminSays.SILENT
    await asyncio.sleep(3)
    assert site.others_asked > 2


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
    site.bus, site.admin = BusSays.SILENT, AdminSays.OTHER
    site.break_line()
    await asyncio.sleep(0.1)
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
