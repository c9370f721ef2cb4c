"""Traces as our own REST shows them, put together of the spans of several nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import FinishedSpan, TracesAnswer
from rillcast.contracts.messages.traces import SpanRole
from rillcast.contracts.words import NodeKind

APP, STREAM, SESSION = "rillcast.app", "rillcast.stream", "rillcast.session"


class TracedSpan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that took time at one node."""

    span: str
    parent: str = ""
    """The span that it is a part of; empty for a root."""
    name: str
    role: SpanRole
    node: str
    service: NodeKind
    began_us: int
    """Unix microseconds, by the clock of that node's machine."""
    took_us: int
    error: str = ""
    """An error code, a reason of an end or the name of an exception; empty when nothing went wrong."""
    attributes: dict[str, str | int | bool] = {}


class TraceStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One trace, as far as it is still in memory."""

    trace: str
    name: str = ""
    """Of its root; empty while that is under way, or when it was pushed out of the memory of its node."""
    app: str = ""
    stream: str = ""
    session: str = ""
    began_us: int
    took_us: int
    """From its first span to the end of its last one."""
    error: str = ""
    """Of its root, or else of the first span that failed."""
    whole: bool
    """Whether it has a root, and every span its parent."""
    spans: list[TracedSpan]
    """In the order in which they began."""


class FoundTraces(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The newest traces that were wanted, and how complete the search was."""

    traces: list[TraceStatus]
    asked: int
    """Nodes that were asked."""
    silent: list[str] = []
    """Those of them that did not answer."""
    left_out: int = 0
    """Nodes that were not asked, since there are too many."""
    kept: int = 0
    """Spans that the nodes have in memory; 0: nothing is kept, or nothing has happened."""
    forgotten: int = 0
    """Spans that newer ones have pushed out of their memory."""
    cut: int = 0
    """Spans of these traces that did not fit into the answers."""


def newest_first(answers: Iterable[TracesAnswer]) -> list[str]:
    """The traces of these spans, that with the newest span first."""
    newest: dict[str, int] = {}
    for answer in answers:
        for span in answer.spans:
            newest[span.trace] = max(newest.get(span.trace, 0), span.began_ns + span.took_ns)
    return sorted(newest, key=lambda trace: -newest[trace])


def traces_of(answers: Iterable[TracesAnswer], kinds: Mapping[NodeId, NodeKind]) -> list[TraceStatus]:
    """All of them, the one that began last first."""
    spans: dict[str, dict[str, TracedSpan]] = defaultdict(dict)
    for answer in answers:
        for span in answer.spans:
            spans[span.trace][span.span] = _traced(span, answer.node, kinds[answer.node])
    found = [_trace(trace, list(parts.values())) for trace, parts in spans.items()]
    return sorted(found, key=lambda one: -one.began_us)


def _traced(span: FinishedSpan, node: NodeId, kind: NodeKind) -> TracedSpan:
    return TracedSpan(
        span=span.span,
        parent=span.parent,
        name=span.name,
        role=span.role,
        node=node,
        service=kind,
        began_us=span.began_ns // 1_000,
        took_us=span.took_ns // 1_000,
        error=span.error,
        attributes=dict(span.attributes),
    )


def _trace(trace: str, spans: list[TracedSpan]) -> TraceStatus:
    spans.sort(key=lambda span: span.began_us)
    ids = {span.span for span in spans}
    roots = [span for span in spans if not span.parent]
    root = roots[0] if roots else None
    first = next((span.error for span in spans if span.error), "")
    return TraceStatus(
        trace=trace,
        name=root.name if root is not None else "",
        app=_said(spans, APP),
        stream=_said(spans, STREAM),
        session=_said(spans, SESSION),
        began_us=spans[0].began_us,
        took_us=max(span.began_us + span.took_us for span in spans) - spans[0].began_us,
        error=root.error if root is not None and root.error else first,
        whole=len(roots) == 1 and all(span.parent in ids for span in spans if span.parent),
        spans=spans,
    )


def _said(spans: Iterable[TracedSpan], key: str) -> str:
    """By the first span that says it."""
    return next((str(span.attributes[key]) for span in spans if key in span.attributes), "")
