"""Opening sessions: which node is asked, what happens when it refuses, and the wait where there is none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec
import pytest

from rillcast.cluster.placement import Carriers, PendingJoins, Placement, PlacementLimits, RegionOrder
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.messages import NodeLoad, NodeReport, PlayRequest, PublishRequest, SessionAnswer
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.node.background import AT_ONCE, BackgroundTasks
from rillcast.runtime.bus import envelope
from rillcast.testing.clock import VirtualTimeLoop
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin
from services.signaling.core.domain.silent_nodes import SILENT_FOR_S
from services.signaling.core.ports import MediaNodes
from services.signaling.core.usecases.joins import Joins
from services.signaling.core.usecases.node_arrival import NodeArrival
from tests.unit.signaling.fake_nodes import ANSWER, LIVE, OFFER, info

FULL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
SILENT = RillcastError(ErrorCode.NO_NODE_AVAILABLE, "nobody listens")
WAIT_S = 3.0
NEVER = 1_000.0
EDGE, ORIGIN = NodeKind.EDGE, NodeKind.ORIGIN


class Site:
    """Nodes as signaling sees them. `refusals`: what a node says instead of opening."""

    def __init__(self, max_waits: int = 10, max_opening: int = 100) -> None:
        self.reported: dict[NodeId, NodeReport] = {}
        self.refusals: dict[NodeId, RillcastError] = {}
        self.answers_after_s: dict[NodeId, float] = {}
        """Nodes that are slow; one with `NEVER` is frozen."""
        self.asked: list[NodeId] = []
        self.asked_for_s: list[float] = []
        self.closed: list[SessionId] = []
        self.closed_at: list[NodeId] = []
        self.closing = 0
        self.most_closing = 0
        self.tasks = BackgroundTasks()
        pending = self.pending = PendingJoins()
        self.joins = Joins(
            NodeId("signaling-1"),
            cast(MediaNodes, self),
            self,
            apps=AppCatalog(["live"], {}),
            outlook=self,
            owner_of=lambda app, stream: None,
            placement=Placement(pending, order=RegionOrder(), limits=PlacementLimits(), rng=random.Random(1)),
            pending=pending,
            carriers=Carriers(),
            arrival=NodeArrival(wait_s=WAIT_S, most=max_waits),
            tasks=self.tasks,
            max_opening=max_opening,
        )

    def has(self, name: str, kind: NodeKind = NodeKind.EDGE, incarnation: str = "1", **fields: Any) -> None:
        described = msgspec.structs.replace(info(name, kind), incarnation=incarnation)
        report = NodeReport(info=described, load=NodeLoad(), ready=True)
        self.reported[NodeId(name)] = msgspec.structs.replace(report, **fields)

    # ---- ports

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        return {node: report for node, report in self.reported.items() if report.info.kind is kind}

    def codecs_to_come(self, app: str, stream: str) -> tuple[str, ...]:
        return ()

    def ladder_codecs(self, app: str, stream: str) -> tuple[str, ...]:
        return ()

    async def publish(self, node: NodeId, request: PublishRequest, timeout_s: float) -> SessionAnswer:
        return await self.opened(node, request.session, timeout_s)

    async def play(self, node: NodeId, request: PlayRequest, timeout_s: float) -> SessionAnswer:
        return await self.opened(node, request.session, timeout_s)

    async def close(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float) -> None:
        self.closing += 1
        self.most_closing = max(self.most_closing, self.closing)
        await asyncio.sleep(0.001)
        self.closing -= 1
        self.closed.append(session)
        self.closed_at.append(node)

    async def opened(self, node: NodeId, session: SessionId, timeout_s: float) -> SessionAnswer:
        self.asked.append(node)
        self.asked_for_s.append(timeout_s)
        takes_s = self.answers_after_s.get(node, 0.0)
        if takes_s:
            await asyncio.sleep(min(takes_s, timeout_s))
        if takes_s > timeout_s:
            raise envelope.nobody(subjects.edge_play(node), f"nothing came within {timeout_s:g} s")
        if node in self.refusals:
            raise self.refusals[node]
        return SessionAnswer(session=session, node=node, sdp=ANSWER)

    # ---- joining

    async def joins_at(self, left: asyncio.Event | None = None, kind: NodeKind = NodeKind.EDGE) -> str:
        """The node, or the code of the refusal."""
        try:
            return (await (self.publisher(left) if kind is NodeKind.ORIGIN else self.viewer(left))).node
        except RillcastError as error:
            return error.code.name

    async def publisher(self, left: asyncio.Event | None = None) -> SessionAnswer:
        publisher = PublisherJoin(
            app=LIVE,
            stream=StreamId("s1"),
            session=SessionId("p"),
            client=Client(address="192.0.2.1"),
            credentials=Credentials(),
            sdp_offer=OFFER,
        )
        return await self.joins.publish(publisher, left)

    async def viewer(self, left: asyncio.Event | None = None) -> SessionAnswer:
        client = Client(address="192.0.2.1")
        viewer = ViewerJoin(app=LIVE, stream=StreamId("s1"), session=SessionId("v"), client=client)
        return await self.joins.play(viewer, left)


def frozen_first(kind: NodeKind, *others: str, takes_s: float = NEVER) -> Site:
    """A cluster that asks e1 first, which is slow or frozen, since the others have more to do."""
    site = Site()
    site.has("e1", kind)
    for sessions, name in enumerate(others, 10):
        site.has(name, kind, load=NodeLoad(sessions=sessions))
    site.answers_after_s[NodeId("e1")] = takes_s
    return site


def passes(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work())


def now() -> float:
    return asyncio.get_running_loop().time()


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
        del site.reported[NodeId("e1")]
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
