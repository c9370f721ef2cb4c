"""From glass to glass through the ladder: `python -m tests.bench.ladder_delay`.

Publishes a painted 720p30 picture in VP8 with Ant Media's SDK, and reads its clock in two viewers in turns: one takes
the source, the other has H.264 only and so the 720p rung. Prints a table; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import async_playwright
from rich.console import Console
from rich.table import Table

from tests.bench.joins import SETTLE_FRAMES, STREAM, measure, quantile
from tests.e2e.browser import Strangers, bundle_clients, chromium, website
from tests.e2e.cluster import Cluster, cluster, until

SETTINGS = {"encoderSettings": [{"height": 720, "videoBitrate": 1_500_000, "forceEncode": False}]}
RUNG = "H264"


async def delays(running: Cluster, strangers: Strangers, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Milliseconds by codec. Both viewers stay open: both are read under the same load."""
    found: dict[str, list[float]] = {"VP8": [], RUNG: []}
    async with strangers.open() as source, strangers.open() as rung:
        for viewer, codec in ((source, "VP8"), (rung, RUNG)):
            await viewer.call("whepPlay", url=running.whep(STREAM), codec=codec)
            await viewer.until(lambda seen: seen.frames_decoded > SETTLE_FRAMES, "the picture settled")
        seen = await rung.observe()
        assert seen.first is not None
        assert (seen.first.video_codec, seen.picture.height) == (f"video/{RUNG}", 720), str(seen)
        for _ in range(rounds):
            for viewer, codec in ((source, "VP8"), (rung, RUNG)):
                found[codec].extend((await measure(viewer, "delays", forMs=seconds * 1_000))["delays"])
    return found


async def run(seconds: float, rounds: int) -> Table:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        await bundle_clients(folder)
        site = stack.enter_context(website(folder))
        playwright = await stack.enter_async_context(async_playwright())
        running = await stack.enter_async_context(cluster(folder))
        strangers = Strangers(
            await stack.enter_async_context(chromium(playwright, camera=True)),
            await stack.enter_async_context(chromium(playwright, camera=False)),
            site,
        )
        await running.request("POST", f"{running.base}/rest/v2/applications/settings/LiveApp", json=SETTINGS)
        publisher = await stack.enter_async_context(strangers.open(camera=True))
        await measure(publisher, "publish", url=running.websocket(), stream=STREAM)
        await until(lambda: running.stream(STREAM), lambda entry: entry and RUNG in entry.codecs, "the rung is there")
        found = await delays(running, strangers, seconds, rounds)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    table = Table(title=f"glass to glass, ms; {os.cpu_count()} CPUs, load {load}", title_justify="left")
    for column in ("", "p5", "p50", "p95", "n"):
        table.add_column(column, justify="left" if not column else "right")
    for name, codec in (("the source, VP8", "VP8"), ("the 720p rung, H.264", RUNG)):
        values = found[codec]
        table.add_row(name, *(f"{quantile(values, share):.0f}" for share in (0.05, 0.5, 0.95)), str(len(values)))
    added = statistics.median(found[RUNG]) - statistics.median(found["VP8"])
    table.caption = f"the ladder adds {added:+.0f} ms at the median"
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ladder_delay", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of them, source and rung in turns")
    options = parser.parse_args()
    Console().print(asyncio.run(run(options.seconds, options.rounds)))


if __name__ == "__main__":
    main()
