"""Opening sessions: which node is asked, what happens when it refuses, and the wait where there is none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec
import pytest

from rillcast.cluster.placement import Carriers, PendingJoins, Placement, PlacementLimits, RegionOrder
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.messages import NodeLoad, NodeReport, PlayRequest, PublishRequest, SessionAnswer
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.node.background import AT_ONCE, BackgroundTasks
from rillcast.testing.clock import VirtualTimeLoop
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin
from services.signaling.core.ports import MediaNodes
from services.signaling.core.usecases.joins import Joins
from services.signaling.core.usecases.node_arrival import NodeArrival
from tests.unit.signaling.fake_nodes import ANSWER, LIVE, OFFER, info

FULL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
SILENT = RillcastError(ErrorCode.NO_NODE_AVAILABLE, "nobody listens")
WAIT_S = 3.0


class Site:
    """Nodes as signaling sees them. `refusals`: what a node says instead of opening."""

    def __init__(self, max_waits: int = 10, max_opening: int = 100) -> None:
        self.reported: dict[NodeId, NodeReport] = {}
        self.refusals: dict[NodeId, RillcastError] = {}
        self.asked: list[NodeId] = []
        self.closed: list[SessionId] = []
        self.closing = 0
        self.most_closing = 0
        self.tasks = BackgroundTasks()
        pending = PendingJoins()
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
        return self.opened(node, request.session)

    async def play(self, node: NodeId, request: PlayRequest, timeout_s: float) -> SessionAnswer:
        return self.opened(node, request.session)

    async def close(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float) -> None:
        self.closing += 1
        self.most_closing = max(self.most_closing, self.closing)
        await asyncio.sleep(0.001)
        self.closing -= 1
        self.closed.append(session)

    def opened(self, node: NodeId, session: SessionId) -> SessionAnswer:
        self.asked.append(node)
        if node in self.refusals:
            raise self.refusals[node]
        return SessionAnswer(session=session, node=node, sdp=ANSWER)

    # ---- joining

    async def joins_at(self, left: asyncio.Event | None = None, kind: NodeKind = NodeKind.EDGE) -> str:
        """The node, or the code of the refusal."""
        client = Client(address="192.0.2.1")
        try:
            if kind is NodeKind.ORIGIN:
                publisher = PublisherJoin(
                    app=LIVE,
                    stream=StreamId("s1"),
                    session=SessionId("p"),
                    client=client,
                    credentials=Credentials(),
                    sdp_offer=OFFER,
                )
                return (await self.joins.publish(publisher, left)).node
            viewer = ViewerJoin(app=LIVE, stream=StreamId("s1"), session=SessionId("v"), client=client)
            return (await self.joins.play(viewer, left)).node
        except RillcastError as error:
            return error.code.name


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
            viewers = [joining.create_task(site.joins_at()) for _ in range(5)]
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
