"""A browser in another network, whose pages come from this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.async_api import Browser, Playwright, Route

from tests.e2e.browser import OBSERVE, PAGE_TIMEOUT_MS, Stranger, chromium


class Elsewhere:
    """Opens pages there. A test answers for where they seem to come from, so that they may use the camera."""

    def __init__(self, browser: Browser, site: str, pages: str) -> None:
        self._browser = browser
        self._site = site
        self._pages = pages
        self.said: list[str] = []

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Stranger]:
        """A page with other people's clients."""
        context = await self._browser.new_context(viewport={"width": 900, "height": 700})
        context.set_default_timeout(PAGE_TIMEOUT_MS)
        async with httpx.AsyncClient(trust_env=False) as http:

            async def answer(route: Route) -> None:
                found = await http.get(self._site + urlsplit(route.request.url).path)
                kind = found.headers.get("content-type", "")
                await route.fulfill(status=found.status_code, body=found.content, content_type=kind)

            try:
                await context.route(f"{self._pages}/**", answer)
                await context.add_init_script(path=OBSERVE)
                page = await context.new_page()
                page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
                page.on("pageerror", lambda error: self.said.append(f"not caught: {error}"))
                await page.goto(f"{self._pages}/client.html")
                yield Stranger(page)
            finally:
                await context.close()


@asynccontextmanager
async def browser_elsewhere(
    playwright: Playwright,
    folder: Path,
    inside: Sequence[str],
    *,
    camera: bool,
    pages: str,
    flags: Sequence[str] = (),
) -> AsyncIterator[Browser]:
    """Until the end of the block. `folder`: for a script. `inside`: a command that runs another one there. `pages`:
    where its pages seem to come from."""
    script = folder / f"chromium-elsewhere-{'with' if camera else 'without'}-camera"
    script.write_text(f'#!/bin/sh\nexec {" ".join(inside)} /usr/bin/chromium "$@"\n')
    script.chmod(0o755)
    secure = f"--unsafely-treat-insecure-origin-as-secure={pages}"
    async with chromium(playwright, camera=camera, executable=str(script), flags=[secure, *flags]) as browser:
        yield browser
