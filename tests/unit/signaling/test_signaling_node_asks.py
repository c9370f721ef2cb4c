"""Nodes that are asked and say nothing: who is asked beside them, whose answer counts, who is closed."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeLoad
from rillcast.contracts.words import NodeKind
from services.signaling.core.domain.silent_nodes import SILENT_FOR_S
from tests.unit.signaling.join_site import (
    EDGE,
    FULL,
    LEAVING,
    NEVER,
    ORIGIN,
    SILENT,
    frozen_first,
    now,
    passes,
)


@pytest.mark.parametrize(("kind", "after_s"), [(EDGE, 1.0), (ORIGIN, 1.5)])
def test_while_a_node_is_silent_the_next_best_is_asked(kind: NodeKind, after_s: float) -> None:
    async def check() -> None:
        site = frozen_first(kind, "e2")

        assert await site.joins_at(kind=kind) == "e2"
        assert now() == pytest.approx(after_s)
        await site.tasks.settle()
        assert site.closed_at == ["e1"]

    passes(check)


@pytest.mark.parametrize("kind", [EDGE, ORIGIN])
def test_where_all_are_silent_the_refusal_says_so_within_three_seconds(kind: NodeKind) -> None:
    async def check() -> None:
        site = frozen_first(kind, "e2")
        site.answers_after_s[NodeId("e2")] = NEVER
        opening = site.publisher() if kind is ORIGIN else site.viewer()

        with pytest.raises(RillcastError, match="nothing came within") as refusal:
            await opening

        assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE
        assert now() == pytest.approx(3.0)
        assert site.asked == ["e1", "e2"]
        await site.tasks.settle()
        assert sorted(site.closed_at) == ["e1", "e2"]

    passes(check)


def test_three_edges_are_asked_in_the_time_that_a_client_waits() -> None:
    async def check() -> None:
        site = frozen_first(EDGE, "e2", "e3", "e4")
        site.answers_after_s[NodeId("e2")] = NEVER

        assert await site.joins_at() == "e3"
        assert now() == pytest.approx(2.0)
        assert site.asked_for_s == pytest.approx([3.0, 2.0, 1.0])
        await site.tasks.settle()
        assert sorted(site.closed_at) == ["e1", "e2"]

    passes(check)


@pytest.mark.parametrize("other", [NEVER, 0.0])
def test_a_slow_edge_may_still_answer_and_whoever_answers_later_is_closed_once(other: float) -> None:
    async def check() -> None:
        site = frozen_first(EDGE, "e2", takes_s=1.8)
        site.answers_after_s[NodeId("e2")] = other
        winner, loser = ("e1", "e2") if other else ("e2", "e1")

        assert await site.joins_at() == winner
        assert now() == pytest.approx(1.8 if other else 1.0)
        await asyncio.sleep(5.0)
        assert site.closed_at == [loser]
        assert site.pending.weight(NodeId(winner), now()) > 0
        assert site.pending.weight(NodeId(loser), now()) == 0

    passes(check)


def test_two_edges_that_answer_in_the_same_moment_are_not_both_kept() -> None:
    async def check() -> None:
        site = frozen_first(EDGE, "e2", takes_s=2.0)
        site.answers_after_s[NodeId("e2")] = 1.0

        kept = await site.joins_at()
        await site.tasks.settle()

        assert [kept, *site.closed_at] in (["e1", "e2"], ["e2", "e1"])

    passes(check)


def test_an_only_edge_has_all_the_time_to_answer() -> None:
    async def check() -> None:
        site = frozen_first(EDGE, takes_s=2.9)

        assert await site.joins_at() == "e1"
        await site.tasks.settle()
        assert site.closed == []

    passes(check)


def test_an_edge_that_comes_while_the_only_one_is_silent_is_asked() -> None:
    async def check() -> None:
        site = frozen_first(EDGE)
        asyncio.get_running_loop().call_later(1.5, site.has, "e2")

        assert await site.joins_at() == "e2"
        assert now() == pytest.approx(2.0)

    passes(check)


def test_the_only_origin_has_all_the_time() -> None:
    async def check() -> None:
        site = frozen_first(ORIGIN, takes_s=2.5)

        assert await site.joins_at(kind=ORIGIN) == "e1"
        assert now() == pytest.approx(2.5)

    passes(check)


def test_a_silent_edge_with_no_other_than_a_full_one_may_still_answer() -> None:
    async def check() -> None:
        site = frozen_first(EDGE, "e2", takes_s=2.5)
        site.refusals[NodeId("e2")] = FULL

        assert await site.joins_at() == "e1"
        await site.tasks.settle()
        assert site.closed_at == ["e2"]

    passes(check)


def test_a_join_that_is_cancelled_leaves_nothing_at_the_nodes_it_asked() -> None:
    async def check() -> None:
        site = frozen_first(EDGE, "e2")
        site.answers_after_s[NodeId("e2")] = NEVER
        joining = asyncio.create_task(site.joins_at())
        await asyncio.sleep(1.5)
        joining.cancel()
        await asyncio.wait((joining,))
        await site.tasks.settle()

        assert sorted(site.closed_at) == ["e1", "e2"]

    passes(check)


@pytest.mark.parametrize("kind", [EDGE, ORIGIN])
def test_a_node_just_found_silent_is_asked_last_for_a_while(kind: NodeKind) -> None:
    async def check() -> None:
        site = frozen_first(kind, "e2")
        assert await site.joins_at(kind=kind) == "e2"
        found_silent = now()

        assert [await site.joins_at(kind=kind) for _ in range(5)] == ["e2"] * 5
        assert now() == found_silent

        site.answers_after_s.clear()
        await asyncio.sleep(SILENT_FOR_S)
        assert await site.joins_at(kind=kind) == "e1"

    passes(check)


def test_a_silent_node_is_asked_all_the_same_where_there_is_no_other() -> None:
    async def check() -> None:
        site = frozen_first(EDGE, "e2")
        await site.joins_at()
        site.answers_after_s.clear()
        site.has("e2", load=NodeLoad(cpu=1.0))

        assert await site.joins_at() == "e1"
        site.has("e2", load=NodeLoad(sessions=10))
        assert await site.joins_at() == "e1", "it has answered, so it is as good as before"

    passes(check)


@pytest.mark.parametrize(("refusal", "first"), [(SILENT, "e2"), (LEAVING, "e1")])
def test_only_a_node_that_did_not_answer_is_avoided(refusal: RillcastError, first: str) -> None:
    async def check() -> None:
        site = frozen_first(EDGE, "e2")
        site.answers_after_s.clear()
        site.refusals[NodeId("e1")] = refusal
        assert await site.joins_at() == "e2"

        del site.refusals[NodeId("e1")]
        assert await site.joins_at() == first

    passes(check)
