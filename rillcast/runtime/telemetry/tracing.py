"""Tracing by OpenTelemetry. Spans always have ids, so that log lines carry them; they are recorded, and leave the
process, only when an OTLP endpoint is set (an unrecorded span costs a third). `get_logger` is here too, since most
callers want both."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from rillcast.runtime.telemetry.logs import Logger, get_logger

__all__ = ["Logger", "configure_tracing", "extract", "flush_tracing", "get_logger", "inject", "tracer"]

_EXPORT_TIMEOUT_S = 3
_FLUSH_TIMEOUT_MS = 2_000


def tracer(name: str) -> trace.Tracer:
    """The tracer of a module. May be called before `configure_tracing`."""
    return trace.get_tracer(name)


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current span's W3C trace context into `headers`."""
    propagate.inject(headers)


def extract(headers: Mapping[str, str] | None) -> Context:
    """The trace context somebody sent; empty when there is none."""
    return propagate.extract(headers or {})


def configure_tracing(kind: str, node: str, version: str, otlp_endpoint: str = "") -> None:
    """Set the process's tracer up, once. `otlp_endpoint` is the base URL of an OTLP/HTTP receiver (``http://host:4318``);
    empty means the standard variable OTEL_EXPORTER_OTLP_ENDPOINT or, without it, no export."""
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    resource = Resource.create(
        {"service.name": f"rillcast-{kind}", "service.instance.id": node, "service.version": version}
    )
    standard = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    exports = bool(otlp_endpoint or standard)
    provider = TracerProvider(resource=resource, sampler=None if exports else ALWAYS_OFF, shutdown_on_exit=False)
    if exports:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        endpoint = f"{otlp_endpoint.rstrip('/')}/v1/traces" if otlp_endpoint else None
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_TIMEOUT_S)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
    trace.set_tracer_provider(provider)


def flush_tracing() -> None:
    """Send what is left. Blocks up to about three seconds: call it off the event loop."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(_FLUSH_TIMEOUT_MS)
