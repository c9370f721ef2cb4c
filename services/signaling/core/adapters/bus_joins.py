"""Opens, answers and ends sessions at origins and edges over the bus, after choosing the node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol

from opentelemetry import context, trace

from rillcast.apps.ladder_wish import RUNG_WAIT_S
from rillcast.cluster.placement import Carriers, PendingJoins, Place, Placement
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import (
    Ack,
    AnswerRequest,
    CloseRequest,
    MuteRequest,
    NodeReport,
    PlayRequest,
    PublishRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SelectRendition,
    SessionAnswer,
)
from rillcast.contracts.words import EndReason, MediaKind, NodeKind
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.ports import Bus
from rillcast.runtime.telemetry import get_logger, tracer
from services.signaling import metrics
from services.signaling.core.ports import OwnerOf

log = get_logger(__name__)

ATTEMPTS = 3
OPEN_TIMEOUT_S = 3.0
"""An SDK starts anew when ICE isn't checking about 3 s after `play`."""
_ELSEWHERE = frozenset({ErrorCode.NO_NODE_AVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE})
"""Refusals after which another node may do better."""


class Reports(Protocol):
    """The part of `NodeDirectory` that matters here."""

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeReport]: ...


class BusJoins:
    """One per signaling instance."""

    def __init__(
        self,
        bus: Bus,
        reports: Reports,
        *,
        owner_of: OwnerOf,
        tasks: BackgroundTasks,
        placement: Placement,
        pending: PendingJoins,
        carriers: Carriers,
        clock: Callable[[], float],
        max_opening: int,
    ) -> None:
        """`owner_of`: the origin that has a stream now. `clock`: monotonic."""
        self._bus = bus
        self._reports = reports
        self._owner_of = owner_of
        self._tasks = tasks
        self._placement = placement
        self._pending = pending
        self._carriers = carriers
        self._clock = clock
        self._max_opening = max_opening
        self._opening = 0
        self._traces: dict[SessionId, context.Context] = {}
        self._tracer = tracer("rillcast.signaling")

    # ---- opening

    async def publish(self, request: PublishRequest, place: Place) -> SessionAnswer:
        """A publisher's session at an origin. Raises `RillcastError`."""

        def choose(tried: set[NodeId]) -> NodeId:
            origins = self._reports.nodes(NodeKind.ORIGIN).values()
            owner = self._owner_of(request.app, request.stream)
            return self._placement.publisher(origins, owner, place, self._clock(), tried)

        async def ask(node: NodeId) -> SessionAnswer:
            subject = subjects.origin_publish(node)
            return await self._bus.request(subject, request, SessionAnswer, timeout_s=OPEN_TIMEOUT_S)

        with self._span("signaling.publish", request.app, request.stream, request.session):
            return await self._open(NodeKind.ORIGIN, request.session, choose, ask)

    async def play(self, request: PlayRequest, place: Place) -> SessionAnswer:
        """A viewer's session at an edge. Raises `RillcastError`."""

        def choose(tried: set[NodeId]) -> NodeId:
            edges = self._reports.nodes(NodeKind.EDGE).values()
            now = self._clock()
            if self._carriers.stale(now):
                self._carriers.gather(edges, now)
            carriers = self._carriers.nodes(request.app, request.stream)
            return self._placement.viewer(edges, carriers, place, now, tried)

        async def ask(node: NodeId) -> SessionAnswer:
            waits_s = RUNG_WAIT_S if request.codecs_to_come and request.sdp_offer is not None else 0.0
            subject = subjects.edge_play(node)
            return await self._bus.request(subject, request, SessionAnswer, timeout_s=OPEN_TIMEOUT_S + waits_s)

        with self._span("signaling.play", request.app, request.stream, request.session):
            if request.sdp_offer is None:
                self._traces[request.session] = context.get_current()
            return await self._open(NodeKind.EDGE, request.session, choose, ask)

    async def _open(
        self,
        kind: NodeKind,
        session: SessionId,
        choose: Callable[[set[NodeId]], NodeId],
        ask: Callable[[NodeId], Awaitable[SessionAnswer]],
    ) -> SessionAnswer:
        if self._opening >= self._max_opening:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too many sessions are being opened", 1.0)
        self._opening += 1
        metrics.OPENING.inc()
        try:
            return await self._ask_nodes(kind, session, choose, ask)
        except BaseException:
            self.forget(session)
            raise
        finally:
            self._opening -= 1
            metrics.OPENING.dec()

    async def _ask_nodes(
        self,
        kind: NodeKind,
        session: SessionId,
        choose: Callable[[set[NodeId]], NodeId],
        ask: Callable[[NodeId], Awaitable[SessionAnswer]],
    ) -> SessionAnswer:
        """The chosen node, else the next best: the better of two may have filled up or died since its last report."""
        tried: set[NodeId] = set()
        refusal: RillcastError | None = None
        deadline = self._clock() + OPEN_TIMEOUT_S
        while len(tried) < ATTEMPTS and (refusal is None or self._clock() < deadline):
            try:
                node = choose(tried)
            except RillcastError as nobody:
                log.info("No node takes a session", kind=kind.value, reason=(refusal or nobody).message)
                raise refusal or nobody from None
            self._pending.placed(session, node, self._clock())
            try:
                return await ask(node)
            except RillcastError as error:
                if error.code not in _ELSEWHERE:
                    raise
                refusal = error
                tried.add(node)
                metrics.PLACEMENT_RETRIES.labels(kind.value).inc()
                log.info("A node did not take a session", target=node, reason=error.message)
                self._tasks.start(self._end(session, node, EndReason.NOT_ANSWERED, 0.0), "end session")
        assert refusal is not None
        raise refusal

    # ---- living sessions

    def connected(self, session: SessionId) -> None:
        """Its load will show in the node's reports."""
        self._pending.connected(session, self._clock())

    def forget(self, session: SessionId) -> None:
        """It is over."""
        self._pending.dropped(session)
        self._traces.pop(session, None)

    async def accept(self, session: SessionId, node: NodeId, sdp_answer: str) -> None:
        """Hand a viewer's answer to its edge. Raises `RillcastError`."""
        request = AnswerRequest(session=session, sdp_answer=sdp_answer)
        with self._tracer.start_as_current_span("signaling.accept", context=self._traces.pop(session, None)):
            timeout_s = OPEN_TIMEOUT_S + RUNG_WAIT_S
            await self._bus.request(subjects.edge_accept(node), request, Ack, timeout_s=timeout_s)

    async def select(self, session: SessionId, node: NodeId, height: int) -> None:
        """Force a viewer's rendition. Raises `RillcastError`."""
        await self._bus.request(subjects.edge_select(node), SelectRendition(session=session, height=height), Ack)

    async def mute(self, session: SessionId, node: NodeId, kind: MediaKind, enabled: bool) -> None:
        """Stop or resume one kind for a viewer. Raises `RillcastError`."""
        request = MuteRequest(session=session, kind=kind, enabled=enabled)
        await self._bus.request(subjects.session_mute(node), request, Ack)

    async def restart_ice(self, session: SessionId, node: NodeId, ufrag: str, pwd: str) -> RestartIceAnswer:
        """New ICE credentials for both sides. Raises `RillcastError`."""
        request = RestartIceRequest(session=session, remote_ufrag=ufrag, remote_pwd=pwd)
        return await self._bus.request(subjects.session_restart_ice(node), request, RestartIceAnswer)

    async def close(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> None:
        """End a session and wait for it. Raises `RillcastError`."""
        request = CloseRequest(session=session, reason=reason, keep_stream_s=keep_stream_s)
        await self._bus.request(subjects.session_close(node), request, Ack)

    def end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> None:
        """End a session on the side; a node that can't be reached ends it by itself when the client is gone."""
        self.forget(session)
        self._tasks.start(self._end(session, node, reason, keep_stream_s), "end session")

    async def _end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float) -> None:
        try:
            await self.close(session, node, reason, keep_stream_s)
        except RillcastError as error:
            log.info("A session could not be ended at its node", target=node, session=session, reason=error.message)

    def _span(
        self, name: str, app: AppName, stream: StreamId, session: SessionId
    ) -> AbstractContextManager[trace.Span]:
        attributes = {"rillcast.app": app, "rillcast.stream": stream, "rillcast.session": session}
        return self._tracer.start_as_current_span(name, attributes=attributes)
