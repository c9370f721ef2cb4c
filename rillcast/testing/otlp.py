"""A collector in the process of a test: a real HTTP server on loopback that takes spans by OTLP and remembers them."""

from __future__ import annotations

import asyncio
import gzip
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

MOST_BYTES = 16 * 1024 * 1024
OTLP_PATH = "/v1/traces"


@dataclass(frozen=True)
class OtlpSpan:
    """One span, as it was sent."""

    trace: str
    span: str
    parent: str
    service: str
    """``service.name``."""
    instance: str
    """``service.instance.id``."""
    name: str
    began_ns: int
    ended_ns: int
    error: str
    """``error.type``; empty when it has not failed."""
    attributes: Mapping[str, str] = field(default_factory=dict)


class OtlpReceiver:
    """What has come so far."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        """What nodes are told to send to."""
        self.spans: list[OtlpSpan] = []
        self.raw = bytearray()
        """All bodies, to look for what must not be there."""
        self.answers = asyncio.Event()
        """While it is not set, requests are taken and not answered."""
        self.answers.set()

    def traces(self) -> dict[str, list[OtlpSpan]]:
        """By their ids, each in the order in which its spans began."""
        found: dict[str, list[OtlpSpan]] = defaultdict(list)
        for span in sorted(self.spans, key=lambda one: one.began_ns):
            found[span.trace].append(span)
        return found

    async def take(self, request: web.Request) -> web.Response:
        """Answer one request."""
        body = await request.read()
        raw = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        await self.answers.wait()
        self.raw += raw
        self.spans.extend(_spans(ExportTraceServiceRequest.FromString(raw)))
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")


@asynccontextmanager
async def otlp_receiver(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[OtlpReceiver]:
    """Listens until the end of the block."""
    receiver = OtlpReceiver()
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_post(OTLP_PATH, receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        receiver.url = f"http://{host}:{runner.addresses[0][1]}"
        yield receiver
    finally:
        receiver.answers.set()
        await runner.cleanup()


def _spans(request: ExportTraceServiceRequest) -> Iterable[OtlpSpan]:
    for resource in request.resource_spans:
        names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                said = {pair.key: _text(pair.value) for pair in span.attributes}
                failed = span.status.code == Status.STATUS_CODE_ERROR
                yield OtlpSpan(
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    service=names.get("service.name", "?"),
                    instance=names.get("service.instance.id", "?"),
                    name=span.name,
                    began_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                    error=said.get("error.type", "?") if failed else "",
                    attributes=said,
                )


def _text(value: AnyValue) -> str:
    kind = value.WhichOneof("value")
    return "" if kind is None else str(getattr(value, kind))
