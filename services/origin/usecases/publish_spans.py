"""From the publish request to the first media at the origin: the spans of publishers who are not there yet.

publish ─▶ begun ──origin.connect──▶ connected ──origin.first_media──▶ media, with the stream claimed
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry import context
from opentelemetry.trace import Span, StatusCode

from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import PublishRequest
from rillcast.contracts.words import EndReason, SessionState
from rillcast.runtime.telemetry.tracing import tracer

trace = tracer("rillcast.origin")


class PublishSpans:
    """One per origin. A session is here from `begun` until it is told that it has media, or is over."""

    def __init__(self) -> None:
        self._waiting: dict[SessionId, tuple[context.Context, Span]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @staticmethod
    def of(name: str, request: PublishRequest) -> AbstractContextManager[Span]:
        """The span of a request."""
        said = {"rillcast.app": request.app, "rillcast.stream": request.stream, "rillcast.session": request.session}
        return trace.start_as_current_span(name, attributes=said)

    def begun(self, session: SessionId) -> None:
        """The session is there, and its client is expected. What follows belongs to the trace of the request."""
        if session not in self._waiting:
            belongs_to = context.get_current()
            self._waiting[session] = belongs_to, trace.start_span("origin.connect", context=belongs_to)

    def told(self, session: SessionId, state: SessionState, reason: EndReason | None) -> None:
        """What signaling is told of the session."""
        waiting = self._waiting.pop(session, None)
        if waiting is None:
            return
        belongs_to, span = waiting
        if state is SessionState.CLOSED:
            span.set_status(StatusCode.ERROR, (reason or EndReason.OTHER).value)
        span.end()
        if state is SessionState.CONNECTED:
            self._waiting[session] = belongs_to, trace.start_span("origin.first_media", context=belongs_to)
