"""The trace of a job that begins: from its claim until it is known what it makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode

from rillcast.contracts.ids import JobKind
from rillcast.runtime.telemetry.tracing import tracer

trace = tracer("rillcast.transcoder")


class StartSpan:
    """Of one job. A job that another node has got leaves none."""

    def __init__(self, kind: JobKind, app: str, stream: str) -> None:
        said = {"rillcast.app": app, "rillcast.stream": stream}
        self._span: Span | None = trace.start_span(f"transcoder.{kind}_start", context=Context(), attributes=said)
        self._context = otel.set_span_in_context(self._span, Context())

    @contextmanager
    def within(self) -> Iterator[None]:
        """What is done in the block belongs to the start, unless that is over."""
        if self._span is None:
            yield
            return
        token = context.attach(self._context)
        try:
            yield
        finally:
            context.detach(token)

    def lost(self) -> None:
        """Another node has the job."""
        self._span = None

    def made(self, tracks: int) -> None:
        """It is announced what the job makes. Further calls do nothing."""
        if self._span is not None:
            self._span.set_attribute("rillcast.tracks", tracks)
            self._span.end()
            self._span = None

    def over(self, reason: str) -> None:
        """The job is over: it has failed if it had made nothing yet."""
        if self._span is not None:
            self._span.set_status(StatusCode.ERROR, reason)
            self._span.end()
            self._span = None
