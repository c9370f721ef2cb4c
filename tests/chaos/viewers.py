"""Who publishes and who watches while faults happen: Ant Media's SDK in Chromium, ffmpeg, and `rillcast bench`."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from rillcast.load.description import LocalPeer, view_offer
from rillcast.load.link import Link
from rillcast.load.run import Plan, Run
from rillcast.load.session import AntMediaJoin, Refused
from tests.bench.watching import set_rungs, until_renditions
from tests.chaos.cluster import ChaosCluster
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import until
from tests.e2e.publishers import ffmpeg_whip, killed

FRAMES = Path(__file__).resolve().parent / "frames.js"
APP = "LiveApp"
SDK, WHIP = "by-sdk", "by-whip"
"""The streams."""
LADDER_APP, LADDER, RUNG = "WebRTCAppEE", "with-ladder", (180, 200_000)
"""An app with a ladder, its stream, and height and bit rate of the rung."""
STANDING_US = 2_000_000
"""Whose picture stands for so long when all is over has lost it."""
ASK_EVERY_S = 0.5
AGAIN_S = 0.3
"""A script that starts ffmpeg anew waits so long."""


@dataclass(frozen=True)
class Watchers:
    """How many watch by `rillcast bench`: both streams by the socket, one by WHEP."""

    sdk: int = 30
    whip: int = 20
    whep: int = 10

    @property
    def words(self) -> str:
        """For the page."""
        return f"{self.sdk + self.whip} by the socket of Ant Media's protocol, {self.whep} by WHEP"


class Page:
    """A viewer with the SDK in Chromium."""

    def __init__(self, name: str, stream: str, page: Stranger) -> None:
        self.name, self.stream, self.page = name, stream, page

    async def gaps_ms(self, since_ms: float, until_ms: float) -> list[float]:
        """Between the frames shown in that time, the last one before it and the end of it among them."""
        shown: list[float] = await self.page.page.evaluate("window.chaosFrames")
        before = [at for at in shown if at <= since_ms][-1:]
        within = [*before, *(at for at in shown if since_ms < at < until_ms), until_ms]
        return [later - earlier for earlier, later in itertools.pairwise(within)]


@dataclass
class Crowd:
    """Viewers of one stream by `rillcast bench`, until `end`."""

    name: str
    stream: str
    run: Run
    count: int
    task: asyncio.Task[object]
    joining: AntMediaJoin | None

    async def end(self) -> None:
        """They leave."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def unheard(self, since: float) -> int:
        """How many have had no word of their session by their socket since then (monotonic)."""
        return sum(at < since for at in self.joining.heard.values()) if self.joining else 0

    def lost(self) -> list[int]:
        """Whose picture stands, or never came."""
        seen = set(range(self.count)) - set(self.run.watching())
        return sorted(seen | set(self.run.standstills.standing(STANDING_US)))


@asynccontextmanager
async def crowd(name: str, url: str, stream: str, count: int) -> AsyncIterator[Crowd]:
    """So many viewers who have joined and have a picture."""
    plan = Plan(url=url, stream=stream, count=count, rate=50.0, seconds=86_400, links=(Link(delay_us=0),))
    joining = AntMediaJoin(url, stream) if url.startswith("ws") else None
    run = Run(plan, publishing=False, join_by=joining)
    made = Crowd(name, stream, run, count, asyncio.create_task(run.run(lambda *_: None)), joining)

    async def watching() -> int:
        if made.task.done():
            made.task.result()
        return len(run.watching())

    try:
        await until(watching, lambda seen: seen == count, f"{count} viewers of {stream} by {name}")
        yield made
    except Refused as error:
        raise AssertionError(f"{name}: {error}") from error
    finally:
        await made.end()


@dataclass
class Answers:
    """What became of those who wanted to join in the meantime."""

    joined: int = 0
    refused: int = 0
    """With 503 and Retry-After."""
    unclear: Counter[str] = field(default_factory=Counter)
    """Everything else, by what it was."""


@asynccontextmanager
async def newcomers(cluster: ChaosCluster, stream: str) -> AsyncIterator[Answers]:
    """Somebody wants to join by WHEP twice a second, and leaves at once, until the end of the block."""
    answers, asking = Answers(), set[asyncio.Task[None]]()
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:

        async def keep_asking() -> None:
            while True:
                asking.add(asyncio.create_task(_ask(http, cluster, stream, answers)))
                await asyncio.sleep(ASK_EVERY_S)

        task = asyncio.create_task(keep_asking())
        try:
            yield answers
        finally:
            task.cancel()
            await asyncio.gather(task, *asking, return_exceptions=True)


async def _ask(http: httpx.AsyncClient, cluster: ChaosCluster, stream: str, answers: Answers) -> None:
    offer = view_offer(LocalPeer.new(":".join(["AB"] * 32)))
    headers = {"Content-Type": "application/sdp"}
    try:
        answer = await http.post(cluster.clients.whep(stream, APP), content=offer, headers=headers)
    except httpx.HTTPError as error:
        answers.unclear[type(error).__name__] += 1
        return
    if answer.status_code == 201:
        answers.joined += 1
        with suppress(httpx.HTTPError):
            await http.delete(str(httpx.URL(cluster.clients.base).join(answer.headers["location"])))
    elif answer.status_code == 503 and "retry-after" in answer.headers:
        answers.refused += 1
    else:
        answers.unclear[f"{answer.status_code} {answer.text[:60]}"] += 1


@dataclass
class Ffmpeg:
    """An ffmpeg that a script starts anew when it ends."""

    started: int = 0
    hung: int = 0
    """How many did not end by themselves, although nobody took their packets any more."""
    process: asyncio.subprocess.Process | None = None

    def kill(self) -> None:
        """It hangs."""
        self.hung += 1
        if self.process is not None and self.process.returncode is None:
            self.process.kill()


@asynccontextmanager
async def ffmpeg_again_and_again(source: Path, url: str, folder: Path) -> AsyncIterator[Ffmpeg]:
    """ffmpeg publishes by WHIP, and a script starts it anew when it ends, until the end of the block."""
    made = Ffmpeg()

    async def keep() -> None:
        while True:
            made.started += 1
            async with killed(*ffmpeg_whip(source, url), log=folder / "ffmpeg.log") as made.process:
                await made.process.wait()
            await asyncio.sleep(AGAIN_S)

    task = asyncio.create_task(keep())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Stage:
    """Everybody who stays from one fault to the next."""

    cluster: ChaosCluster
    strangers: Strangers
    publisher: Stranger
    pages: list[Page]
    ffmpeg: Ffmpeg
    source: Path


@asynccontextmanager
async def stage(
    cluster: ChaosCluster, strangers: Strangers, source: Path, watch: Sequence[str] = (SDK, SDK, WHIP)
) -> AsyncIterator[Stage]:
    """A publisher by the SDK, one by ffmpeg, and a page with the SDK for each of the streams in `watch`."""
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(strangers.open(camera=True))
        url = cluster.clients.websocket(APP)
        await publisher.call("sdkPublish", url=url, stream=SDK)
        whip = cluster.clients.whip(WHIP, APP)
        ffmpeg = await stack.enter_async_context(ffmpeg_again_and_again(source, whip, cluster.folder))
        pages: list[Page] = []
        view = next(iter(cluster.views.values()))
        for stream in (SDK, WHIP):
            await view.live(stream)
        for number, stream in enumerate(watch):
            page = await stack.enter_async_context(strangers.open(scripts=[FRAMES]))
            pages.append(Page(f"page {number + 1}", stream, page))
            await play(pages[-1], url)
        yield Stage(cluster, strangers, publisher, pages, ffmpeg, source)


@asynccontextmanager
async def watching_a_rung(on: Stage) -> AsyncIterator[Page]:
    """A page that is sent a rung of a ladder, whatever else there is."""
    view = next(iter(on.cluster.views.values()))
    await set_rungs(view, LADDER_APP, [RUNG])
    command = ffmpeg_whip(on.source, on.cluster.clients.whip(LADDER, LADDER_APP))
    async with (
        killed(*command, log=on.cluster.folder / "ladder.log"),
        on.strangers.open(scripts=[FRAMES]) as page,
    ):
        await until_renditions(view, LADDER, [RUNG[0]])
        made = Page("page of the ladder", LADDER, page)
        await play(made, on.cluster.clients.websocket(LADDER_APP))
        await page.call("sdkForce", stream=LADDER, height=str(RUNG[0]))
        await page.until(lambda seen: seen.picture.height == RUNG[0], "it sees the rung")
        yield made


async def play(page: Page, url: str) -> None:
    """The page begins to watch, from the start."""
    await page.page.call("sdkPlay", url=url, stream=page.stream)
    await page.page.until(lambda seen: seen.frames_decoded > 0, f"{page.name} sees {page.stream}")
