"""Chromium pages that run other people's clients, and what can be seen in them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from playwright.async_api import Browser, Error, Page, Playwright

from rillcast.runtime.process.address import local_address
from rillcast.testing.eventually import within
from tests.e2e.cluster import CONDITION_TIMEOUT_S, until

HERE = Path(__file__).resolve().parent
OBSERVE = HERE / "pages" / "observe.js"
PAGE_TIMEOUT_MS = 40_000
SAID = 60
FLAGS = [
    "--no-sandbox",
    f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost , EXCLUDE {local_address()}",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
]
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
"""A publisher's; a viewer has no permission, so its own addresses are mDNS names, as in real life."""


class Picture(msgspec.Struct, frozen=True):
    """What a page's video element shows, 32×18 grey samples."""

    width: int
    height: int
    grey: list[int]

    def differs_from(self, other: Picture) -> bool:
        """Whether anything moved: some sample changed by more than coding noise."""
        pairs = zip(self.grey, other.grey, strict=False)
        return max((abs(mine - others) for mine, others in pairs), default=0) > 20

    def shows_something(self) -> bool:
        """Neither nothing nor one even colour."""
        return bool(self.grey) and max(self.grey) - min(self.grey) > 20


class Connection(msgspec.Struct, frozen=True, rename="camel"):
    """One open peer connection of a page, from its own statistics."""

    index: int
    """Counted from 0 over all the page ever made: the same index is the same object."""
    state: str
    tracks: int
    """How many it was ever told of."""
    negotiations: int
    """How many descriptions of the server it was ever given."""
    srtp: str
    port: int
    """Of the server."""
    transport: str
    """By which this end sends: ``udp`` or ``tcp``, or how it reaches its TURN server."""
    certificate: str
    """Of the server, in hex; empty in browsers that don't tell."""
    handshakes: int
    """How often DTLS became connected."""
    video_codec: str
    frames_decoded: int
    freezes: int
    audio_packets: int
    audio_energy: float
    frames_sent: int


class Observation(msgspec.Struct, frozen=True):
    """A page at one moment."""

    made: int
    """Peer connections made since the page was loaded."""
    connections: list[Connection]
    picture: Picture
    events: list[tuple[str, str, str]]
    """(info or error, name, detail) as a client library told."""

    @property
    def first(self) -> Connection | None:
        return self.connections[0] if self.connections else None

    def heard(self, name: str) -> bool:
        return any(event[1] == name for event in self.events)

    def heard_since(self, before: Observation, name: str) -> bool:
        """The same, but after that earlier look at this page."""
        return any(event[1] == name for event in self.events[len(before.events) :])

    @property
    def frames_decoded(self) -> int:
        return max((connection.frames_decoded for connection in self.connections), default=0)

    @property
    def audio_energy(self) -> float:
        return max((connection.audio_energy for connection in self.connections), default=0.0)

    def __str__(self) -> str:
        return f"{self.connections} {self.picture.width}x{self.picture.height} events {self.events[-12:]}"


class Stranger:
    """One page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def call(self, client: str, **arguments: str) -> None:
        """Starts or stops one of the clients in `pages/client.js`."""
        await self.page.wait_for_function("window.clientsReady")
        async with within(CONDITION_TIMEOUT_S, "the client in the page"):
            await self.page.evaluate(f"(a) => clients.{client}(a)", arguments)

    async def observe(self) -> Observation:
        return msgspec.convert(await self.page.evaluate("window.rillcastObserve()"), Observation)

    async def until(self, good: Callable[[Observation], object], what: str) -> Observation:
        """Waits until the page looks as wanted."""
        return await until(self.observe, good, what)

    async def until_heard(self, name: str) -> Observation:
        return await self.until(lambda seen: seen.heard(name), f"the client heard {name}")

    async def until_watching(self, *, audio: bool = True) -> Observation:
        """Waits until the picture moves and, unless `audio` is False, sound is heard; the state then."""
        first = await self.until(lambda seen: seen.frames_decoded > 0 and seen.picture.shows_something(), "a picture")
        return await self.until(
            lambda seen: (
                seen.frames_decoded >= first.frames_decoded + 20
                and seen.picture.differs_from(first.picture)
                and (seen.audio_energy > 0 or not audio)
            ),
            "frames go on, the picture moves, sound is heard",
        )

    async def until_frames_go_on(self) -> Observation:
        """Waits until 20 more frames than now were decoded."""
        before = await self.observe()
        return await self.until(lambda seen: seen.frames_decoded >= before.frames_decoded + 20, "frames go on")

    async def publish_when_free(self, url: str, codec: str) -> None:
        """Publish by WHIP as a client does that shows no token: again after each 409, until whoever had the stream has
        been silent for long enough."""

        async def taken() -> bool:
            try:
                await self.call("whipPublish", url=url, codec=codec)
            except Error as refused:
                assert "status 409" in str(refused)
                return False
            return True

        await until(taken, bool, "a stream that nobody has any more")


class Strangers:
    """Opens pages in two browsers: one with a camera and one without."""

    def __init__(self, with_camera: Browser, without: Browser, site: str) -> None:
        self._with_camera = with_camera
        self._without = without
        self.site = site
        self.said = deque[str](maxlen=SAID)
        """What the consoles of the pages showed, and what nobody caught there; the newest lines of all tests."""

    @asynccontextmanager
    async def open(
        self, *, camera: bool = False, url: str = "", scripts: Sequence[Path] = ()
    ) -> AsyncIterator[Stranger]:
        """A page of its own context at `url`, or at the page with other people's clients. `scripts` run before its
        own."""
        browser = self._with_camera if camera else self._without
        context = await browser.new_context(viewport={"width": 900, "height": 700}, ignore_https_errors=True)
        context.set_default_timeout(PAGE_TIMEOUT_MS)
        try:
            for script in (OBSERVE, *scripts):
                await context.add_init_script(path=script)
            page = await context.new_page()
            page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
            page.on("pageerror", lambda error: self.said.append(f"not caught: {error}"))
            await page.goto(url or f"{self.site}/client.html")
            yield Stranger(page)
        finally:
            await context.close()


@asynccontextmanager
async def chromium(
    playwright: Playwright, *, camera: bool, executable: str = "/usr/bin/chromium", flags: Sequence[str] = ()
) -> AsyncIterator[Browser]:
    """Debian's own, or a script that starts it."""
    browser = await playwright.chromium.launch(
        executable_path=executable,
        headless=True,
        args=[*FLAGS, *(CAMERA if camera else []), *flags],
        ignore_default_args=["--mute-audio"],
    )
    try:
        yield browser
    finally:
        await browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@contextmanager
def website(folder: Path) -> Iterator[str]:
    """Serves a folder on 127.0.0.1: another origin than the cluster's, as strangers' pages are."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def bundle_clients(folder: Path) -> None:
    """The page of `pages/` with the npm packages in one script, as a web developer would ship it."""
    process = await asyncio.create_subprocess_exec(
        *(str(HERE / "node_modules/.bin/esbuild"), "pages/client.js", "--bundle", "--format=esm"),
        *(f"--outfile={folder / 'client.js'}", "--log-level=warning"),
        cwd=HERE,
    )
    assert await process.wait() == 0, "esbuild could not bundle pages/client.js"
    (folder / "client.html").write_bytes((HERE / "pages" / "client.html").read_bytes())
