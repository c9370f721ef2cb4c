"""From the play request to the first packet: one span and one observation per viewer."""

from __future__ import annotations

from opentelemetry import context
from opentelemetry.trace import Span, Status, StatusCode

from rillcast.contracts.words import EndReason
from rillcast.runtime.telemetry.exemplars import exemplar
from rillcast.runtime.telemetry.tracing import tracer
from services.edge import metrics
from services.edge.domain.viewer import Viewer
from services.edge.ports import Clock

trace = tracer("rillcast.edge")


class FirstPackets:
    """The spans of viewers who wait for their first packet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._contexts: dict[Viewer, context.Context] = {}
        self._spans: dict[Viewer, Span] = {}

    def __len__(self) -> int:
        return len(self._contexts) + len(self._spans)

    def asked(self, viewer: Viewer) -> None:
        """The play request is being carried out: what follows belongs to its trace."""
        self._contexts[viewer] = context.get_current()

    def begun(self, viewer: Viewer) -> None:
        """The plane has the session: the span begins."""
        belongs_to = self._contexts.pop(viewer, None)
        self._spans[viewer] = trace.start_span("edge.first_packet", context=belongs_to)

    def sent(self, viewer: Viewer) -> None:
        """The first packet has left: the span ends, and the time since the request is counted."""
        span = self._spans.pop(viewer, None)
        metrics.FIRST_PACKET.observe(self._clock() - viewer.since, exemplar(span))
        if span is not None:
            span.end()

    def failed(self, viewer: Viewer, reason: EndReason) -> None:
        """The session is over, with or without a first packet."""
        self._contexts.pop(viewer, None)
        if span := self._spans.pop(viewer, None):
            span.set_status(Status(StatusCode.ERROR, reason.value))
            span.end()
