"""Tracing by OpenTelemetry. There is always a trace, so that log lines carry its id; spans are made, and leave the
process, only when an OTLP endpoint is set (`unrecorded` tells what that saves). `get_logger` is here too, since most
callers want both."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, Status, StatusCode

from rillcast.contracts.errors import RillcastError
from rillcast.runtime.telemetry.logs import Logger, get_logger
from rillcast.runtime.telemetry.unrecorded import UnrecordedTraces, read_parent, write_parent

__all__ = [
    "Logger",
    "configure_tracing",
    "extract",
    "flush_tracing",
    "get_logger",
    "inject",
    "record_traces",
    "tracer",
]

_EXPORT_TIMEOUT_S = 3
_FLUSH_TIMEOUT_MS = 2_000
_UNRECORDED = UnrecordedTraces()
_NO_TEXT = {"record_exception": False, "set_status_on_exception": False}
"""The SDK by itself writes the text and the traceback of an exception into the span. Both may quote a client."""


class _Provider:
    """Whose spans the tracers of this process make."""

    now: trace.TracerProvider = _UNRECORDED


class _Tracer(trace.Tracer):
    """Of one module. Follows `record_traces`, also if it was made before. Of an exception that ends a span, the span
    holds the error code or the name of the type, and never a text, which may quote a client."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._provider = _Provider.now
        self._real = self._provider.get_tracer(name)

    def start_span(self, *arguments: Any, **named: Any) -> Span:
        return self._tracer.start_span(*arguments, **named | _NO_TEXT)

    def start_as_current_span(  # type: ignore[override]
        self, *arguments: Any, **named: Any
    ) -> AbstractContextManager[Span]:
        if _Provider.now is _UNRECORDED:  # some ten times in a join
            return _UNRECORDED.tracer.start_as_current_span(*arguments, **named)
        return _Coded(self._tracer.start_as_current_span(*arguments, **named | _NO_TEXT))

    @property
    def _tracer(self) -> trace.Tracer:
        if self._provider is not _Provider.now:
            self._provider = _Provider.now
            self._real = self._provider.get_tracer(self._name)
        return self._real


class _Coded(AbstractContextManager[Span]):
    """The block of a span that is recorded. It notes which kind of error has ended it."""

    def __init__(self, block: AbstractContextManager[Span]) -> None:
        self._block = block

    def __enter__(self) -> Span:
        self._span = self._block.__enter__()
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if isinstance(error, Exception):
            told = error.code.value if isinstance(error, RillcastError) else type(error).__name__
            self._span.set_status(Status(StatusCode.ERROR, told))
        return self._block.__exit__(kind, error, traceback)


def tracer(name: str) -> trace.Tracer:
    """The tracer of a module. May be called before `configure_tracing`."""
    return _Tracer(name)


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current span's W3C trace context into `headers`."""
    if _Provider.now is _UNRECORDED:
        write_parent(headers)
    else:
        propagate.inject(headers)


def extract(headers: Mapping[str, str] | None) -> Context:
    """The trace context somebody sent; empty when there is none."""
    if _Provider.now is _UNRECORDED:
        return read_parent(headers or {})
    return propagate.extract(headers or {})


def record_traces(provider: trace.TracerProvider | None) -> None:
    """Make spans from now on, or none any more."""
    _Provider.now = provider or _UNRECORDED


def configure_tracing(kind: str, node: str, version: str, otlp_endpoint: str = "") -> None:
    """Set the process's tracers up. The first endpoint counts. `otlp_endpoint` is the base URL of an OTLP/HTTP receiver
    (``http://host:4318``); empty means the standard variable OTEL_EXPORTER_OTLP_ENDPOINT or, without it, no export."""
    standard = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not (otlp_endpoint or standard) or _Provider.now is not _UNRECORDED:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(
        {"service.name": f"rillcast-{kind}", "service.instance.id": node, "service.version": version}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    endpoint = f"{otlp_endpoint.rstrip('/')}/v1/traces" if otlp_endpoint else None
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
    record_traces(provider)


def flush_tracing() -> None:
    """Send what is left. Blocks up to about three seconds: call it off the event loop."""
    provider = _Provider.now
    if isinstance(provider, TracerProvider):
        provider.force_flush(_FLUSH_TIMEOUT_MS)
