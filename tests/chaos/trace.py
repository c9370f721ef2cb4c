"""What a failover leaves in the traces:  python -m tests.chaos.trace [--fault edge-killed]   (as root)

Every node sends its spans to a receiver in this process (OTLP over HTTP). The spans that begin in the seconds after the
fault are printed, trace by trace: their service, their name, and when they began and ended after it.
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


async def spans_of(name: str, folder: Path) -> list[OtlpSpan]:
    """Of one fault under a page and a few viewers of `rillcast bench`."""
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
        return sorted(
            (span for span in collector.spans if began_ns <= span.began_ns < until_ns), key=lambda s: s.began_ns
        )


def told(spans: list[OtlpSpan]) -> str:
    """A block for each trace; those that have one shape are told once."""
    traces: dict[str, list[OtlpSpan]] = defaultdict(list)
    for span in spans:
        traces[span.trace].append(span)
    shapes: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], list[OtlpSpan]] = {}
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
                f"  {at:7.1f} – {end:7.1f} ms  {span.instance:14} {span.name}{'' if span.parent else ' (root)'}"
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
