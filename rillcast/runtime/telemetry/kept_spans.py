"""Looking through the spans that a process keeps. No I/O."""

from __future__ import annotations

from collections.abc import Collection

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages.traces import MOST_SPANS, FinishedSpan, TracesAnswer, TracesRequest
from rillcast.runtime.telemetry.recorder import APP, SESSION, STREAM, Recorder


def found(node: NodeId, recorder: Recorder | None, request: TracesRequest) -> TracesAnswer:
    """What `recorder` has of it. Takes about a millisecond for 4,000 spans."""
    if recorder is None:
        return TracesAnswer(node=node)
    ring = tuple(recorder.ring)
    wanted = request.traces or newest(ring, request)
    place = {trace: number for number, trace in enumerate(wanted)}
    chosen = [span for span in ring if span.trace in place]
    chosen.sort(key=lambda span: place[span.trace])
    return TracesAnswer(
        node=node,
        spans=tuple(chosen[:MOST_SPANS]),
        kept=len(ring),
        forgotten=recorder.forgotten,
        cut=max(0, len(chosen) - MOST_SPANS),
    )


def newest(ring: Collection[FinishedSpan], request: TracesRequest) -> list[str]:
    """The traces that are asked for, that with the newest span first."""
    failed = {span.trace for span in ring if span.error} if request.failed else None
    traces: dict[str, None] = {}
    for span in reversed(tuple(ring)):
        if span.trace in traces or (failed is not None and span.trace not in failed):
            continue
        if _is_about(span, request):
            traces[span.trace] = None
            if len(traces) >= request.most:
                break
    return list(traces)


def _is_about(span: FinishedSpan, request: TracesRequest) -> bool:
    said, about = span.attributes, request.about
    if request.app and said.get(APP) != request.app:
        return False
    if not about:
        return True
    return about in (said.get(SESSION), span.trace) or about in str(said.get(STREAM, "")).split(",")
