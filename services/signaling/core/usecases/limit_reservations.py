"""Limits hold for the whole cluster: one instance counts, and the others ask it before they let somebody in.

The instances of a cluster would else each let in as many as there is room for, before the nodes report the others'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import ReservationOver, ReserveRequest
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import NodeKind, Role
from rillcast.node.background import BackgroundTasks
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import Applicant, unknown_app
from services.signaling.core.domain.counting_instance import counting_instance
from services.signaling.core.domain.recent_joins import LAG_S
from services.signaling.core.domain.silent_nodes import SilentNodes
from services.signaling.core.ports import Apps, Reports
from services.signaling.core.usecases.limits import Limits


class Instances(Protocol):
    """The other signaling instances."""

    async def reserve(self, node: NodeId, request: ReserveRequest) -> None:
        """Ask the instance that counts. Raises its refusal, and NO_NODE_AVAILABLE when it does not answer."""
        ...

    async def give_back(self, node: NodeId, over: ReservationOver) -> None:
        """Tell it that somebody is gone."""
        ...


class LimitReservations:
    """An `AskingCheck`. One per signaling instance. Costs nothing where there is no limit, and where this instance
    counts: then `Limits.check` has counted already."""

    def __init__(
        self,
        own: NodeId,
        limits: Limits,
        *,
        apps: Apps,
        reports: Reports,
        instances: Instances,
        tasks: BackgroundTasks,
        clock: Callable[[], float],
    ) -> None:
        """`own`: this instance. `clock`: monotonic seconds."""
        self._own = own
        self._limits = limits
        self._apps = apps
        self._reports = reports
        self._instances = instances
        self._tasks = tasks
        self._clock = clock
        self._silent = SilentNodes()
        self._asked: dict[SessionId, tuple[NodeId, float]] = {}
        """Who counts a session, and until when at most. Those asked about first stand first."""

    def __len__(self) -> int:
        """Sessions that are counted elsewhere."""
        return len(self._asked)

    # ---- letting in

    def applies(self, applicant: Applicant, settings: AppSettings) -> bool:
        """Whether another instance counts."""
        return self._limits.counts(applicant, settings) and self._counting() != self._own

    async def ask(self, applicant: Applicant, settings: AppSettings) -> None:
        """Raises VIEWER_LIMIT_REACHED, or HIGH_RESOURCE_USAGE for streams. An instance that says nothing is passed
        over; when nobody else is left, what was counted here decides."""
        session = applicant.session
        if session is None:
            return
        request = ReserveRequest(role=applicant.role, app=applicant.app, stream=applicant.stream, session=session)
        while (node := self._counting()) != self._own:
            self._remember(session, node, applicant.role, settings)
            try:
                await self._instances.reserve(node, request)
            except RillcastError as refusal:
                if refusal.code is not ErrorCode.NO_NODE_AVAILABLE:
                    del self._asked[session]
                    metrics.LIMIT_QUESTIONS.labels("refused").inc()
                    raise
                self._silent.silent(node, self._clock())
                metrics.LIMIT_QUESTIONS.labels("silent").inc()
            else:
                self._silent.heard(node)
                metrics.LIMIT_QUESTIONS.labels("ok").inc()
                return

    def over(self, session: SessionId) -> None:
        """The session is over, or was not let in after all. Called for any session."""
        node, until = self._asked.pop(session, (self._own, 0.0))
        if self._clock() < until:
            self._tasks.queue(self._instances.give_back(node, ReservationOver(session=session)), "give back")

    # ---- for other instances

    def count(self, request: ReserveRequest) -> None:
        """Another instance lets somebody in. Raises the refusal."""
        settings = self._apps.settings(request.app)
        if settings is None:
            raise unknown_app(request.app)
        self._limits.reserve(request.role, request.app, request.stream, request.session, settings)

    def given_back(self, over: ReservationOver) -> None:
        """Somebody whom another instance let in is gone."""
        self._limits.over(over.session)

    # ---- parts

    def _counting(self) -> NodeId:
        silent = self._silent.now(self._clock())
        return counting_instance(self._own, self._reports.nodes(NodeKind.SIGNALING), silent)

    def _remember(self, session: SessionId, node: NodeId, role: Role, settings: AppSettings) -> None:
        now = self._clock()
        self._forget(now)
        counts_s = LAG_S if role is Role.PLAY else settings.web_rtc_client_start_timeout_ms / 1_000
        self._asked[session] = node, now + counts_s

    def _forget(self, now: float) -> None:
        while self._asked:
            session, (_, until) = next(iter(self._asked.items()))
            if now < until:
                return
            del self._asked[session]
