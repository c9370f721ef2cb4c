"""Limits hold for the whole cluster: one instance counts, and the others ask it before they let somebody in.

The instances of a cluster would else each let in as many as there is room for, before the nodes report the others'.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId
from rillcast.contracts.messages import ReservationArrived, ReservationOver, ReserveRequest, SessionChanged
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import EndReason, NodeKind, Role, SessionState
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import Applicant, unknown_app
from services.signaling.core.domain.counting_instance import counting_instance
from services.signaling.core.domain.silent_nodes import SilentNodes
from services.signaling.core.ports import Apps, Reports
from services.signaling.core.usecases.limits import Limits, Wanted

log = get_logger(__name__)

LATE_S = 5.0
"""What a client may need besides its time to start: until its node has opened the session, and has said that it
runs."""
_ARRIVES = {Role.PUBLISH: (SessionState.MEDIA,), Role.PLAY: (SessionState.CONNECTED, SessionState.MEDIA)}
"""When a session counts as one that is there: a viewer can receive, a publisher's media flows."""


class Instances(Protocol):
    """The other signaling instances."""

    async def reserve(self, node: NodeId, request: ReserveRequest) -> None:
        """Ask the instance that counts. Raises its refusal, and NO_NODE_AVAILABLE when it does not answer."""
        ...

    async def arrived(self, node: NodeId, arrived: ReservationArrived) -> None:
        """Tell the instance that counts that somebody is there. Raises as `reserve`."""
        ...

    async def give_back(self, node: NodeId, over: ReservationOver) -> None:
        """Tell it that somebody is gone."""
        ...


class Closes(Protocol):
    """The part of `MediaNodes` that ends sessions."""

    async def close(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> bool: ...


class _Reserved(msgspec.Struct, frozen=True):
    """A session that was let in here and has not arrived."""

    wanted: Wanted
    asked: NodeId
    """Who counts it; perhaps this instance."""
    until: float


class LimitReservations:
    """An `AskingCheck`. One per signaling instance. Costs nothing where there is no limit, and asks nobody where this
    instance counts: then `Limits.check` has counted already."""

    def __init__(
        self,
        own: NodeId,
        limits: Limits,
        *,
        apps: Apps,
        reports: Reports,
        instances: Instances,
        sessions: Closes,
        tasks: BackgroundTasks,
        clock: Callable[[], float],
    ) -> None:
        """`own`: this instance. `clock`: monotonic seconds."""
        self._own = own
        self._limits = limits
        self._apps = apps
        self._reports = reports
        self._instances = instances
        self._sessions = sessions
        self._tasks = tasks
        self._clock = clock
        self._silent = SilentNodes()
        self._reserved: dict[SessionId, _Reserved] = {}
        """Those let in first stand first. As many as sessions that are being opened."""
        limits.heard = partial(self._remember, own)

    def __len__(self) -> int:
        """Sessions that have a place under a limit, or gave it to somebody else, and have not arrived."""
        return len(self._reserved)

    # ---- letting in

    def applies(self, applicant: Applicant, settings: AppSettings) -> bool:
        """Whether another instance counts. If it is this one, it has, by `Limits.check`."""
        return self._limits.wanted(applicant, settings) is not None and self._counting() != self._own

    async def ask(self, applicant: Applicant, settings: AppSettings) -> None:
        """Raises VIEWER_LIMIT_REACHED, or HIGH_RESOURCE_USAGE for streams. An instance that says nothing is passed
        over; when nobody else is left, what was counted here decides."""
        wanted = self._limits.wanted(applicant, settings)
        if wanted is None:
            return
        request = ReserveRequest(
            role=wanted.role, app=wanted.app, stream=wanted.stream, session=wanted.session, client=wanted.client
        )
        while (node := self._counting()) != self._own:
            self._remember(node, wanted, settings)
            try:
                await self._instances.reserve(node, request)
            except RillcastError as refusal:
                if refusal.code is not ErrorCode.NO_NODE_AVAILABLE:
                    self._reserved.pop(wanted.session, None)
                    metrics.LIMIT_QUESTIONS.labels("refused").inc()
                    raise
                self._silent.silent(node, self._clock())
                metrics.LIMIT_QUESTIONS.labels("silent").inc()
            else:
                self._silent.heard(node)
                metrics.LIMIT_QUESTIONS.labels("ok").inc()
                return

    def changed(self, event: SessionChanged) -> None:
        """A node says what became of a session. Called for any session. Who arrives and has no place any more is sent
        away, unless there is still room."""
        reserved = self._reserved.get(event.session)
        if reserved is None or event.state not in _ARRIVES[reserved.wanted.role]:
            return
        del self._reserved[event.session]
        self._tasks.queue(self._arrived(reserved.wanted, event.node), "count who arrived")

    def over(self, session: SessionId) -> None:
        """The session is over, or was not let in after all. Called for any session."""
        reserved = self._reserved.pop(session, None)
        if reserved is not None and reserved.asked != self._own:
            over = ReservationOver(session=session)
            self._tasks.queue(self._instances.give_back(reserved.asked, over), "give back")

    # ---- for other instances

    def count(self, request: ReserveRequest) -> None:
        """Another instance lets somebody in. Raises the refusal."""
        wanted = Wanted(
            role=request.role, app=request.app, stream=request.stream, session=request.session, client=request.client
        )
        self._limits.reserve(wanted, self._settings(request.app))

    def count_arrived(self, arrived: ReservationArrived) -> None:
        """Somebody whom another instance let in has arrived. Raises the refusal."""
        wanted = Wanted(role=arrived.role, app=arrived.app, stream=arrived.stream, session=arrived.session)
        self._limits.arrived(wanted, self._settings(arrived.app))

    def given_back(self, over: ReservationOver) -> None:
        """Somebody whom another instance let in is gone."""
        self._limits.over(over.session)

    # ---- parts

    def _settings(self, app: AppName) -> AppSettings:
        settings = self._apps.settings(app)
        if settings is None:
            raise unknown_app(app)
        return settings

    def _counting(self) -> NodeId:
        silent = self._silent.now(self._clock())
        return counting_instance(self._own, self._reports.nodes(NodeKind.SIGNALING), silent)

    async def _arrived(self, wanted: Wanted, node: NodeId) -> None:
        try:
            await self._count_arrived(wanted)
        except RillcastError as refusal:
            if refusal.code is ErrorCode.UNKNOWN_APP:
                return
            metrics.LATE_REFUSALS.labels(wanted.role.value).inc()
            try:
                await self._sessions.close(wanted.session, node, EndReason.LIMIT_REACHED)
            except RillcastError as error:
                log.info("A session beyond a limit could not be ended", target=node, reason=error.message)

    async def _count_arrived(self, wanted: Wanted) -> None:
        """Raises the refusal. Where another instance counts, that one decides, if it answers."""
        if (node := self._counting()) == self._own:
            self._limits.arrived(wanted, self._settings(wanted.app))
            return
        with suppress(RillcastError):
            self._limits.arrived(wanted, self._settings(wanted.app))
        arrived = ReservationArrived(role=wanted.role, app=wanted.app, stream=wanted.stream, session=wanted.session)
        try:
            await self._instances.arrived(node, arrived)
        except RillcastError as refusal:
            if refusal.code is not ErrorCode.NO_NODE_AVAILABLE:
                raise
            self._silent.silent(node, self._clock())
            metrics.LIMIT_QUESTIONS.labels("silent").inc()

    def _remember(self, asked: NodeId, wanted: Wanted, settings: AppSettings) -> None:
        now = self._clock()
        self._forget(now)
        until = now + settings.web_rtc_client_start_timeout_ms / 1_000 + LATE_S
        self._reserved[wanted.session] = _Reserved(wanted, asked, until)

    def _forget(self, now: float) -> None:
        while self._reserved:
            session, oldest = next(iter(self._reserved.items()))
            if now < oldest.until:
                return
            del self._reserved[session]
