"""One signaling instance's joins over nodes that answer, refuse or say nothing, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec

from rillcast.cluster.placement import PendingJoins, Placement, PlacementLimits, RegionOrder
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.messages import NodeLoad, NodeReport, PlayRequest, PublishRequest, SessionAnswer
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.bus import envelope
from rillcast.runtime.errors import RequestOutcome, Unanswered
from rillcast.testing.clock import VirtualTimeLoop
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin
from services.signaling.core.ports import MediaNodes
from services.signaling.core.usecases.joins import Joins
from services.signaling.core.usecases.node_arrival import NodeArrival
from tests.unit.signaling.fake_grants import Nothing
from tests.unit.signaling.fake_nodes import ANSWER, LIVE, OFFER, info

FULL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
SILENT = Unanswered("nobody listens", RequestOutcome.NOBODY, 1.0)
STALLED = Unanswered("the bus does not answer", RequestOutcome.STALLED, 1.0)
LEAVING = RillcastError(ErrorCode.NO_NODE_AVAILABLE, "this edge is going away")
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
        self.ownerless = ""
        """The claim of the stream, if its owner has ended."""
        self.said_ownerless: list[str] = []
        self.closed: list[SessionId] = []
        self.closed_at: list[NodeId] = []
        self.closing = 0
        self.most_closing = 0
        self.tasks = BackgroundTasks()
        pending = self.pending = PendingJoins()
        self.placement = Placement(pending, order=RegionOrder(), limits=PlacementLimits(), rng=random.Random(1))
        self.joins = Joins(
            NodeId("signaling-1"),
            cast(MediaNodes, self),
            self,
            apps=AppCatalog(["live"], {}),
            outlook=self,
            owner_of=lambda app, stream: None,
            ownerless_claim=lambda app, stream: self.ownerless,
            placement=self.placement,
            pending=pending,
            arrival=NodeArrival(wait_s=WAIT_S, most=max_waits),
            tasks=self.tasks,
            grants=Nothing(),
            max_opening=max_opening,
        )

    def has(self, name: str, kind: NodeKind = NodeKind.EDGE, incarnation: str = "1", **fields: Any) -> None:
        described = msgspec.structs.replace(info(name, kind), incarnation=incarnation)
        report = NodeReport(info=described, load=NodeLoad(), ready=True)
        report = self.reported[NodeId(name)] = msgspec.structs.replace(report, **fields)
        self.placement.heard(report)
        self.placement.changed(report, report.ready and not report.draining, now())

    def has_no_more(self, name: str) -> None:
        report = self.reported.pop(NodeId(name))
        self.placement.changed(report, False, now())
        self.placement.gone(report)

    # ---- ports

    def placeable(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        return {node: report for node, report in self.nodes(kind).items() if report.ready and not report.draining}

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        return {node: report for node, report in self.reported.items() if report.info.kind is kind}

    def codecs_to_come(self, app: str, stream: str) -> tuple[str, ...]:
        return ()

    def ladder_codecs(self, app: str, stream: str) -> tuple[str, ...]:
        return ()

    async def publish(self, node: NodeId, request: PublishRequest, timeout_s: float) -> SessionAnswer:
        self.said_ownerless.append(request.ownerless_claim)
        return await self.opened(node, request.session, timeout_s)

    async def play(self, node: NodeId, request: PlayRequest, timeout_s: float) -> SessionAnswer:
        return await self.opened(node, request.session, timeout_s)

    async def close(
        self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float, *, forgotten: bool
    ) -> None:
        assert forgotten
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
            raise envelope.nobody(
                subjects.edge_play(node), f"nothing came within {timeout_s:g} s", RequestOutcome.TIMEOUT
            )
        if node in self.refusals:
            raise self.refusals[node]
        return SessionAnswer(session=session, node=node, sdp=ANSWER)

    # ---- joining

    async def joins_at(
        self, left: asyncio.Event | None = None, kind: NodeKind = NodeKind.EDGE, counted_as: str = ""
    ) -> str:
        """The node, or the code of the refusal."""
        ask = self.publisher if kind is NodeKind.ORIGIN else self.viewer
        try:
            return (await ask(left, counted_as)).node
        except RillcastError as error:
            return error.code.name

    async def publisher(self, left: asyncio.Event | None = None, counted_as: str = "") -> SessionAnswer:
        publisher = PublisherJoin(
            app=LIVE,
            stream=StreamId("s1"),
            session=SessionId("p"),
            client=Client(address="192.0.2.1", counted_as=counted_as),
            credentials=Credentials(),
            sdp_offer=OFFER,
        )
        return await self.joins.publish(publisher, left)

    async def viewer(self, left: asyncio.Event | None = None, counted_as: str = "") -> SessionAnswer:
        client = Client(address="192.0.2.1", counted_as=counted_as)
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
