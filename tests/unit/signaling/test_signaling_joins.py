"""Opening sessions: which node is asked, what happens when it refuses, and the wait where there is none."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import NodeLoad
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.node.background import AT_ONCE
from tests.unit.signaling.join_site import FULL, SILENT, STALLED, WAIT_S, Site, now, passes


@pytest.mark.parametrize("kind", [NodeKind.EDGE, NodeKind.ORIGIN])
def test_a_join_waits_for_the_first_node_of_a_cluster_that_has_just_started(kind: NodeKind) -> None:
    async def check() -> None:
        site = Site()
        site.has("other", NodeKind.TRANSCODER)
        asyncio.get_running_loop().call_later(1.0, site.has, "n1", kind, "1")
        asyncio.get_running_loop().call_later(0.5, lambda: site.has("n1", kind, ready=False))

        assert await site.joins_at(kind=kind) == "n1"
        assert now() == pytest.approx(1.0, abs=0.2)

    passes(check)


def test_a_join_waits_for_an_only_node_that_comes_back_under_its_name() -> None:
    async def check() -> None:
        site = Site()
        site.has("e1")
        site.refusals[NodeId("e1")] = SILENT

        def is_back() -> None:
            site.refusals.clear()
            site.has("e1", incarnation="2")

        asyncio.get_running_loop().call_later(2.0, is_back)

        assert await site.joins_at() == "e1"
        assert site.asked == ["e1", "e1"]

    passes(check)


def test_a_join_waits_a_bounded_time_and_is_then_refused_as_ever() -> None:
    async def check() -> None:
        site = Site()
        site.has("e1", draining=True)

        assert await site.joins_at() == "NO_NODE_AVAILABLE"
        assert now() == pytest.approx(WAIT_S)

    passes(check)


@pytest.mark.parametrize("refusing", [False, True])
def test_a_full_cluster_refuses_at_once(refusing: bool) -> None:
    async def check() -> None:
        site = Site()
        for name in ("e1", "e2"):
            site.has(name, load=NodeLoad(cpu=0.0 if refusing else 1.0))
            site.refusals[NodeId(name)] = FULL

        assert await site.joins_at() == "HIGH_RESOURCE_USAGE"
        assert now() == 0.0

    passes(check)


def test_the_wait_ends_when_the_client_leaves() -> None:
    async def check() -> None:
        site, left = Site(), asyncio.Event()
        asyncio.get_running_loop().call_later(1.0, left.set)

        assert await site.joins_at(left) == "NO_NODE_AVAILABLE"
        assert now() == pytest.approx(1.0)

    passes(check)


def test_only_so_many_wait_and_places_come_free() -> None:
    async def check() -> None:
        site = Site(max_waits=2)
        async with asyncio.TaskGroup() as joining:
            waiting = [joining.create_task(site.joins_at()) for _ in range(2)]
            await asyncio.sleep(0.5)

            assert await site.joins_at() == "NO_NODE_AVAILABLE"
            assert now() == pytest.approx(0.5)
            site.has("e1")

        assert [task.result() for task in waiting] == ["e1", "e1"]
        site.has_no_more("e1")
        asyncio.get_running_loop().call_later(0.5, site.has, "e1")
        assert await site.joins_at() == "e1"

    passes(check)


def test_viewers_that_wait_for_an_edge_keep_no_publisher_out() -> None:
    async def check() -> None:
        site = Site(max_opening=2)
        site.has("o1", NodeKind.ORIGIN)
        async with asyncio.TaskGroup() as joining:
            viewers = [joining.create_task(site.joins_at()) for _ in range(2)]
            await asyncio.sleep(0.5)

            assert await site.joins_at(kind=NodeKind.ORIGIN) == "o1"
            site.has("e1")

        assert {task.result() for task in viewers} == {"e1"}

    passes(check)


def test_a_silent_node_beside_a_full_one_is_not_waited_for() -> None:
    async def check() -> None:
        site = Site()
        site.has("e1")
        site.has("e2", load=NodeLoad(cpu=1.0))
        site.refusals[NodeId("e1")] = SILENT

        assert await site.joins_at() == "NO_NODE_AVAILABLE"
        assert now() == 0.0

    passes(check)


def test_the_next_best_is_asked_three_at_most() -> None:
    async def check() -> None:
        site = Site()
        for name in ("e1", "e2", "e3", "e4"):
            site.has(name)
            site.refusals[NodeId(name)] = FULL

        assert await site.joins_at() == "HIGH_RESOURCE_USAGE"
        assert len(set(site.asked)) == len(site.asked) == 3
        await site.tasks.settle()
        assert len(site.closed) == 3

    passes(check)


def test_thousands_of_ends_at_once_are_asked_few_at_a_time() -> None:
    async def check() -> None:
        site = Site()
        for number in range(5_000):
            site.joins.end(SessionId(str(number)), NodeId("e1"), EndReason.STOPPED)
        await site.tasks.settle()

        assert sorted(site.closed, key=int) == [str(number) for number in range(5_000)]
        assert site.most_closing == AT_ONCE

    passes(check)


def test_a_bus_that_stalls_refuses_at_once_and_blames_no_node() -> None:
    async def check() -> None:
        site = Site()
        for name in ("e1", "e2"):
            site.has(name)
            site.refusals[NodeId(name)] = STALLED

        assert await site.joins_at() == "NO_NODE_AVAILABLE"
        assert (now(), len(site.asked)) == (0.0, 1)
        assert site.joins._silent.now(now()) == set()

    passes(check)


def test_no_publisher_is_let_in_where_no_origin_can_write() -> None:
    async def check() -> None:
        site = Site()
        site.has("o1", NodeKind.ORIGIN, store_lost=True)
        assert await site.joins_at(kind=NodeKind.ORIGIN) == "STORE_UNAVAILABLE"
        assert (now(), site.asked) == (0.0, [])

        site.has("o2", NodeKind.ORIGIN)
        assert await site.joins_at(kind=NodeKind.ORIGIN) == "o2"

    passes(check)


def test_an_origin_hears_which_claim_has_lost_its_owner_as_it_is_when_it_is_asked() -> None:
    async def check() -> None:
        site = Site()
        site.has("o1", NodeKind.ORIGIN)
        for claim in ("", "c1"):
            site.ownerless = claim
            await site.joins_at(kind=NodeKind.ORIGIN)
        assert site.said_ownerless == ["", "c1"]

    passes(check)


def test_sessions_left_behind_are_ended_when_their_node_turns_out_to_live() -> None:
    async def check() -> None:
        site = Site()
        site.has("e1")
        for number in range(3):
            site.joins.leave_behind(SessionId(f"at-e1-{number}"), NodeId("e1"))
        site.joins.leave_behind(SessionId("at-e2"), NodeId("e2"))
        for _ in range(2):
            site.joins.node_back(site.reported[NodeId("e1")])
        await site.tasks.settle()

        assert sorted(site.closed) == ["at-e1-0", "at-e1-1", "at-e1-2"]
        assert len(site.joins._left_behind) == 1

    passes(check)
