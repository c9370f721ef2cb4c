"""Traces that are recorded nowhere: the ids of a trace, for log lines and for the other nodes, and no span.

This is what a process does of which neither a ring of spans nor a collector is wanted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from contextvars import Token
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags

TRACE_HEADER = "traceparent"
_PARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class UnrecordedTrace(NonRecordingSpan):
    """A trace as its header says it. Seldom does anybody ask for the ids: a log line does."""

    def __init__(self, header: str, *, is_remote: bool) -> None:
        """`header`: of the form of `TRACE_HEADER`."""
        self.header = header
        self._is_remote = is_remote

    def get_span_context(self) -> SpanContext:
        """The ids, read from the header."""
        _, trace_id, span_id, flags = (int(digits, 16) for digits in self.header.split("-"))
        return SpanContext(trace_id, span_id, is_remote=self._is_remote, trace_flags=TraceFlags(flags))


class UnrecordedTraces(trace.TracerProvider):
    """Its tracers begin a trace where none is under way, and otherwise leave the one that is as it is."""

    def __init__(self) -> None:
        self.tracer: trace.Tracer = _UnrecordedTracer()
        """The same one for all modules, since it keeps nothing."""

    def get_tracer(self, *arguments: Any, **named: Any) -> trace.Tracer:
        """See `tracer`."""
        return self.tracer


class _UnrecordedTracer(trace.Tracer):
    def start_span(self, name: str, context: Context | None = None, *arguments: Any, **named: Any) -> Span:
        under_way = trace.get_current_span(context)
        return under_way if _is_trace(under_way) else _new_trace()

    def start_as_current_span(  # type: ignore[override]
        self, name: str, context: Context | None = None, *arguments: Any, **named: Any
    ) -> AbstractContextManager[Span]:
        return _Current(context)


class _Current:
    """Makes the trace of a context, or a new one, the current one until the end of the block."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context | None) -> None:
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> Span:
        context = self._context
        span = trace.get_current_span(context)
        if not _is_trace(span):
            span = _new_trace()
            context = trace.set_span_in_context(span, context)
        if context is not None:
            self._token = attach(context)
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)


def write_parent(headers: MutableMapping[str, str]) -> None:
    """The current trace as a W3C header."""
    span = trace.get_current_span()
    if (header := getattr(span, "header", None)) is not None:
        headers[TRACE_HEADER] = header
    elif (current := span.get_span_context()).is_valid:
        headers[TRACE_HEADER] = f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


def read_parent(headers: Mapping[str, str]) -> Context:
    """The trace that `write_parent` or another writer of version 00 put there; an empty context for anything else."""
    header = headers.get(TRACE_HEADER, "")
    if not _PARENT.fullmatch(header):
        return Context()
    return trace.set_span_in_context(UnrecordedTrace(header, is_remote=True), Context())


def _is_trace(span: Span) -> bool:
    return hasattr(span, "header") or span.get_span_context().is_valid


def _new_trace() -> Span:
    ids = f"{random.getrandbits(192):048x}"
    return UnrecordedTrace(f"00-{ids[:32]}-{ids[32:]}-01", is_remote=False)
