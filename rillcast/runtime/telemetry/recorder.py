"""Spans that are recorded: light ones, kept in a bounded store of this process, and handed to the exporter if there is
one.

The spans of the SDK cost 25 µs each, and a join has some ten of them. These cost a fraction of it, so they are always
made, and `rillcast trace` shows them without any other program. What is exported is made into spans of the SDK by the
thread that sends them (`export`).

A trace is sampled by its id: its root decides, and everybody else follows what the header says. The spans of a trace
that is not sampled wait in the store. If one of them fails, or the root takes long, the trace is *kept*: what waits
here is exported, what follows too, and the other processes are told (`take_news`), who do the same. So what is lost of
a failed trace is only what was pushed out of a store before.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import Token
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages.traces import MOST_ATTRIBUTES, MOST_TRACES, FinishedSpan, SpanRole, SpanValue
from rillcast.runtime import metrics
from rillcast.runtime.telemetry.span_store import SpanStore

APP, STREAM, SESSION = "rillcast.app", "rillcast.stream", "rillcast.session"
"""The attributes by which traces are found. Several streams are separated by commas."""
MOST_TEXT = 256
"""Characters of an attribute."""
MOST_KEPT = 2_048
"""Traces of which it is remembered that their spans are exported although they were not sampled."""
KEEPS_PER_S = 20
"""Failed traces that this process keeps in a second; what goes beyond is counted, and not exported."""
_SAMPLED, _NOT_SAMPLED = "01", "00"
_ROLES = {kind: SpanRole(kind.name.lower()) for kind in SpanKind}
_RATIO_BITS = 56
_ROUTINE = ("node.traces", "node.reported", "node.left", "license.acquire", "license.status")
_UNTOLD = frozenset(f"{does} {what}" for what in _ROUTINE for does in ("request", "process"))
"""Spans that are not kept unless they fail: nodes ask such things all the time, and who looks at traces would find
himself."""
_NEVER_TOLD = frozenset({"request node.confirm", "process node.confirm"})
"""Nor those: whether somebody lives is asked when nobody may be there, and then no answer is no failure."""
_TO_THE_DEAD = frozenset({"request media.relay_close"})
"""Nor is it one when nobody answers these: a parent that fell silent is told to give no more, and may be gone."""

Sink = Callable[[FinishedSpan], None]
"""Takes a span to be exported. It must not block, and may be called from any thread."""


class RecordedSpan(Span):
    """One span under way."""

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        role: SpanRole,
        *,
        trace_id: str,
        parent: str,
        sampled: bool,
        attributes: dict[str, SpanValue],
        link: str,
        above: RecordedSpan | None,
        began_ns: int | None = None,
    ) -> None:
        """`began_ns`: Unix nanoseconds, if it does not begin now."""
        self._recorder = recorder
        self._name = name
        self._role = role
        self._parent = parent
        self._link = link
        self._attributes = attributes
        self._error = ""
        self._ended = False
        self._top: RecordedSpan | None = None if above is None else above._top or above
        """The uppermost one above this one in this process."""
        self.told = True
        """Whether anything of it is to be told, and of what is below it here. Counts in the uppermost."""
        self.about: RecordedSpan | None = above.about if above is not None else None
        """The span here, this one or one above, that says which app, stream and session all this is about."""
        if SESSION in attributes or STREAM in attributes:
            self.about = self
        self.sampled = sampled
        self.trace_id = trace_id
        self.span_id = f"{random.getrandbits(64) or 1:016x}"
        self._began_ns = time.time_ns() if began_ns is None else began_ns
        self._began = time.perf_counter_ns()

    @property
    def header(self) -> str:
        """As ``traceparent`` says it."""
        sampled = self.sampled or self.trace_id in self._recorder.kept
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if sampled else _NOT_SAMPLED}"

    def subject(self) -> Iterator[tuple[str, SpanValue]]:
        """App, stream and session, as log lines have them."""
        if self.about is not None:
            for name, key in (("app", APP), ("stream", STREAM), ("session", SESSION)):
                if key in self.about._attributes:
                    yield name, self.about._attributes[key]

    def get_span_context(self) -> SpanContext:
        """See `Span`. Seldom asked for: log lines and headers have the ids as text."""
        flags = TraceFlags(TraceFlags.SAMPLED if self.sampled else TraceFlags.DEFAULT)
        return SpanContext(int(self.trace_id, 16), int(self.span_id, 16), is_remote=False, trace_flags=flags)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """See `Span`."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: Any) -> None:
        """See `Span`. There is room for `MOST_ATTRIBUTES`."""
        if not self._ended and (len(self._attributes) < MOST_ATTRIBUTES or key in self._attributes):
            self._attributes[key] = _told(value)

    def add_event(self, *_arguments: Any, **_named: Any) -> None:
        """These spans have no events: what lasts is a span of its own. A library that adds one is passed over."""

    def record_exception(self, *_arguments: Any, **_named: Any) -> None:
        """Not kept, since an exception may quote a client. `set_status` says which kind it was."""

    def update_name(self, name: str) -> None:
        """See `Span`."""
        self._name = name

    def is_recording(self) -> bool:
        """See `Span`."""
        return not self._ended

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """See `Span`. The description of an error becomes ``error.type``: it is a code, and never a sentence."""
        code = status
        if isinstance(status, Status):
            code, description = status.status_code, status.description
        if code is StatusCode.ERROR and self._name in _TO_THE_DEAD and description == ErrorCode.NO_NODE_AVAILABLE.value:
            self.set_attribute("rillcast.outcome", description)
        elif code is StatusCode.ERROR:
            self._error = (description or "error")[:MOST_TEXT]

    def end(self, end_time: int | None = None) -> None:
        """See `Span`. `end_time`: Unix nanoseconds, if it was not now; of a span that did not begin when it was made it
        must be given. Ends once."""
        if self._ended:
            return
        self._ended = True
        if not (self._top or self).told:
            return
        took = time.perf_counter_ns() - self._began if end_time is None else max(0, end_time - self._began_ns)
        self._recorder.ended(
            FinishedSpan(
                trace=self.trace_id,
                span=self.span_id,
                parent=self._parent,
                name=self._name,
                role=self._role,
                began_ns=self._began_ns,
                took_ns=took,
                error=self._error,
                attributes=self._attributes,
                sampled=self.sampled,
                link=self._link,
            )
        )


class Recorder(trace.TracerProvider, trace.Tracer):
    """One per process. It is its own tracer."""

    def __init__(
        self,
        most: int,
        *,
        ratio: float = 1.0,
        slow_s: float = 0.0,
        sink: Sink | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most`: spans in the store. `ratio`: of the traces that begin here, how many are exported in any case.
        `slow_s`: a root that took longer is like a failed one; 0: none is. `sink`: without it nothing is exported."""
        self.store = SpanStore(most)
        self.kept: dict[str, None] = {}
        """Traces that are exported although they were not sampled, the oldest first."""
        self._below = round(ratio * (1 << _RATIO_BITS))
        self._slow_ns = slow_s * 1e9
        self._sink = sink
        self._clock = clock
        self._news: list[str] = []
        self._allowed, self._allowed_at = float(KEEPS_PER_S), clock()

    # ---- as OpenTelemetry has it

    def get_tracer(self, *_arguments: Any, **_named: Any) -> trace.Tracer:
        """The same one for all modules."""
        return self

    def start_span(  # type: ignore[override]
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Iterable[Link] = (),
        *,
        start_time: int | None = None,
        **_named: Any,
    ) -> RecordedSpan:
        """See `trace.Tracer`. Of several links the first one counts."""
        parent = trace.get_current_span(context)
        above = None
        if type(parent) is RecordedSpan:
            above = parent
            trace_id, parent_id, sampled = parent.trace_id, parent.span_id, parent.sampled
        elif (header := getattr(parent, "header", None)) is not None:
            trace_id, parent_id, sampled = header[3:35], header[36:52], header[53:] == _SAMPLED
        elif (ids := parent.get_span_context()).is_valid:
            trace_id, parent_id, sampled = f"{ids.trace_id:032x}", f"{ids.span_id:016x}", ids.trace_flags.sampled
        else:
            number = random.getrandbits(128) or 1
            trace_id, parent_id = f"{number:032x}", ""
            sampled = number & ((1 << _RATIO_BITS) - 1) < self._below
        return RecordedSpan(
            self,
            name,
            _ROLES[kind],
            trace_id=trace_id,
            parent=parent_id,
            sampled=sampled,
            attributes={key: _told(value) for key, value in attributes.items()} if attributes else {},
            above=above,
            began_ns=start_time,
            link=next((f"{one.context.trace_id:032x}-{one.context.span_id:016x}" for one in links), ""),
        )

    def start_as_current_span(  # type: ignore[override]
        self, name: str, context: Context | None = None, **named: Any
    ) -> AbstractContextManager[Span]:
        """See `trace.Tracer`. Of an exception that ends the block, the span has the error code or the name of the type,
        and never a text, which may quote a client."""
        return Block(self.start_span(name, context, **named), context)

    # ---- spans that have ended

    def ended(self, span: FinishedSpan) -> None:
        """Called once for each span, from any thread."""
        if span.name in _NEVER_TOLD or (span.name in _UNTOLD and not span.error):
            return
        self.store.add(span)
        if self._sink is None:
            return
        if span.sampled or span.trace in self.kept:
            self._sink(span)
        elif span.error or (self._slow_ns and not span.parent and span.took_ns > self._slow_ns):
            self._keep(span)

    def _keep(self, span: FinishedSpan) -> None:
        """Of a trace that was not sampled: it has failed, or was slow."""
        now = self._clock()
        self._allowed = min(float(KEEPS_PER_S), self._allowed + (now - self._allowed_at) * KEEPS_PER_S)
        self._allowed_at = now
        if self._allowed < 1:
            metrics.TRACES_NOT_KEPT.inc()
            return
        self._allowed -= 1
        metrics.TRACES_KEPT.inc()
        self.keep((span.trace,))
        self._news.append(span.trace)
        del self._news[:-MOST_TRACES]

    def keep(self, traces: Iterable[str]) -> None:
        """Export what there is of these traces, and what comes: this process or another one has seen that they
        failed."""
        new = dict.fromkeys(one for one in traces if one not in self.kept)
        if not new or self._sink is None:
            return
        self.kept.update(new)
        while len(self.kept) > MOST_KEPT:
            del self.kept[next(iter(self.kept))]
        for one in new:
            for waiting in self.store.of(one):
                if not waiting.sampled:
                    self._sink(waiting)

    def drop(self, span: Span) -> None:
        """It was nothing that is told, and neither is what is below it in this process, then and later. What was
        exported of it before stays so."""
        if isinstance(span, RecordedSpan):
            span.told = False
            self.store.forget(span.trace_id)

    def take_news(self) -> tuple[str, ...]:
        """Traces that others are to be told to keep, once; at most `MOST_TRACES`."""
        news, self._news = tuple(self._news), []
        return news


class Block(AbstractContextManager[Span]):
    """Makes a span the current one, and ends it."""

    __slots__ = ("_context", "_span", "_token")

    def __init__(self, span: RecordedSpan, context: Context | None) -> None:
        self._span = span
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> Span:
        self._token = attach(trace.set_span_in_context(self._span, self._context))
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)
        if isinstance(error, Exception):
            self._span.set_status(StatusCode.ERROR, error_type(error))
        self._span.end()


def error_type(error: BaseException) -> str:
    """What a span says of an exception: the error code, or the name of its type."""
    return error.code.value if isinstance(error, RillcastError) else type(error).__name__


def _told(value: Any) -> SpanValue:
    """Enums become what they say; a text is cut."""
    if type(value) is str:
        return value if len(value) <= MOST_TEXT else value[:MOST_TEXT]
    if isinstance(value, str):
        return str.__str__(value)[:MOST_TEXT]
    if isinstance(value, int) and value >= 0:
        return value
    return str(value)[:MOST_TEXT]
