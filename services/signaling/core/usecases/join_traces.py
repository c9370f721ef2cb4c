"""The span of each join, from the client's first message to its first media.

The spans of everything that is done for the join, here and at other nodes, are below it. A join outlives the tasks that
work for it, so its span is kept here by its session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import msgspec
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from rillcast.runtime.telemetry.tracing import tracer
from services.signaling import metrics

MOST_OPEN = 20_000
"""Joins under way whose span is kept; of further ones only what is done for them has spans."""
LEFT = "left"
"""How a join ends whose client went before there was media."""
LONGEST_S = 60.0
"""A join that has not come to anything by then has failed, as far as its span is concerned."""
SWEEP_S = 5.0
MOVES_IN_ONE = 50
"""Moves that are parts of the trace of what made them necessary. Further ones are traces of their own, linked with it,
since a trace of many thousand spans shows nobody anything."""
MOST_CAUSES = 256
REFUSED_PER_S = 20
"""Refused joins whose span is kept. Strangers make them, and would push out all others."""


class _Join(msgspec.Struct, gc=False):
    span: Span
    context: Context
    began: float


class JoinTraces:
    """One per signaling instance. The methods may be called for any session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._open: dict[SessionId, _Join] = {}
        self._asked: dict[SessionId, bool] = {}
        """Sessions for which nodes are being asked, and whether they are over meanwhile."""
        self._causes: dict[int, int] = {}
        self._sweeps = False
        self._allowed, self._allowed_at = float(REFUSED_PER_S), clock()
        self._tracer = tracer("rillcast.signaling")

    def __len__(self) -> int:
        """Joins under way whose span is kept."""
        return len(self._open)

    # ---- beginning

    def begin(self, session: SessionId, does: Role, app: AppName, stream: StreamId, door: str) -> None:
        """A client asks for something. `door`: how it came, such as ``whep``."""
        self._begin(session, does.value, _said(session, app, stream) | {"rillcast.door": door}, Context())

    @contextmanager
    def opening(self, name: str, does: Role, session: SessionId, app: AppName, stream: StreamId) -> Iterator[None]:
        """Nodes are asked for a session: the span `name`. For a session of which nothing is known here this is a move,
        because of whatever is the current trace. A refusal fails the join."""
        said = _said(session, app, stream)
        if session not in self._open:
            self._begin_move(session, does, said)
        join = self._open.get(session)
        self._asked[session] = False
        error = LEFT
        try:
            with self._tracer.start_as_current_span(
                name, context=join.context if join is not None else None, attributes=said
            ):
                yield
            error = ""
        except RillcastError as refusal:
            error = refusal.code.value
            raise
        finally:
            over = self._asked.pop(session, False)
            if error or over:
                self.failed(session, error or LEFT)

    def within(self, session: SessionId) -> AbstractContextManager[None]:
        """What is done in the block is done for this join."""
        join = self._open.get(session)
        return nullcontext() if join is None else _attached(join.context)

    # ---- ending

    def refused(self, session: SessionId, code: str) -> None:
        """The client was not let in."""
        now = self._clock()
        self._allowed = min(float(REFUSED_PER_S), self._allowed + (now - self._allowed_at) * REFUSED_PER_S)
        self._allowed_at = now
        if self._allowed < 1:
            metrics.JOIN_TRACES_DROPPED.labels("refused").inc()
            self.drop(session)
            return
        self._allowed -= 1
        self.failed(session, code)

    def failed(self, session: SessionId, error: str) -> None:
        """The join came to nothing."""
        if (join := self._open.pop(session, None)) is not None:
            join.span.set_status(StatusCode.ERROR, error)
            join.span.end()

    def changed(self, event: SessionChanged) -> None:
        """What a node says of a session."""
        if event.state is SessionState.MEDIA:
            self._end(event.session)
        elif event.state is SessionState.CLOSED and event.session in self._open:
            self.failed(event.session, (event.reason or EndReason.OTHER).value)

    def over(self, session: SessionId) -> None:
        """The session is over, before or after its first media. While nodes are asked for it, their answer says why."""
        if session in self._asked:
            self._asked[session] = True
        else:
            self.failed(session, LEFT)

    def drop(self, session: SessionId) -> None:
        """It was no join: nothing of it is told."""
        self._open.pop(session, None)

    # ---- inside

    def _begin_move(self, session: SessionId, does: Role, said: Mapping[str, str]) -> None:
        cause = trace.get_current_span().get_span_context()
        name = f"move {does.value}"
        if not cause.is_valid:
            self._begin(session, name, said, Context())
            return
        moves = self._causes.pop(cause.trace_id, 0) + 1
        self._causes[cause.trace_id] = moves
        if len(self._causes) > MOST_CAUSES:
            del self._causes[next(iter(self._causes))]
        if moves <= MOVES_IN_ONE:
            self._begin(session, name, said, context.get_current())
        else:
            self._begin(session, name, said, Context(), cause=Link(cause))

    def _begin(
        self, session: SessionId, name: str, said: Mapping[str, str], within: Context, cause: Link | None = None
    ) -> None:
        if len(self._open) >= MOST_OPEN:
            metrics.JOIN_TRACES_DROPPED.labels("full").inc()
            return
        links = [cause] if cause is not None else []
        span = self._tracer.start_span(name, context=within, kind=SpanKind.SERVER, attributes=said, links=links)
        self._open[session] = _Join(span, trace.set_span_in_context(span, within), self._clock())
        if not self._sweeps:
            self._sweeps = True
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _end(self, session: SessionId) -> None:
        if (join := self._open.pop(session, None)) is not None:
            join.span.end()

    def _sweep(self) -> None:
        """They are in the order in which they began."""
        before = self._clock() - LONGEST_S
        while self._open and (oldest := next(iter(self._open.items())))[1].began <= before:
            self.failed(oldest[0], "timeout")
        self._sweeps = bool(self._open)
        if self._sweeps:
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)


@contextmanager
def _attached(wanted: Context) -> Iterator[None]:
    token = context.attach(wanted)
    try:
        yield
    finally:
        context.detach(token)


def _said(session: SessionId, app: AppName, stream: StreamId) -> dict[str, str]:
    return {"rillcast.app": app, "rillcast.stream": stream, "rillcast.session": session}
