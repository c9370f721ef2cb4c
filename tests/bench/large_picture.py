"""The picture of a very large cluster in a real Chromium: how long until it can be used, and how smoothly it is panned.

    python -m tests.bench.large_picture --nodes 1000 --zones 25 --folder /tmp/pictures

The nodes are hollow, and say something new each second; the signaling instance and its console are real. Writes a
screenshot for each look (light, dark, phone) into the folder. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from rillcast.contracts.words import NodeKind
from tests.e2e.browser import chromium
from tests.e2e.console import DESK, PHONE, Console
from tests.e2e.restless import hollow_edge
from tests.integration.signaling.wire import WireCluster, wire_cluster
from tests.unit.signaling.signaling_harness import PASSWORD

PATIENCE_MS = 120_000
FRAMES = """() => {
  const all = [];
  let last = performance.now(), on = true;
  const frame = (now) => { all.push(now - last); last = now; if (on) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  window.framesEnd = () => { on = false; return all.slice(2); };
}"""


def change(c: WireCluster, nodes: int, zones: int, moment: int) -> None:
    """All nodes say something new. One of ten is an origin, and one of a hundred a transcoder."""
    for number in range(nodes):
        kind = NodeKind.TRANSCODER if number % 100 == 99 else NodeKind.ORIGIN if number % 10 == 0 else NodeKind.EDGE
        c.host.directory.heard(hollow_edge(number, moment, zones=zones, edges=nodes, kind=kind))


async def panned(page: Page) -> list[float]:
    """Milliseconds of each frame while the picture is dragged about for some seconds."""
    box = await page.locator("#view .map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 12
    await page.evaluate(FRAMES)
    await page.mouse.move(x, y)
    await page.mouse.down()
    for step in range(120):
        await page.mouse.move(x + 120 * ((step // 10) % 4 - 1.5) / 2, y - step % 30)
    await page.mouse.up()
    found: list[float] = await page.evaluate("framesEnd()")
    return sorted(found)


async def measure(nodes: int, zones: int, folder: Path) -> None:
    """Print it all."""
    async with wire_cluster() as c, async_playwright() as playwright, chromium(playwright, camera=False) as browser:
        change(c, nodes, zones, 0)

        async def go_on() -> None:
            moment = 0
            while True:
                moment += 1
                await asyncio.sleep(1.0)
                change(c, nodes, zones, moment)

        changing = asyncio.create_task(go_on())
        base = f"http://127.0.0.1:{c.port}"
        for name, size, scheme in (("light", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")):
            context = await browser.new_context(viewport=size)
            page = await context.new_page()
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await page.goto(f"{base}/console")
            console = Console(page, base)
            await console.sign_in("admin", PASSWORD)
            await expect(page.locator("#inside")).to_be_visible(timeout=PATIENCE_MS)
            began = time.perf_counter()
            await console.go("/topology")
            await expect(page.locator("#view .map canvas").first).to_be_visible(timeout=PATIENCE_MS)
            await expect(page.locator("#view tbody tr").first).to_be_visible(timeout=PATIENCE_MS)
            usable_s = time.perf_counter() - began
            await asyncio.sleep(3.0)
            await page.screenshot(path=folder / f"large-{name}.png", full_page=True)
            frames = await panned(page) or [0.0]
            print(
                f"{name}: {nodes} nodes in {zones} zones, usable after {usable_s:.2f} s; panned at "
                f"{1_000 * len(frames) / sum(frames):.0f} frames/s (median frame {frames[len(frames) // 2]:.0f} ms, "
                f"longest {frames[-1]:.0f} ms)",
                flush=True,
            )
            await context.close()
        changing.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--zones", type=int, default=25)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(measure(given.nodes, given.zones, given.folder))
