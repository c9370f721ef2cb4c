"""Tracing by the interface of OpenTelemetry. There is always a trace, so that log lines carry its id. Its spans are
kept in memory for a while (`recorder`), and leave the process only when an OTLP endpoint is set; without either there
are only ids (`unrecorded`). `get_logger` is here too, since most callers want both."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

from rillcast.runtime.telemetry.logs import Logger, get_logger
from rillcast.runtime.telemetry.recorder import Recorder, Sink, error_type
from rillcast.runtime.telemetry.unrecorded import UnrecordedTraces, read_parent, write_parent

__all__ = [
    "Logger",
    "Tracing",
    "configure_tracing",
    "drop",
    "error_type",
    "extract",
    "flush_tracing",
    "get_logger",
    "inject",
    "record_traces",
    "recorder",
    "tracer",
]

_EXPORT_TIMEOUT_S = 3
_FLUSH_TIMEOUT_S = 3.0
_UNRECORDED = UnrecordedTraces()


class Tracing(NamedTuple):
    """What settings say of traces."""

    otlp_endpoint: str = ""
    """The base URL of an OTLP/HTTP receiver (``http://host:4318``). Empty: the standard variable
    OTEL_EXPORTER_OTLP_ENDPOINT or, without it, no export."""
    most: int = 0
    """Spans that are kept in memory; 0: none."""
    ratio: float = 1.0
    """Of the traces that begin here, how many are exported in any case."""
    slow_s: float = 0.0
    """A trace that takes longer is exported like one that failed; 0: none is."""
    region: str = ""
    zone: str = ""


class _Process:
    """What the tracers of this process make."""

    provider: UnrecordedTraces | Recorder = _UNRECORDED
    tracer: trace.Tracer = _UNRECORDED.tracer
    flush: Any = None


class _Tracer(trace.Tracer):
    """Follows what is configured, also if it was made before."""

    def start_span(self, *arguments: Any, **named: Any) -> Span:
        return _Process.tracer.start_span(*arguments, **named)

    def start_as_current_span(  # type: ignore[override]
        self, *arguments: Any, **named: Any
    ) -> AbstractContextManager[Span]:
        return _Process.tracer.start_as_current_span(*arguments, **named)


_TRACER = _Tracer()


def tracer(_name: str) -> trace.Tracer:
    """The tracer of a module. May be called before `configure_tracing`."""
    return _TRACER


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current span's W3C trace context into `headers`."""
    write_parent(headers)


def extract(headers: Mapping[str, str] | None) -> Context:
    """The trace context somebody sent; empty when there is none."""
    return read_parent(headers or {})


def recorder() -> Recorder | None:
    """Where the spans of this process are; None where none are made."""
    return _Process.provider if isinstance(_Process.provider, Recorder) else None


def drop(span: Span) -> None:
    """Nothing of this span, and of what is below it here, is to be told."""
    if (ours := recorder()) is not None:
        ours.drop(span)


def record_traces(provider: Recorder | None) -> None:
    """Make spans from now on, or none any more."""
    _Process.provider = provider or _UNRECORDED
    _Process.tracer = provider or _UNRECORDED.tracer


def configure_tracing(kind: str, node: str, version: str, asked: Tracing) -> None:
    """Set the process's tracers up. The first call that asks for something counts."""
    standard = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    exports = bool(asked.otlp_endpoint or standard)
    if not (exports or asked.most) or recorder() is not None:
        return
    sink = _exporting(kind, node, version, asked) if exports else None
    record_traces(Recorder(asked.most, ratio=asked.ratio, slow_s=asked.slow_s, sink=sink))


def _exporting(kind: str, node: str, version: str, asked: Tracing) -> Sink:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource

    from rillcast.runtime.telemetry.export import SpanExport

    place = {"rillcast.region": asked.region, "rillcast.zone": asked.zone}
    resource = Resource.create(
        {
            "service.name": f"rillcast-{kind}",
            "service.namespace": "rillcast",
            "service.instance.id": node,
            "service.version": version,
            **{key: value for key, value in place.items() if value},
        }
    )
    endpoint = f"{asked.otlp_endpoint.rstrip('/')}/v1/traces" if asked.otlp_endpoint else None
    export = SpanExport(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_TIMEOUT_S), resource)
    _Process.flush = export.flush
    return export.put


def flush_tracing() -> None:
    """Send what is left. Blocks up to about three seconds: call it off the event loop."""
    if _Process.flush is not None:
        _Process.flush(_FLUSH_TIMEOUT_S)
