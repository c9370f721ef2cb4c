"""What a failover leaves in the traces:  python -m tests.chaos.trace [--fault edge-killed]   (as root)

Every node sends its spans to a receiver in this process (OTLP over HTTP). The spans that begin in the seconds after the
fault are printed, trace by trace: their service, their name, and when they began and ended after it.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.chaos.__main__ import browsers, consul_servers
from tests.chaos.cluster import Size, chaos_cluster
from tests.chaos.faults import FAULTS
from tests.chaos.network import HERE, missing
from tests.chaos.scene import Scene
from tests.chaos.viewers import APP, SDK, crowd, stage
from tests.e2e.publishers import make_source

PORT = 4318
AFTER_S = 4.0
"""Spans that begin later belong to something else."""
SENT_WITHIN_S = 3.0
"""Nodes send their spans each second."""
VIEWERS = 4


@dataclass(frozen=True)
class Span:
    """One span, as it was sent."""

    trace: str
    parent: str
    service: str
    name: str
    began_ns: int
    ended_ns: int


@asynccontextmanager
async def receiver() -> AsyncIterator[list[Span]]:
    """Listens until the end of the block; the spans that have come."""
    spans: list[Span] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        raw = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        spans.extend(_spans(ExportTraceServiceRequest.FromString(raw)))
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, HERE, PORT).start()
        yield spans
    finally:
        await runner.cleanup()


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    found = []
    for resource in request.resource_spans:
        names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                found.append(
                    Span(
                        trace=span.trace_id.hex(),
                        parent=span.parent_span_id.hex(),
                        service=names.get("service.instance.id", "?"),
                        name=span.name,
                        began_ns=span.start_time_unix_nano,
                        ended_ns=span.end_time_unix_nano,
                    )
                )
    return found


async def spans_of(name: str, folder: Path) -> list[Span]:
    """Of one fault under a page and a few viewers of `rillcast bench`."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    size = Size(consul=consul_servers(print), transcoder=0)
    settings = {"OTLP_ENDPOINT": f"http://{HERE}:{PORT}"}
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(chaos_cluster(folder, size, settings))
        spans = await stack.enter_async_context(receiver())
        source = await make_source(folder)
        on = await stack.enter_async_context(stage(cluster, await browsers(stack, folder), source, watch=(SDK,)))
        await stack.enter_async_context(crowd("socket", cluster.clients.websocket(APP), SDK, VIEWERS))
        began_ns = time.time_ns()
        async with fault.do(Scene(on, random.Random(0), AFTER_S)):
            pass
        await asyncio.sleep(SENT_WITHIN_S)
        until_ns = began_ns + round(AFTER_S * 1e9)
        return sorted((span for span in spans if began_ns <= span.began_ns < until_ns), key=lambda s: s.began_ns)


def told(spans: list[Span]) -> str:
    """A block for each trace; those that have one shape are told once."""
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        traces[span.trace].append(span)
    shapes: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], list[Span]] = {}
    for found in traces.values():
        shape = tuple(sorted(span.name for span in found))
        shapes[shape] += 1
        first.setdefault(shape, found)
    began = min((span.began_ns for span in spans), default=0)
    lines = [f"{len(spans)} spans in {len(traces)} traces of {len(shapes)} shapes"]
    for shape, count in shapes.most_common():
        lines.append(f"\n{count} ×")
        for span in first[shape]:
            at, end = (span.began_ns - began) / 1e6, (span.ended_ns - began) / 1e6
            lines.append(
                f"  {at:7.1f} – {end:7.1f} ms  {span.service:14} {span.name}{'' if span.parent else ' (root)'}"
            )
    return "\n".join(lines)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.trace", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fault", default="edge-killed", choices=[fault.name for fault in FAULTS])
    options = parser.parse_args()
    if why := missing():
        print(f"not on this machine: {why}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="rillcast-trace-", ignore_cleanup_errors=True) as folder:
        print(told(asyncio.run(spans_of(options.fault, Path(folder)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
