"""The console in a browser: signing in, going to its views, and what it must never do."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.async_api import Page, ViewportSize, expect

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster

PASSWORD, NEXT = "the first of two", "the second of two"
AXE = Path(__file__).resolve().parent / "node_modules" / "axe-core" / "axe.min.js"
DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=320, height=640)
BEYOND = "document.documentElement.scrollWidth - innerWidth"
"""By how much a page is wider than its window."""
WATCH_POLICY = """addEventListener("securitypolicyviolation", (event) => {
  (window.violations ??= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});"""
RUN_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.flatMap(
  (rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 200)}`))"""


async def account(rillcast: Cluster, scope: str = "system", role: str = "ADMIN", name: str = "") -> str:
    """The name of a new operator."""
    name = name or f"ada-{secrets.token_hex(4)}"
    url = f"{rillcast.base}/rest/v2/users"
    body = {"email": name, "password": PASSWORD, "appNameUserType": {scope: role}}
    answer = await rillcast.request("POST", url, json=body)
    assert answer.json()["success"], answer.text
    return name


class Console:
    """One page at the console."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self._base = base

    async def sign_in(self, name: str, password: str = PASSWORD) -> None:
        """Fill in the form at the door, and send it."""
        await self.page.fill("#name", name)
        await self.page.fill("#password", password)
        await self.page.click("#sign-in button")

    async def enter(self, name: str) -> None:
        """Sign in, and wait until somebody is in."""
        await self.sign_in(name)
        await expect(self.page.locator("#inside")).to_be_visible()

    async def go(self, where: str, heading: str = "") -> None:
        """Show a view, by its address without the sharp."""
        await self.page.evaluate("(where) => { location.hash = where; }", where)
        await self.settled(heading)

    async def settled(self, heading: str = "") -> None:
        """Wait until the view is there and has got what it asked for."""
        if heading:
            await expect(self.page.locator("#title")).to_have_text(heading)
        await expect(self.page.locator("#view .loading")).to_have_count(0)

    async def faults(self) -> list[str]:
        """What axe finds on the page as it is now."""
        found: list[str] = await self.page.evaluate(RUN_AXE)
        return found

    async def violations(self) -> list[str]:
        """What the page did that its policy forbids."""
        found: list[str] = await self.page.evaluate("window.violations ?? []")
        return found

    async def focused(self) -> str:
        """The text or the name of what has the focus."""
        found: str = await self.page.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"
        )
        return found


@asynccontextmanager
async def console_of(rillcast: Cluster, strangers: Strangers, **options: Any) -> AsyncIterator[Console]:
    """The console, at its door. At the end it has kept to its policy."""
    async with strangers.open(url=f"{rillcast.base}/static/favicon.svg", scripts=(AXE,)) as visitor:
        page = visitor.page
        await page.add_init_script(WATCH_POLICY)
        await page.emulate_media(**options)
        await page.set_viewport_size(DESK)
        await page.goto(f"{rillcast.base}/console")
        await expect(page.locator("#name")).to_be_focused()
        console = Console(page, rillcast.base)
        yield console
        assert await console.violations() == []


def at(*parts: str) -> str:
    """An address in the console: ``at("streams", app, stream)``."""
    return "/" + "/".join(quote(part, safe="") for part in parts)
