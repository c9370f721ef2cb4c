"""The spans that a process makes, for tests that look at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.contracts.messages import FinishedSpan
from rillcast.runtime.telemetry.export import as_sdk
from rillcast.runtime.telemetry.recorder import Recorder
from rillcast.runtime.telemetry.tracing import record_traces

MOST = 10_000


@contextmanager
def recorded_spans() -> Iterator[InMemorySpanExporter]:
    """Every span that ends during the block, as it would be exported."""
    exporter, resource = InMemorySpanExporter(), Resource.get_empty()

    def take(span: FinishedSpan) -> None:
        exporter.export([as_sdk(span, resource)])

    record_traces(Recorder(MOST, sink=take))
    try:
        yield exporter
    finally:
        record_traces(None)
