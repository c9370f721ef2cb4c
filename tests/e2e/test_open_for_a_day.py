"""A console and a terminal that stay open for a day do not grow, however much goes on.

RILLCAST_TEST_CHANGES says how many changes each of them sees (6 000 by default, which is what a cluster of 40 nodes has
in some minutes; 200 000 takes ten minutes for each view).
"""

from __future__ import annotations

import asyncio
import os

import psutil
import pytest
from playwright.async_api import CDPSession, expect

from tests.e2e.browser import Strangers
from tests.e2e.console import WATCH_POLICY, Console
from tests.e2e.restless import APP, Restless, restless
from tests.integration.signaling.wire import WireCluster
from tests.unit.signaling.signaling_harness import PASSWORD

CHANGES = int(os.environ.get("RILLCAST_TEST_CHANGES", "6000"))
LOOKS = 8
"""How often it is measured. The first time is for what is loaded late, and for lists that fill up."""
GROWS = 1.06
"""What a heap may differ by from one look to another, with the parts of pages that are shown just then."""
SLACK_BYTES, SLACK_NODES = 400_000, 250
FILLED = 6_000
"""After so many changes the view of events has the 500 that it keeps."""
VIEWS = {
    "overview": "/",
    "topology": "/topology",
    "streams": "/streams",
    "nodes": "/nodes",
    "events": "/events",
    "one stream": f"/streams/{APP}/s1",
}


async def measured(page: CDPSession) -> tuple[int, int, int]:
    """Bytes of the heap, nodes and listeners, once all that nobody holds is gone."""
    for _ in range(3):
        await page.send("HeapProfiler.collectGarbage")
    told = {one["name"]: one["value"] for one in (await page.send("Performance.getMetrics"))["metrics"]}
    return int(told["JSHeapUsedSize"]), int(told["Nodes"]), int(told["JSEventListeners"])


async def shows(c: WireCluster, console: Console, going: Restless, where: str) -> None:
    """The page has heard of what happened last."""
    if where in ("/", "/topology", "/nodes"):
        await expect(console.page.locator("body")).to_contain_text(going.newest if where != "/" else "nodes")


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("view", list(VIEWS))
async def test_a_page_does_not_grow(strangers: Strangers, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    async with restless(monkeypatch) as (c, going):
        base = f"http://127.0.0.1:{c.port}"
        async with strangers.open(url=f"{base}/static/favicon.svg") as visitor:
            page = visitor.page
            await page.add_init_script(WATCH_POLICY)
            await page.goto(f"{base}/console")
            console = Console(page, base)
            await console.sign_in("admin", PASSWORD)
            await expect(page.locator("#inside")).to_be_visible()
            await going.until(500)
            await console.go(VIEWS[view])
            filled = FILLED if view == "events" else 500
            await going.until(filled)
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable")
            looks = []
            for look in range(1, LOOKS + 1):
                await going.until(filled + CHANGES * look // LOOKS)
                await shows(c, console, going, VIEWS[view])
                looks.append(await measured(session))
            print(f"{view}, {going.changes} changes:", ", ".join(f"{b / 1e6:.2f} MB {n} {e}" for b, n, e in looks))
            for at, slack in enumerate((SLACK_BYTES, SLACK_NODES, SLACK_NODES)):
                before = max(one[at] for one in looks[: LOOKS // 2])  # what a page keeps is full by then
                assert min(one[at] for one in looks[-2:]) <= GROWS * before + slack, (view, looks)


@pytest.mark.timeout(3_600)
async def test_a_terminal_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.e2e.test_top import terminal_at

    async with restless(monkeypatch) as (c, going):
        token = c.service.operators.local_token
        async with terminal_at(f"http://127.0.0.1:{c.port}", token) as terminal:
            await terminal.shows("edge-")
            process, looks = psutil.Process(terminal.process.pid), []
            for look in range(1, LOOKS + 1):
                await going.until(CHANGES * look // LOOKS)
                terminal.press("123"[look % 3])
                await asyncio.sleep(1.0)
                looks.append(process.memory_info().rss)
            print(f"rillcast top, {going.changes} changes:", ", ".join(f"{one / 1e6:.1f} MB" for one in looks))
            assert looks[-1] <= 1.1 * looks[LOOKS // 2] + 4_000_000
