"""From the play request to the first packet: two spans and one observation per viewer.

play ─▶ begun ──edge.connect──▶ connected ──edge.first_packet──▶ sent
"""

from __future__ import annotations

from opentelemetry import context
from opentelemetry.trace import Span, StatusCode

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
        return len(self._contexts)

    def asked(self, viewer: Viewer) -> None:
        """The play request is being carried out: what follows belongs to its trace."""
        self._contexts[viewer] = context.get_current()

    def begun(self, viewer: Viewer) -> None:
        """The plane has the session: the client looks for its way to us, and shakes hands."""
        self._next(viewer, "edge.connect")

    def connected(self, viewer: Viewer) -> None:
        """ICE and DTLS are up for the first time."""
        if viewer in self._spans:
            self._next(viewer, "edge.first_packet")

    def sent(self, viewer: Viewer, *, late: bool = False) -> None:
        """The first packet has left: the span ends, and the time since the request is counted. `late`: it left up to a
        second ago, so that nothing is counted, and the span says so."""
        self._contexts.pop(viewer, None)
        span = self._spans.pop(viewer, None)
        if not late:
            metrics.FIRST_PACKET.observe(self._clock() - viewer.since, exemplar(span))
        if span is not None:
            if late:
                span.set_attribute("rillcast.noticed_late", value=True)
            span.end()

    def failed(self, viewer: Viewer, reason: EndReason) -> None:
        """The session is over, with or without a first packet."""
        self._contexts.pop(viewer, None)
        if span := self._spans.pop(viewer, None):
            span.set_status(StatusCode.ERROR, reason.value)
            span.end()

    def _next(self, viewer: Viewer, name: str) -> None:
        if before := self._spans.pop(viewer, None):
            before.end()
        self._spans[viewer] = trace.start_span(name, context=self._contexts.get(viewer))
