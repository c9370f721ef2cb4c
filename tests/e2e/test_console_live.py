"""The console as the cluster moves: an edge dies under its viewers, markup in names, a page that stays open."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser import Strangers
from tests.e2e.cluster import CONDITION_TIMEOUT_S, Cluster, cluster, edge_with_media_port, process_of, until
from tests.e2e.console import account, at, console_of

TIMEOUT_MS = CONDITION_TIMEOUT_S * 1_000
WATCH = """(edge) => {
  window.seen = {};
  const look = () => {
    const row = [...document.querySelectorAll("#view tbody tr")].find((one) => one.textContent.startsWith(edge));
    const state = row?.children[2]?.textContent ?? "";
    if (state && state !== "ready") seen.troubled ??= Date.now();
    if (state === "dead") seen.dead ??= Date.now();
    const words = document.querySelector("#view .notice")?.textContent ?? "";
    if (words.includes(`moved from ${edge} to`)) { seen.moved ??= Date.now(); seen.words = words; }
  };
  const all = {subtree: true, childList: true, characterData: true, attributes: true};
  new MutationObserver(look).observe(document.getElementById("view"), all);
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pairs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two edges."""
    async with cluster(tmp_path_factory.mktemp("pairs"), edges=2) as running:
        yield running


async def test_an_edge_that_is_killed_is_seen_and_so_are_its_viewers_who_move(
    pairs: Cluster, strangers: Strangers, stream: str
) -> None:
    operator = await account(pairs, role="READ_ONLY")
    async with (
        strangers.open(camera=True) as publisher,
        strangers.open() as viewer,
        console_of(pairs, strangers) as console,
    ):
        page = console.page
        await publisher.call("sdkPublish", url=pairs.websocket(), stream=stream)
        await pairs.live(stream)
        await viewer.call("sdkPlay", url=pairs.websocket(), stream=stream)
        seen = await viewer.until_watching()
        assert seen.first is not None
        edge = edge_with_media_port(pairs, seen.first.port)
        await console.enter(operator)
        await console.go("/topology", "Topology")
        row = page.locator("#view tbody tr", has_text=edge).first
        await expect(row.locator("td").nth(5)).to_have_text("1", timeout=TIMEOUT_MS)
        await pairs.another_is_ready(edge)
        await page.evaluate(WATCH, edge)

        killed_ms = time.time() * 1_000
        process_of(pairs, edge).send_signal(signal.SIGKILL)

        told = await until(lambda: page.evaluate("seen"), lambda told: "dead" in told and "moved" in told, "both")
        assert told["words"].startswith(f"1 viewer moved from {edge} to edge-")
        print(
            f"after the kill: not well after {told['troubled'] - killed_ms:.0f} ms, dead after "
            f"{told['dead'] - killed_ms:.0f} ms, its viewer elsewhere after {told['moved'] - killed_ms:.0f} ms"
        )
        await expect(row.locator("td").nth(2)).to_have_text("ready", timeout=TIMEOUT_MS)
        assert await console.faults() == []


async def test_names_that_others_chose_are_shown_as_text(pairs: Cluster, strangers: Strangers) -> None:
    stream = "a" * 255
    operator = await account(pairs)
    name = "<img src=x onerror=alert(1)> \u202e\u05e9\u05dc\u05d5\u05dd"
    async with strangers.open(camera=True) as publisher, console_of(pairs, strangers) as console:
        page = console.page
        await publisher.call("sdkPublish", url=pairs.websocket(), stream=stream, name=name)
        await pairs.live(stream)
        await console.enter(operator)
        await console.go(f"/streams?q={stream}", "Streams")
        cell = page.locator("#view tbody tr td").first
        await expect(cell.locator("bdi").first).to_have_attribute("title", stream, timeout=TIMEOUT_MS)
        assert await page.locator("#view img:not(.preview img)").count() == 0
        await cell.locator("a").click()
        await expect(page.locator("#title bdi")).to_have_attribute("title", f"LiveApp/{stream}")
        await expect(page.locator("#view .hop").first).to_be_visible(timeout=TIMEOUT_MS)
        assert await console.faults() == []


@pytest.mark.parametrize("where", [at("streams", "LiveApp", "nobody"), at("nodes", "nobody"), at("viewers", "nobody")])
async def test_what_is_not_there_is_said_to_be_not_there(pairs: Cluster, strangers: Strangers, where: str) -> None:
    operator = await account(pairs)
    async with console_of(pairs, strangers) as console:
        await console.enter(operator)
        await console.go(where)
        await expect(console.page.locator("#view .empty")).to_be_visible(timeout=TIMEOUT_MS)


async def test_a_node_is_emptied_and_taken_back(pairs: Cluster, strangers: Strangers) -> None:
    operator = await account(pairs)
    async with console_of(pairs, strangers) as console:
        page = console.page
        await console.enter(operator)
        await console.go("/nodes/edge-1", "edge-1")
        await page.get_by_role("button", name="Drain", exact=True).click(timeout=TIMEOUT_MS)
        await page.get_by_role("button", name="Empty it").click()
        await expect(page.get_by_role("heading", name="Drain")).to_be_visible(timeout=TIMEOUT_MS)
        await expect(page.locator("#view")).to_contain_text("Nobody is left here.", timeout=TIMEOUT_MS)
        await page.get_by_role("button", name="Take the drain back").click()
        await expect(page.locator("#view dl.facts").first).to_contain_text("ready", timeout=TIMEOUT_MS)
