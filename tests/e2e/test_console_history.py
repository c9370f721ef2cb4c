"""What happened, as the console tells it: events as they happen, and the fates of sessions."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster
from tests.e2e.console import account, console_of


async def test_what_happens_appears_and_waits_while_it_is_paused(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers) as console, strangers.open(camera=True) as publisher:
        page = console.page
        await console.enter(name)
        await console.go("/events", "Events")
        await expect(page.locator("#actions .pulse")).to_have_text("as it happens")
        await page.get_by_label("Stream", exact=True).fill(stream)
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await expect(page.locator("tbody")).to_contain_text("Stream started")
        await expect(page.locator("tbody")).to_contain_text("Publisher joined")
        assert await console.faults() == []

        await page.get_by_role("button", name="Pause").click()
        async with strangers.open() as viewer:
            await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
            await viewer.until_watching()
            await expect(page.get_by_role("button", name="Go on (")).to_be_visible()
            await expect(page.locator("tbody")).not_to_contain_text("Viewer joined")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.locator("tbody")).to_contain_text("Viewer joined")

        await page.context.set_offline(True)
        await console.go("/license")
        await page.context.set_offline(False)
        await console.go("/events", "Events")
        await expect(page.locator("tbody")).to_contain_text("Viewer left")


async def test_why_a_viewer_saw_black_has_an_answer(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers) as console, strangers.open() as viewer:
        page = console.page
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=f"{stream}-nobody")
        await viewer.until_heard("no_stream_exist")
        await console.enter(name)
        async with strangers.open(camera=True) as publisher:
            await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
            await rillcast.live(stream)
            await console.go(f"/sessions?stream={stream}", "Sessions")
            await expect(page.locator("tbody tr").first).to_contain_text(re.compile("publisher.*live"))
        await expect(page.get_by_label("Stream", exact=True)).to_have_value(stream)
        await page.get_by_label("State").select_option("over")
        await expect(page.locator("tbody")).to_contain_text("page was closed")
        assert await console.faults() == []
        await page.locator("tbody a").first.click()
        await expect(page).to_have_url(re.compile(re.escape(f"{rillcast.base}/console#/viewers/")))


async def test_a_search_finds_streams_nodes_and_apps(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    name = await account(rillcast)
    async with console_of(rillcast, strangers) as console, strangers.open(camera=True) as publisher:
        page = console.page
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await rillcast.live(stream)
        await console.enter(name)
        box = page.get_by_role("searchbox")
        await page.keyboard.press("/")
        await box.fill(stream[:-1])
        await box.press("Enter")
        await console.settled(f"Search: {stream[:-1]}")
        await expect(page.get_by_role("link", name=f"LiveApp/{stream}")).to_be_visible()
        await console.go("/search?q=edge-1", "Search: edge-1")
        await expect(page.get_by_role("link", name="edge-1", exact=True)).to_be_visible()
        await console.go("/search?q=LiveApp", "Search: LiveApp")
        await expect(page.get_by_role("link", name="LiveApp", exact=True)).to_be_visible()
