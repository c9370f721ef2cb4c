"""Media past the UDP socket against media by it: `fanout-bench` in front of a null device, the two in turns.

``python -m tests.bench.raw_egress --page docs/benchmarks/raw-egress.md``; it needs root and `cargo build --release -p
rillcast-bench` in native/.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
from collections import defaultdict
from contextlib import aclosing
from pathlib import Path

import msgspec

from tests.bench.fanout import PROGRAM
from tests.bench.machine import Others
from tests.bench.null_device import null_device
from tests.bench.results import Sample

PAIRS = (("edge", "edge_raw", "busy: audio rides behind video"), ("edge_calm", "edge_raw_calm", "calm: audio alone"))
LOADS = ((50, 1), (1_000, 1), (3_000, 1), (3_000, 100))
"""Viewers and streams."""
HEAD = """# Raw egress: what it saves

What an edge's fan-out costs with media [past the UDP socket](../raw-egress.md) and by it. `fanout-bench` runs a worker
with connected viewers and everything that they negotiate, flat out, and sends into a null device (`ifb`) through its
queue. The four variants take turns. Figures are medians of {rounds} rounds in nanoseconds of CPU for each packet; the
ratio is the median of the ratios within a round. In the null device no driver of a network card takes part, which makes
the ratio larger than with a card.

```sh
sudo .venv/bin/python -m tests.bench.raw_egress --rounds {rounds} --page docs/benchmarks/raw-egress.md
```

Linux {kernel}, {cpus} CPUs; others used {others:.2f} of them meanwhile.

| viewers | streams | | by the socket | past it | ratio |
|---:|---:|---|---:|---:|---:|
"""


async def main(rounds: int) -> str:
    """Measure, print, and return the page."""
    rows, others = [], Others()
    names = ",".join(name for pair in PAIRS for name in pair[:2])
    async with null_device() as device:
        for viewers, streams in LOADS:
            found: dict[str, list[float]] = defaultdict(list)
            words = (str(PROGRAM), "packet", str(rounds), str(viewers), str(streams), names)
            async with aclosing(device.lines(*words, timeout_s=600)) as lines:
                async for line in lines:
                    sample = msgspec.json.decode(line, type=Sample)
                    found[sample.variant].append(sample.ns_per_packet)
            for socket, raw, what in PAIRS:
                ratio = statistics.median(a / b for a, b in zip(found[socket], found[raw], strict=True))
                by, past = (statistics.median(found[name]) for name in (socket, raw))
                rows.append(f"| {viewers:,} | {streams} | {what} | {by:.0f} | {past:.0f} | {ratio:.2f} |")
                print(rows[-1], flush=True)
    cpus = len(os.sched_getaffinity(0))
    head = HEAD.format(rounds=rounds, kernel=platform.release(), cpus=cpus, others=others.cores())
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    made = asyncio.run(main(arguments.rounds))
    if arguments.page is not None:
        arguments.page.write_text(made)
