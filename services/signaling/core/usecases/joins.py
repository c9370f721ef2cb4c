"""Opens sessions: chooses a node, asks it, then the next best; waits a moment where there is no node at all.

A viewer's edge that says nothing may be busy as well as frozen, so another one is asked beside it, and the first answer
counts. A publisher is asked for at one origin at a time, since two would take the stream from each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from rillcast.apps.ladder_wish import RUNG_WAIT_S
from rillcast.cluster.placement import PendingJoins, Placement
from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import NodeReport, PlaySubscription, PublishRequest, SessionAnswer
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import EndReason, NodeKind, Role
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.errors import RequestOutcome, Unanswered
from rillcast.runtime.telemetry.logs import get_logger
from rillcast.runtime.telemetry.tracing import tracer
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import no_place
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin, play_request, publish_request
from services.signaling.core.domain.left_behind import LeftBehind
from services.signaling.core.domain.refusals import Refusals
from services.signaling.core.domain.silent_nodes import SilentNodes
from services.signaling.core.ports import Apps, MediaNodes, OwnerOf, Reports
from services.signaling.core.usecases.join_traces import JoinTraces
from services.signaling.core.usecases.node_arrival import NodeArrival
from services.signaling.core.usecases.node_asks import Ask, NodeAsks, Patience

log = get_logger(__name__)

ATTEMPTS = 3
OPEN_TIMEOUT_S = 3.0
"""For all attempts together. An SDK starts anew when ICE isn't checking about 3 s after `play`."""
EDGE_ALONE_S = 1.0
"""After so long without a word of an edge another one is asked beside it. A join takes an edge some milliseconds, and
up to `OPEN_TIMEOUT_S` where it waits for a relay."""
ORIGIN_SHARE_S = 1.5
"""How long one origin may take where a second one can be asked. It may itself wait 1 s for a stream's owner."""
PUBLISHING = Patience(total_s=OPEN_TIMEOUT_S, one_s=ORIGIN_SHARE_S, alone_s=None)
_ELSEWHERE = frozenset({ErrorCode.NO_NODE_AVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE})
"""Refusals after which another node may do better."""
_SILENCE = frozenset({RequestOutcome.TIMEOUT, RequestOutcome.NOBODY})
"""What came of requests (`Unanswered.outcome`) after which a node is avoided for a while."""
_OUR_BUS = frozenset({RequestOutcome.STALLED, RequestOutcome.DISCONNECTED})
"""What says nothing about any node: none was asked, and to ask another one is no use."""

Choose = Callable[[set[NodeId]], NodeId]
"""The best node besides those that refused. Raises `RillcastError`."""


class Outlook(Protocol):
    """The part of `LadderOutlook` that joins need."""

    def codecs_to_come(self, app: AppName, stream: StreamId) -> tuple[str, ...]: ...

    def ladder_codecs(self, app: AppName, stream: StreamId) -> tuple[str, ...]: ...


class SessionNews(Protocol):
    """The part of `Grants` that hears what becomes of sessions."""

    def subscriber_of(self, session: SessionId) -> str: ...

    def placed(self, session: SessionId, node: NodeId) -> None: ...

    def connected(self, session: SessionId) -> None: ...

    def moved(self, old: SessionId, new: SessionId) -> None: ...

    def over(self, session: SessionId) -> None: ...


class Joins:
    """One per signaling instance."""

    def __init__(
        self,
        node: NodeId,
        nodes: MediaNodes,
        reports: Reports,
        *,
        apps: Apps,
        outlook: Outlook,
        owner_of: OwnerOf,
        ownerless_claim: Callable[[AppName, StreamId], str] = lambda app, stream: "",
        placement: Placement,
        pending: PendingJoins,
        arrival: NodeArrival,
        tasks: BackgroundTasks,
        grants: SessionNews,
        max_opening: int,
        traces: JoinTraces | None = None,
    ) -> None:
        """`node`: this instance, which is told what happens to the sessions. `ownerless_claim`: see `PublishRequest`.
        `grants`: what is held for them. `traces`: their spans."""
        self._node = node
        self._nodes = nodes
        self._reports = reports
        self._apps = apps
        self._outlook = outlook
        self._owner_of = owner_of
        self._ownerless_claim = ownerless_claim
        self._placement = placement
        self._pending = pending
        self._arrival = arrival
        self._tasks = tasks
        self._grants = grants
        self._places = SharedPlaces(max_opening)
        self._clock = asyncio.get_running_loop().time
        self._silent = SilentNodes()
        self._left_behind = LeftBehind()
        self.traces = JoinTraces() if traces is None else traces
        self._tracer = tracer("rillcast.signaling")

    # ---- opening

    async def publish(self, join: PublisherJoin, left: asyncio.Event | None = None) -> SessionAnswer:
        """A publisher's session at an origin. `left`: set when the client has gone. Raises `RillcastError`."""
        with self.traces.opening("signaling.publish", Role.PUBLISH, join.session, join.app, join.stream):
            return await self._publisher(join, left, self._nodes.publish)

    async def move(self, join: PublisherJoin, left: asyncio.Event | None = None) -> SessionAnswer:
        """The session in which a publisher goes on, since its origin is gone or drains: the answer carries an offer for
        its client. What is held stays with the former session until `moved`. Raises as `publish`."""
        with self.traces.opening("signaling.move", Role.PUBLISH, join.session, join.app, join.stream):
            return await self._publisher(join, left, self._nodes.move_in)

    async def _publisher(
        self,
        join: PublisherJoin,
        left: asyncio.Event | None,
        at_origin: Callable[[NodeId, PublishRequest, float], Awaitable[SessionAnswer]],
    ) -> SessionAnswer:
        subscriber = self._grants.subscriber_of(join.session)
        request = publish_request(join, self._settings(join.app), self._node, subscriber)

        def choose(refused: set[NodeId]) -> NodeId:
            owner = self._owner_of(join.app, join.stream)
            return self._placement.publisher(owner, join.client.place, self._clock(), refused)

        async def ask(origin: NodeId, timeout_s: float) -> SessionAnswer:
            ownerless = self._ownerless_claim(join.app, join.stream)
            return await at_origin(origin, replace(request, ownerless_claim=ownerless), timeout_s)

        opening = _Opening(NodeKind.ORIGIN, join.session, join.client.counted_as, choose, ask, PUBLISHING)
        return await self._open(opening, left)

    async def play(self, join: ViewerJoin, left: asyncio.Event | None = None) -> SessionAnswer:
        """A viewer's session at an edge. `left`: set when the client has gone. Raises `RillcastError`."""
        codecs_to_come = self._outlook.codecs_to_come(join.app, join.stream)
        wanted = PlaySubscription(
            app=join.app,
            stream=join.stream,
            codecs_to_come=codecs_to_come,
            ladder_codecs=self._outlook.ladder_codecs(join.app, join.stream),
        )
        request = play_request(join, self._settings(join.app), self._node, wanted)
        waits_s = RUNG_WAIT_S if codecs_to_come and join.sdp_offer is not None else 0.0

        def choose(refused: set[NodeId]) -> NodeId:
            return self._placement.viewer((join.app, join.stream), join.client.place, self._clock(), refused)

        async def ask(edge: NodeId, timeout_s: float) -> SessionAnswer:
            return await self._nodes.play(edge, request, timeout_s)

        with self.traces.opening("signaling.play", Role.PLAY, join.session, join.app, join.stream):
            client, patience = join.client.counted_as, _patience_with_edges(waits_s)
            opening = _Opening(NodeKind.EDGE, join.session, client, choose, ask, patience)
            return await self._open(opening, left)

    async def _open(self, opening: _Opening, left: asyncio.Event | None) -> SessionAnswer:
        waits_until = self._clock() + self._arrival.wait_s
        refusals = Refusals()
        try:
            while True:
                try:
                    answer = await self._ask_nodes(opening, refusals)
                    self._grants.placed(answer.session, answer.node)
                    return answer
                except RillcastError as failure:
                    if not await self._somebody_comes(opening, refusals, until=waits_until, left=left):
                        hurts = failure.code in _ELSEWHERE  # and is no fault of the client
                        tell = log.warning if hurts else log.info
                        tell("No node takes a session", kind=opening.kind.value, reason=failure.loggable)
                        raise
        except BaseException:
            self.forget(opening.session)
            raise

    async def _ask_nodes(self, opening: _Opening, refusals: Refusals) -> SessionAnswer:
        """The chosen node, else the next best: the better of two may have filled up or died since its last report.
        Every node that was asked in vain is told that the session is over, once."""
        refusals.nobody_left = False
        asks = NodeAsks(opening.ask, opening.patience)
        self._take_place(opening.client)
        try:
            while True:
                self._ask_next(opening, asks, refusals)
                ended = await asks.ended()
                if ended is None:
                    self._find_silent(asks.nodes)
                    continue
                report, asked = ended
                if (answer := self._answer(opening, report, asked, refusals)) is not None:
                    return answer
        finally:
            self._leave_place(opening.client)
            for node in asks.give_up():
                self._not_taken(opening, node, "another one answered first, or the join is over")

    def _ask_next(self, opening: _Opening, asks: NodeAsks, refusals: Refusals) -> None:
        """Ask one more node if there is one. Raises `RillcastError` when there is none and no answer is awaited."""
        if asks and opening.patience.alone_s is None:
            return
        refusals.nobody_left = False
        nodes = self._reports.placeable(opening.kind)
        if refusals.count + len(asks) >= ATTEMPTS or asks.left_s <= 0:
            nobody = refusals.last
        else:
            taken = refusals.of(nodes).union(asks.nodes)
            try:
                node = self._choose(opening.choose, taken)
            except RillcastError as error:
                refusals.nobody_left = error.code is ErrorCode.NO_NODE_AVAILABLE
                nobody = refusals.last or error
            else:
                self._pending.placed(opening.session, node, self._clock())
                asks.begin(nodes[node], last=not _another(nodes, taken | {node}))
                return
        if nobody is not None and not asks:
            raise nobody

    def _choose(self, choose: Choose, refused: set[NodeId]) -> NodeId:
        """The best of the others where some are silent; one of the silent rather than none."""
        silent = self._silent.now(self._clock())
        if silent:
            with suppress(RillcastError):
                return choose(refused | silent)
        return choose(refused)

    def _answer(
        self, opening: _Opening, report: NodeReport, asked: asyncio.Task[SessionAnswer], refusals: Refusals
    ) -> SessionAnswer | None:
        """None when the node does not take the session and another one may. Raises any other refusal."""
        node = report.info.node
        try:
            answer = asked.result()
        except RillcastError as error:
            self._heed(node, error)
            if error.code not in _ELSEWHERE or (isinstance(error, Unanswered) and error.outcome in _OUR_BUS):
                raise
            self._not_taken(opening, node, error.loggable)
            refusals.add(report, error)
            return None
        self._silent.heard(node)
        self._pending.placed(opening.session, node, self._clock())
        return answer

    def _heed(self, node: NodeId, error: RillcastError) -> None:
        """A node that refuses has been heard of. A bus that takes no request says nothing about any node."""
        if not isinstance(error, Unanswered):
            self._silent.heard(node)
        elif error.outcome in _SILENCE:
            self._find_silent([node])

    def _find_silent(self, nodes: list[NodeId]) -> None:
        for node in nodes:
            self._silent.silent(node, self._clock())

    def _take_place(self, client: str) -> None:
        """Raises HIGH_RESOURCE_USAGE when too many sessions are being opened, of all clients or of this one."""
        if refused := self._places.take(client):
            metrics.PLACES_REFUSED.labels("opening", refused).inc()
            raise no_place("too many sessions are being opened", refused)
        metrics.OPENING.inc()

    def _leave_place(self, client: str) -> None:
        self._places.leave(client)
        metrics.OPENING.dec()

    def _not_taken(self, opening: _Opening, node: NodeId, reason: str) -> None:
        metrics.PLACEMENT_RETRIES.labels(opening.kind.value).inc()
        log.info("A node did not take a session", target=node, reason=reason)
        self._tasks.queue(self._end(opening.session, node, EndReason.NOT_ANSWERED, 0.0), "end session")

    async def _somebody_comes(
        self, opening: _Opening, refusals: Refusals, *, until: float, left: asyncio.Event | None
    ) -> bool:
        """Whether another node may be asked after a wait: there was none, or those there were did not answer."""
        if not refusals.nobody_left or refusals.some_full:
            return False

        def placeable() -> bool:
            nodes = self._reports.placeable(opening.kind)
            return _another(nodes, refusals.of(nodes))

        return await self._arrival.wait(opening.kind, placeable, until=until, left=left, client=opening.client)

    # ---- living sessions

    def connected(self, session: SessionId) -> None:
        """The session is connected, so its load shows in the reports of its node and is no longer one to come."""
        self._pending.connected(session, self._clock())
        self._grants.connected(session)

    def forget(self, session: SessionId) -> None:
        """The session is over, or was never opened: nothing is kept for it any more."""
        self._pending.dropped(session)
        self._grants.over(session)

    def moved(self, old: SessionId, new: SessionId, node: NodeId | None = None, *, anew: bool = False) -> None:
        """A client goes on in a new session, at `node` or at one that is about to be asked. `anew`: it has begun anew
        by itself, and not because of its node."""
        self._grants.moved(old, new)
        if node is not None:
            self._grants.placed(new, node)

    async def accept(self, session: SessionId, node: NodeId, sdp_answer: str) -> None:
        """Hand a viewer's answer to its edge. Raises `RillcastError`."""
        with self.traces.within(session), self._tracer.start_as_current_span("signaling.accept"):
            await self._nodes.accept(session, node, sdp_answer, OPEN_TIMEOUT_S + RUNG_WAIT_S)

    def leave_behind(self, session: SessionId, node: NodeId) -> None:
        """The session went on elsewhere, since its node is taken for gone. If the same process is heard of again, it is
        told to end the session."""
        self._left_behind.add(session, node)

    def node_back(self, report: NodeReport) -> None:
        """A process that was taken for gone is heard of again, e.g. since it was frozen."""
        for session in self._left_behind.at(report.info.node):
            self._tasks.queue(self._end(session, report.info.node, EndReason.REPLACED, 0.0), "end session left behind")

    def end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> None:
        """End a session soon. A node that can't be reached ends it by itself when the client is gone, and so does one
        that is not told because too many sessions end at once."""
        self.forget(session)
        self._tasks.queue(self._end(session, node, reason, keep_stream_s), "end session")

    async def _end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float) -> None:
        """Of a session that is forgotten here, or goes on at another node."""
        try:
            await self._nodes.close(session, node, reason, keep_stream_s, forgotten=True)
        except RillcastError as error:
            log.info("A session could not be ended at its node", target=node, session=session, reason=error.loggable)

    # ---- parts

    def _settings(self, app: AppName) -> AppSettings:
        """The defaults when the app was removed meanwhile."""
        return self._apps.settings(app) or AppSettings(app_name=app)


def _another(nodes: Mapping[NodeId, NodeReport], besides: Container[NodeId]) -> bool:
    """Whether there is one. It takes as many looks as `besides` has nodes, however many there are."""
    return any(node not in besides for node in nodes)


def _patience_with_edges(waits_s: float) -> Patience:
    """`waits_s`: how long an edge may besides wait for a rendition that the viewer needs."""
    total_s = OPEN_TIMEOUT_S + waits_s
    return Patience(total_s=total_s, one_s=total_s, alone_s=EDGE_ALONE_S + waits_s)


class _Opening(NamedTuple):
    """What is wanted of the nodes."""

    kind: NodeKind
    session: SessionId
    client: str
    """Whose share of the places it takes: `Client.counted_as`."""
    choose: Choose
    ask: Ask
    patience: Patience
