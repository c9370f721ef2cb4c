"""What a failover leaves in the traces:  python -m tests.chaos.trace [--fault edge-killed]   (as root)

Every node sends its spans to a receiver in this process (OTLP over HTTP). The spans that begin in the seconds after the
fault are printed, trace by trace: their node, their name, what went wrong, and when they began and ended after the
fault. The exit code is 1 when there are none, and 2 when this machine can't do it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

from rillcast.testing.otlp import OtlpSpan, otlp_receiver
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


async def spans_of(name: str, folder: Path) -> tuple[int, list[OtlpSpan]]:
    """When one fault was made, under a page and a few viewers of `rillcast bench` (Unix nanoseconds), and the spans
    that came of it."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    size = Size(consul=consul_servers(print), transcoder=0)
    settings = {"OTLP_ENDPOINT": f"http://{HERE}:{PORT}"}
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(chaos_cluster(folder, size, settings))
        collector = await stack.enter_async_context(otlp_receiver(HERE, PORT))
        source = await make_source(folder)
        on = await stack.enter_async_context(stage(cluster, await browsers(stack, folder), source, watch=(SDK,)))
        await stack.enter_async_context(crowd("socket", cluster.clients.websocket(APP), SDK, VIEWERS))
        began_ns = time.time_ns()
        async with fault.do(Scene(on, random.Random(0), AFTER_S)):
            pass
        await asyncio.sleep(SENT_WITHIN_S)
        until_ns = began_ns + round(AFTER_S * 1e9)
        spans = [span for span in collector.spans if began_ns <= span.began_ns < until_ns]
        return began_ns, sorted(spans, key=lambda span: span.began_ns)


def told(fault_ns: int, spans: list[OtlpSpan]) -> str:
    """A block for each trace, in the order in which they began; those that have one shape are told once."""
    traces: dict[str, list[OtlpSpan]] = defaultdict(list)
    for span in spans:
        traces[span.trace].append(span)
    shapes: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], list[OtlpSpan]] = {}
    for found in traces.values():
        shape = tuple(sorted(span.name for span in found))
        shapes[shape] += 1
        first.setdefault(shape, found)
    lines = [f"{len(spans)} spans in {len(traces)} traces of {len(shapes)} shapes"]
    for shape, found in first.items():
        lines.append(f"\n{shapes[shape]} ×")
        for span in found:
            at, end = (span.began_ns - fault_ns) / 1e6, (span.ended_ns - fault_ns) / 1e6
            name = span.name if span.parent else f"{span.name} (root)"
            lines.append(f"  {at:7.1f} – {end:7.1f} ms  {span.instance:14} {name}  {span.error}".rstrip())
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
        fault_ns, spans = asyncio.run(spans_of(options.fault, Path(folder)))
    print(told(fault_ns, spans))
    return 0 if spans else 1


if __name__ == "__main__":
    sys.exit(main())
