"""Asks edges about a stream or a viewer that somebody looks at: some edges only, and seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from rillcast.cluster.health import Verdict
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.event_records import ClusterEvent
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import LookAnswer, LookRequest, NodeReport, ViewerLook
from rillcast.contracts.words import Role
from services.signaling.core.domain.session_history import SessionHistory
from services.signaling.rest.domain.live_rows import CarrierRow, Row, WatcherRow
from services.signaling.rest.usecases.live_world import LiveWorld

MOST_EDGES = 12
"""Edges that are asked about one stream: those with most viewers, and then those where somebody suffers."""
MOST_VIEWERS = 50
MOST_CARRIERS = 200
AskEdge = Callable[[NodeId, LookRequest], Awaitable[LookAnswer]]


class LiveLooks:
    """One per signaling instance."""

    def __init__(self, world: LiveWorld, history: SessionHistory, ask: AskEdge) -> None:
        """`ask` raises `RillcastError` when the edge does not answer."""
        self._world = world
        self._history = history
        self._ask = ask

    async def stream(self, app: str, stream: str) -> Mapping[str, Mapping[str, Row]]:
        """Who carries the stream, how it comes there, and the worst off of those who watch it. The sections
        ``carriers`` and ``watchers``. Raises nothing."""
        edges = self._world.edges_of(app, stream)[:MOST_CARRIERS]
        chosen = _chosen(edges, app, stream)
        request = LookRequest(app=AppName(app), stream=StreamId(stream), most=MOST_VIEWERS)
        answers = await asyncio.gather(*(self._asked(report.info.node, request) for report in chosen))
        told = {report.info.node: one for report, one in zip(chosen, answers, strict=True) if one is not None}
        carriers: dict[str, Row] = {}
        for report, viewers in edges:
            answer = told.get(report.info.node)
            carriers[report.info.node] = CarrierRow(
                node=report.info.node,
                zone=report.info.zone,
                viewers=viewers,
                health=max(_verdicts(report, app, stream), key=lambda one: one.rank, default=Verdict()).health,
                feeds=answer.feeds if answer is not None else (),
            )
        joins = self._joins(app, stream) if any(answer.viewers for answer in told.values()) else {}
        watchers = [
            WatcherRow(
                node=node,
                join=_join(joins.get(look.mark)),
                who=_who(joins.get(look.mark)),
                health=Verdict.of(look.trouble).health,
                look=look,
            )
            for node, answer in told.items()
            for look in answer.viewers
        ]
        watchers.sort(key=lambda row: (-Verdict.of(row.look.trouble).rank, row.look.mark))
        return {"carriers": carriers, "watchers": {row.look.mark: row for row in watchers[:MOST_VIEWERS]}}

    async def viewer(self, event: ClusterEvent) -> ViewerLook | None:
        """How it goes for one viewer. None when its edge does not know it, or does not answer."""
        fate = event.session
        if fate is None or fate.role is not Role.PLAY or fate.ended_ms or not (fate.mark and event.node):
            return None
        request = LookRequest(app=AppName(event.app), stream=StreamId(event.stream), mark=fate.mark)
        answer = await self._asked(NodeId(event.node), request)
        return answer.viewers[0] if answer is not None and answer.viewers else None

    async def _asked(self, node: NodeId, request: LookRequest) -> LookAnswer | None:
        try:
            return await self._ask(node, request)
        except RillcastError:
            return None

    def _joins(self, app: str, stream: str) -> dict[str, ClusterEvent]:
        return {
            event.session.mark: event
            for event in self._history.newest()
            if event.session is not None and event.stream == stream and event.app == app and event.session.mark
        }


def _chosen(edges: list[tuple[NodeReport, int]], app: str, stream: str) -> list[NodeReport]:
    """Which edges are asked."""
    suffering = [report for report, _ in edges if any(one.rank for one in _verdicts(report, app, stream))]
    most = [report for report, _ in edges]
    found = {report.info.node: report for report in [*suffering[: MOST_EDGES // 2], *most]}
    return list(found.values())[:MOST_EDGES]


def _verdicts(report: NodeReport, app: str, stream: str) -> list[Verdict]:
    troubles = report.condition.troubles if report.condition is not None else ()
    return [Verdict.of(one.trouble) for one in troubles if one.stream == stream and one.app == app]


def _join(event: ClusterEvent | None) -> str:
    return event.session.id if event is not None and event.session is not None else ""


def _who(event: ClusterEvent | None) -> str:
    return event.session.who if event is not None and event.session is not None else ""
