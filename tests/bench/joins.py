"""How fast a viewer joins, and what the cluster adds from glass to glass.

    python -m tests.bench.joins --joins 20

Publishes 720p30 with Ant Media's SDK in one Chromium, joins with it in another, and compares the delay from painting
to presentation with the same two pages connected directly, in turns. Prints a table; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright
from rich.console import Console
from rich.table import Table

from tests.e2e.browser import Stranger, Strangers, bundle_clients, chromium, website
from tests.e2e.cluster import Cluster, cluster

STREAM = "bench"
SETTLE_FRAMES = 60


async def measure(page: Stranger, what: str, **arguments: object) -> Any:
    await page.page.wait_for_function("window.clientsReady")
    return await page.page.evaluate(f"(a) => measuring.{what}(a)", arguments)


async def joins(running: Cluster, strangers: Strangers, count: int) -> tuple[list[float], list[float]]:
    """First frame in ms and frames per second, of each join; one viewer at a time, each in a new page."""
    first_ms, fps = [], []
    for _ in range(count):
        async with strangers.open() as viewer:
            first_ms.append(await measure(viewer, "join", url=running.websocket(), stream=STREAM))
            fps.append(await measure(viewer, "framesPerSecond", forMs=2_000))
    return first_ms, fps


async def glass_to_glass(
    running: Cluster, strangers: Strangers, publisher: Stranger, *, seconds: float, rounds: int
) -> tuple[list[float], list[float]]:
    """Delays in ms directly and through the cluster. Both connections stay open: both are read under the same load."""
    direct_ms: list[float] = []
    through_ms: list[float] = []
    async with strangers.open() as direct, strangers.open() as through:
        answer = await measure(direct, "directAnswer", sdp=await measure(publisher, "directOffer"))
        await measure(publisher, "directAccept", sdp=answer)
        await measure(through, "join", url=running.websocket(), stream=STREAM)
        for viewer in (direct, through):
            await viewer.until(lambda seen: seen.frames_decoded > SETTLE_FRAMES, "the picture settled")
        for _ in range(rounds):
            for viewer, into in ((direct, direct_ms), (through, through_ms)):
                into.extend((await measure(viewer, "delays", forMs=seconds * 1_000))["delays"])
    return direct_ms, through_ms


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(first_ms: list[float], fps: list[float], direct: list[float], cluster_ms: list[float]) -> Table:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    table = Table(title=f"{len(first_ms)} joins, {os.cpu_count()} CPUs, load {load}", title_justify="left")
    for column in ("", "p5", "p50", "p95", "n"):
        table.add_column(column, justify="left" if not column else "right")

    def row(name: str, values: list[float]) -> None:
        table.add_row(name, *(f"{quantile(values, share):.0f}" for share in (0.05, 0.5, 0.95)), str(len(values)))

    row("play → first frame shown, ms", first_ms)
    row("frames per second, a second later", fps)
    row("glass to glass, page to page, ms", direct)
    row("glass to glass, through the cluster, ms", cluster_ms)
    added = statistics.median(cluster_ms) - statistics.median(direct)
    table.caption = f"the cluster adds {added:+.0f} ms at the median"
    return table


async def run(count: int, seconds: float, rounds: int) -> Table:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        await bundle_clients(folder)
        site = stack.enter_context(website(folder))
        playwright = await stack.enter_async_context(async_playwright())
        running = await stack.enter_async_context(cluster(folder, as_shipped=True))
        strangers = Strangers(
            await stack.enter_async_context(chromium(playwright, camera=True)),
            await stack.enter_async_context(chromium(playwright, camera=False)),
            site,
        )
        publisher = await stack.enter_async_context(strangers.open(camera=True))
        await measure(publisher, "publish", url=running.websocket(), stream=STREAM)
        await running.live(STREAM)
        first_ms, fps = await joins(running, strangers, count)
        direct, through = await glass_to_glass(running, strangers, publisher, seconds=seconds, rounds=rounds)
        return report(first_ms, fps, direct, through)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.joins", description=__doc__.splitlines()[0])
    parser.add_argument("--joins", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each glass-to-glass measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of them, direct and through the cluster in turns")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # takes down what was started, as Ctrl-C does
    Console().print(asyncio.run(run(options.joins, options.seconds, options.rounds)))


if __name__ == "__main__":
    main()
