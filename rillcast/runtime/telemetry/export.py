"""Sending spans to a collector by OTLP over HTTP: off the event loop, and bounded whatever the collector does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from rillcast.contracts.messages.traces import FinishedSpan
from rillcast.runtime import metrics

MOST_WAITING = 8_192
"""Spans that wait for the collector; further ones are dropped and counted."""
BATCH = 512
EVERY_S = 1.0
_SCOPE = InstrumentationScope("rillcast")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class SpanExport:
    """One per process; its thread is a daemon and ends with it. `put` never waits."""

    def __init__(self, exporter: SpanExporter, resource: Resource) -> None:
        self._exporter = exporter
        self._resource = resource
        self._waiting: deque[FinishedSpan] = deque()
        self._wake = threading.Event()
        self._flushed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Spans that wait."""
        return len(self._waiting)

    def put(self, span: FinishedSpan) -> None:
        """Have it sent within about a second. When too many wait, it is dropped and counted."""
        if len(self._waiting) >= MOST_WAITING:
            metrics.TRACE_SPANS_DROPPED.labels("full").inc()
            return
        self._waiting.append(span)

    def flush(self, timeout_s: float) -> None:
        """Send what waits. What the collector has not taken by then counts as lost. Call off the event loop."""
        self._flushed.clear()
        self._wake.set()
        if not self._flushed.wait(timeout_s):
            metrics.TRACE_SPANS_DROPPED.labels("unsent").inc(len(self._waiting))

    def _run(self) -> None:
        while True:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            while self._waiting:
                self._send([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])
            self._flushed.set()

    def _send(self, batch: Sequence[FinishedSpan]) -> None:
        """A batch that the collector does not take is not sent again: what is newer is worth more."""
        try:
            result = self._exporter.export([as_sdk(span, self._resource) for span in batch])
        except Exception:  # noqa: BLE001  it supervises the thread
            # Whatever is wrong with the exporter or one of the spans, the thread has to go on.
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            metrics.TRACE_SPANS_SENT.inc(len(batch))
        else:
            metrics.TRACE_SPANS_DROPPED.labels("not_taken").inc(len(batch))


def as_sdk(span: FinishedSpan, resource: Resource) -> ReadableSpan:
    """The same as a span of the SDK, with an error by OpenTelemetry's conventions."""
    trace_id = int(span.trace, 16)
    attributes = dict(span.attributes)
    if span.error:
        attributes["error.type"] = span.error
    parent = SpanContext(trace_id, int(span.parent, 16), is_remote=True, trace_flags=_SAMPLED) if span.parent else None
    links = []
    if span.link:
        links.append(Link(SpanContext(int(span.link[:32], 16), int(span.link[33:], 16), is_remote=True)))
    return ReadableSpan(
        name=span.name,
        context=SpanContext(trace_id, int(span.span, 16), is_remote=False, trace_flags=_SAMPLED),
        parent=parent,
        resource=resource,
        attributes=attributes,
        links=links,
        kind=SpanKind[span.role.name],
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=span.began_ns,
        end_time=span.began_ns + span.took_ns,
        instrumentation_scope=_SCOPE,
    )
