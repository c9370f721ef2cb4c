"""Exemplars: of a figure in a histogram, the trace that made it. Prometheus reads them in OpenMetrics only."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import Span, format_trace_id


def exemplar(span: Span | None = None) -> dict[str, str] | None:
    """The trace of a span, or else of the one that is under way. None when no collector gets it, so that nobody could
    look it up."""
    span = span or trace.get_current_span()
    if not span.is_recording():
        return None
    context = span.get_span_context()
    return {"trace_id": format_trace_id(context.trace_id)} if context.trace_flags.sampled else None
