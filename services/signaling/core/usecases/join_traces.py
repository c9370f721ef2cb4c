"""The span of each join, from the client's first message to its first picture, or to its first media.

Only a client knows when it shows a picture. That of a viewer who says that it will tell stays open until it does, for
`FRAME_WITHIN_S` at most after the first packet; it is believed between its answer and its message, and no further. The
span of everybody else ends with the first packet. `Until` says which it was.

The spans of everything that is done for the join, here and at other nodes, are below it. A join outlives the tasks that
work for it, so its span is kept here by its session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum

import msgspec
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from rillcast.runtime.telemetry.tracing import drop, tracer
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
FRAME_WITHIN_S = 15.0
"""After the first packet, for a viewer that has said that it will tell of its first picture. Then its span ends with
that packet."""
SLACK_S = 1.0
"""By so much a client's time may be beyond what can be without being counted: messages take different times."""
UNTIL = "rillcast.until"
"""The attribute of a join that says where it ends."""


class Until(StrEnum):
    """With what the span of a join ends that came to something."""

    FIRST_FRAME = "first_frame"
    """The client has told that it shows a picture."""
    FIRST_PACKET = "first_packet"
    """The edge has sent something; this client tells no more."""
    FIRST_MEDIA = "first_media"
    """The origin has got something of the publisher."""


class _Join(msgspec.Struct, gc=False):
    span: Span
    context: Context
    flows: Until
    """With what it ends if the client tells nothing."""
    began: float
    began_ns: int
    """The same in Unix nanoseconds, by the clock of this machine."""
    offered: float | None = None
    """Since when the client is to answer; None when it is not, or has."""
    answered: float = 0.0
    tells: bool = False
    """Whether its client has said that it will tell of its first picture."""
    flowed: float | None = None
    shown: float | None = None
    """When it showed the picture, by our clock, as far as that can be."""
    corrected: bool = False

    def at_ns(self, moment: float) -> int:
        """Unix time of a moment of the monotonic clock, whatever was done to the other one meanwhile."""
        return self.began_ns + round((moment - self.began) * 1e9)


class JoinTraces:
    """One per signaling instance. The methods may be called for any session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._open: dict[SessionId, _Join] = {}
        self._unshown: dict[SessionId, None] = {}
        """Those of the open ones whose media flows, in the order in which that began."""
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
        self._begin(session, does, does.value, _said(session, app, stream) | {"rillcast.door": door}, Context())

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
            if join is not None:
                join.offered = self._clock()
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

    def answered(self, session: SessionId, *, tells_first_frame: bool) -> None:
        """The client's answer has come: it cannot have been shown anything before. `tells_first_frame`: it says that
        `shown` will follow."""
        if (join := self._open.get(session)) is None:
            return
        join.answered, join.tells = self._clock(), tells_first_frame
        if join.offered is not None:
            self._of_client(join, "client.answer", join.offered, join.answered, {})
            join.offered = None

    # ---- ending

    def shown(self, session: SessionId, after_s: float) -> None:
        """The client says that it shows its first picture, so long after it asked. It counts once media flows: what a
        client says does not make a success of a join that has failed."""
        join = self._open.get(session)
        if join is None or not join.tells or join.shown is not None:
            metrics.FIRST_FRAMES.labels("unexpected").inc()
            return
        said = join.began + after_s
        join.shown = min(max(said, join.answered), self._clock())
        join.corrected = abs(join.shown - said) > SLACK_S
        metrics.FIRST_FRAMES.labels("corrected" if join.corrected else "told").inc()
        if join.flowed is not None:
            self._end(session)

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
        """The join came to nothing, unless media flows already."""
        if session in self._unshown:
            self._end(session)
        elif (join := self._open.pop(session, None)) is not None:
            join.span.set_status(StatusCode.ERROR, error)
            join.span.end()

    def changed(self, event: SessionChanged) -> None:
        """What a node says of a session."""
        if event.state is SessionState.MEDIA:
            self._flows(event.session)
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
        if (join := self._open.pop(session, None)) is not None:
            drop(join.span)
        self._unshown.pop(session, None)

    # ---- inside

    def _begin_move(self, session: SessionId, does: Role, said: Mapping[str, str]) -> None:
        cause = trace.get_current_span().get_span_context()
        name = f"move {does.value}"
        if not cause.is_valid:
            self._begin(session, does, name, said, Context())
            return
        moves = self._causes.pop(cause.trace_id, 0) + 1
        self._causes[cause.trace_id] = moves
        if len(self._causes) > MOST_CAUSES:
            del self._causes[next(iter(self._causes))]
        if moves <= MOVES_IN_ONE:
            self._begin(session, does, name, said, context.get_current())
        else:
            self._begin(session, does, name, said, Context(), cause=Link(cause))

    def _begin(
        self,
        session: SessionId,
        does: Role,
        name: str,
        said: Mapping[str, str],
        within: Context,
        *,
        cause: Link | None = None,
    ) -> None:
        if len(self._open) >= MOST_OPEN:
            metrics.JOIN_TRACES_DROPPED.labels("full").inc()
            return
        links = [cause] if cause is not None else []
        span = self._tracer.start_span(name, context=within, kind=SpanKind.SERVER, attributes=said, links=links)
        flows = Until.FIRST_PACKET if does is Role.PLAY else Until.FIRST_MEDIA
        below = trace.set_span_in_context(span, within)
        self._unshown.pop(session, None)
        self._open[session] = _Join(span, below, flows, began=self._clock(), began_ns=time.time_ns())
        if not self._sweeps:
            self._sweeps = True
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _flows(self, session: SessionId) -> None:
        join = self._open.get(session)
        if join is None or join.flowed is not None:
            return
        join.flowed = self._clock()
        if join.tells and join.shown is None:
            self._unshown[session] = None
        else:
            self._end(session)

    def _end(self, session: SessionId) -> None:
        """Of a join whose media flows."""
        join = self._open.pop(session)
        self._unshown.pop(session, None)
        assert join.flowed is not None  # `_flows` comes before
        if join.shown is None:
            if join.tells:
                metrics.FIRST_FRAMES.labels("missing").inc()
            join.span.set_attribute(UNTIL, join.flows)
            join.span.end(join.at_ns(join.flowed))
            return
        begin = min(join.flowed, join.shown)
        said: dict[str, int | bool] = {"rillcast.first_frame_ms": round((join.shown - join.began) * 1_000)}
        if join.corrected:
            said["rillcast.corrected"] = True
        self._of_client(join, "client.first_frame", begin, join.shown, said)
        join.span.set_attribute(UNTIL, Until.FIRST_FRAME)
        join.span.end(join.at_ns(join.shown))

    def _of_client(self, join: _Join, name: str, begin: float, end: float, said: Mapping[str, int | bool]) -> None:
        """What the client did meanwhile, between two moments of our clock."""
        start_ns = join.at_ns(begin)
        span = self._tracer.start_span(name, context=join.context, attributes=said, start_time=start_ns)
        span.end(join.at_ns(end))

    def _sweep(self) -> None:
        """They are in the order in which they began."""
        shown_by = self._clock() - FRAME_WITHIN_S
        while self._unshown and (self._open[waits := next(iter(self._unshown))].flowed or 0.0) <= shown_by:
            self._end(waits)
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
