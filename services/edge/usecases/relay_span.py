"""The span of opening a relay: a part of the join that needs it, or a trace of its own where a parent was lost."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, get_current_span

from rillcast.contracts.ids import NodeId, split_stream_key
from rillcast.runtime.telemetry.recorder import APP, STREAM
from rillcast.runtime.telemetry.tracing import tracer
from services.edge.domain.feed import Feed

trace = tracer("rillcast.edge")


def relay_span(feed: Feed, parent: NodeId) -> AbstractContextManager[Span]:
    """The current one in the block. A root says what it is about; below a join, the join does."""
    said = {"rillcast.parent": parent, "rillcast.track": feed.track.track}
    if not get_current_span().get_span_context().is_valid:
        said[APP], said[STREAM] = split_stream_key(feed.key)
    return trace.start_as_current_span("edge.relay_open", attributes=said)
