"""Looking through the spans that a process keeps. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages.traces import MOST_SPANS, FinishedSpan, TracesAnswer, TracesRequest
from rillcast.runtime.telemetry.recorder import APP, SESSION, STREAM, Recorder


def found(node: NodeId, recorder: Recorder | None, request: TracesRequest) -> TracesAnswer:
    """What `recorder` has of it. Takes some milliseconds for 4,000 spans."""
    if recorder is None:
        return TracesAnswer(node=node)
    store = recorder.store
    wanted = request.traces or newest(store.traces(), request)
    chosen = [span for trace in wanted for span in store.of(trace)]
    return TracesAnswer(
        node=node,
        spans=tuple(chosen[:MOST_SPANS]),
        kept=len(store),
        forgotten=sum(store.forgotten.values()),
        cut=max(0, len(chosen) - MOST_SPANS),
    )


def newest(traces: Sequence[Sequence[FinishedSpan]], request: TracesRequest) -> list[str]:
    """Those of `traces` that are asked for, in the same order."""
    wanted = (
        spans[0].trace
        for spans in traces
        if any(_is_about(span, request) for span in spans) and (not request.failed or any(span.error for span in spans))
    )
    return list(islice(wanted, request.most))


def _is_about(span: FinishedSpan, request: TracesRequest) -> bool:
    said, about = span.attributes, request.about
    if request.app and said.get(APP) != request.app:
        return False
    if not about:
        return True
    return about in (said.get(SESSION), span.trace) or about in str(said.get(STREAM, "")).split(",")
