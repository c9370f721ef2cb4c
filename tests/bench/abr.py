"""What a viewer sees when its link gets slow and fast again.

    python -m tests.bench.abr --rounds 3 --plot docs/benchmarks/abr.png
    python -m tests.bench.abr --source ladder --plot docs/benchmarks/abr-ladder.png

A Chromium publishes three simulcast layers by WHIP, or the load generator one encoding which gets a ladder;
a Chromium watches on the watch page from behind a link of 3 Mbit/s, then 0.7, then 3 again (`impairment`). Prints how
long switching took, freezes, lost sound and renegotiations, and draws the first round. Asserts nothing. Needs root.
`--code` measures another folder or revision of the code (`code_under_test`).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import os
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import imageio_ffmpeg
import matplotlib as mpl
import msgspec
from playwright.async_api import Browser, Page, Playwright, async_playwright
from rich.console import Console
from rich.table import Table

from rillcast.load.media import BROWSER_BURST_S, Layer
from rillcast.load.run import Plan
from tests.bench.code_under_test import code_of
from tests.bench.impairment import ImpairedLink, Shape, impaired_link
from tests.bench.watching import publishing, set_rungs, until_renditions
from tests.e2e.browser import CAMERA, FLAGS
from tests.e2e.cluster import Cluster, Code, cluster, until

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
STREAM = "abr"
WIDTH = 960
"""The least for which Chromium sends three layers."""
BITRATES = (150_000, 500_000, 1_500_000)
HEIGHTS = {"simulcast": tuple(WIDTH * 9 // 16 // scale for scale in (4, 2, 1)), "ladder": (144, 270, 540)}
FULL_HEIGHT = 540
APP = "LiveApp"
DELAY_MS = 20.0
MBIT = (3.0, 0.7)
"""What the link takes at first and at last, and between."""


class Sample(msgspec.Struct, frozen=True):
    """A tenth of a second at the viewer; counts are totals."""

    at_ms: float
    height: int
    frames: int
    keyframes: int
    plis: int
    freezes: int
    frozen_s: float
    waited_s: float
    emitted: int
    bytes: int
    concealed: int
    silent: int
    samples: int


class Log(msgspec.Struct, frozen=True):
    """What a watching page noted."""

    samples: list[Sample]
    negotiations: int
    connections: int
    asked_ms: float = 0.0
    """When the page said that it wants to watch."""

    def longest_freeze_s(self, since_ms: float = 0.0) -> float:
        """As Chromium measures freezes."""
        seen = [sample for sample in self.samples if sample.at_ms >= since_ms]
        pairs = itertools.pairwise(seen)
        return max((after.frozen_s - before.frozen_s for before, after in pairs), default=0.0)


class Round(msgspec.Struct, frozen=True):
    """One viewer of a link that gets slow and fast again."""

    log: Log
    narrow_ms: float
    """When the link became slow,"""
    wide_ms: float
    """and fast again."""
    heights: tuple[int, ...] = HEIGHTS["simulcast"]
    """Of the renditions."""
    mbit: tuple[float, float] = MBIT

    def between(self, since_ms: float, until_ms: float) -> list[Sample]:
        return [sample for sample in self.log.samples if since_ms <= sample.at_ms < until_ms]

    def down_s(self) -> float:
        """From the link's fall to the first smaller picture; NaN if it never came, or was there already."""
        if any(0 < sample.height < FULL_HEIGHT for sample in self.between(self.narrow_ms - 300, self.narrow_ms)):
            return float("nan")
        return self._first(self.narrow_ms, self.wide_ms, lambda height: 0 < height < FULL_HEIGHT)

    def up_s(self) -> float:
        """From the link's rise to the first full picture."""
        return self._first(self.wide_ms, float("inf"), lambda height: height == FULL_HEIGHT)

    def _first(self, since_ms: float, until_ms: float, good: object) -> float:
        assert callable(good)
        found = (s.at_ms for s in self.between(since_ms, until_ms) if good(s.height))
        return (next(found, float("nan")) - since_ms) / 1_000

    def switches(self) -> int:
        heights = [sample.height for sample in self.log.samples if sample.height]
        return sum(before != after for before, after in itertools.pairwise(heights))

    def frozen(self) -> tuple[int, float]:
        """Freezes and their seconds from the link's fall on, as Chromium counts them."""
        seen = self.between(self.narrow_ms, float("inf"))
        return seen[-1].freezes - seen[0].freezes, seen[-1].frozen_s - seen[0].frozen_s

    def sound_lost(self) -> float:
        """Share of the sound that had to be invented."""
        seen = self.between(self.narrow_ms, float("inf"))
        return (seen[-1].concealed - seen[0].concealed) / max(1, seen[-1].samples - seen[0].samples)


async def make_picture(folder: Path) -> Path:
    """Motion and noise that fill every layer's bit rate."""
    path = folder / "camera.mjpeg"
    source = f"testsrc2=size={WIDTH}x{WIDTH * 9 // 16}:rate=30,noise=alls=14:allf=t"
    process = await asyncio.create_subprocess_exec(
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", "-f", "lavfi", "-t", "6", "-i", source),
        *("-q:v", "4", "-pix_fmt", "yuvj420p", str(path)),
    )
    assert await process.wait() == 0
    return path


def own_address() -> str:
    """This machine's, as the cluster's candidates have it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@asynccontextmanager
async def browser(playwright: Playwright, *args: str, executable: str = "/usr/bin/chromium") -> AsyncIterator[Browser]:
    opened = await playwright.chromium.launch(
        executable_path=executable, headless=True, args=list(args), ignore_default_args=["--mute-audio"]
    )
    try:
        yield opened
    finally:
        await opened.close()


def flags(server: str) -> list[str]:
    return [f"{flag} , EXCLUDE {server}" if flag.startswith("--host-resolver-rules") else flag for flag in FLAGS]


def wrapper(folder: Path, link: ImpairedLink) -> str:
    """Chromium behind the link."""
    path = folder / "chromium-behind-the-link"
    path.write_text(f'#!/bin/sh\nexec {" ".join(link.enter)} /usr/bin/chromium "$@"\n')
    path.chmod(0o755)
    return str(path)


async def publish_simulcast(page: Page, running: Cluster) -> None:
    await page.goto(running.base)
    arguments = {"url": running.whip(STREAM, APP), "bitrates": BITRATES, "width": WIDTH}
    await page.evaluate((HERE / "simulcast.js").read_text(), arguments)


@asynccontextmanager
async def published(source: str, playwright: Playwright, running: Cluster, folder: Path) -> AsyncIterator[None]:
    """All renditions are there, until the end of the block."""
    *lower, full = zip(HEIGHTS[source], BITRATES, strict=True)
    async with AsyncExitStack() as stack:
        if source == "ladder":
            await set_rungs(running, APP, lower)
            plan = Plan(
                url=running.whip("", APP), stream=STREAM, seconds=3_600, layers=(Layer(*full, BROWSER_BURST_S),)
            )
            await stack.enter_async_context(publishing(running, plan))
        else:
            camera = f"--use-file-for-fake-video-capture={await make_picture(folder)}"
            sender = browser(playwright, *flags(own_address()), *CAMERA, camera)
            await publish_simulcast(await (await stack.enter_async_context(sender)).new_page(), running)
        await until_renditions(running, STREAM, HEIGHTS[source])
        yield


async def log_of(page: Page) -> Log:
    return msgspec.convert(await page.evaluate("window.viewerLog"), Log)


async def settled(page: Page) -> None:
    """Waits until the full picture runs."""
    await until(
        lambda: log_of(page), lambda log: log.samples and log.samples[-1].height == FULL_HEIGHT, "the full picture", 60
    )


def shape(mbit: float) -> Shape:
    return Shape(rate_bps=int(mbit * 1e6), delay_ms=DELAY_MS)


async def one_round(
    page: Page, url: str, link: ImpairedLink, *, mbit: tuple[float, float], phases: Sequence[float], source: str
) -> Round:
    wide, narrow = map(shape, mbit)
    link.shape(wide)
    await page.goto(url)
    await settled(page)
    await asyncio.sleep(phases[0])
    link.shape(narrow)
    narrow_ms = time.time() * 1_000
    await asyncio.sleep(phases[1])
    link.shape(wide)
    wide_ms = time.time() * 1_000
    await asyncio.sleep(phases[2])
    return Round(await log_of(page), narrow_ms, wide_ms, HEIGHTS[source], mbit)


@asynccontextmanager
async def behind_a_link(source: str, code: Code | None) -> AsyncIterator[tuple[Browser, str, ImpairedLink]]:
    """A Chromium behind a link, and the address of a page there that watches the stream, until the end of the block."""
    server = own_address()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        playwright = await stack.enter_async_context(async_playwright())
        running = await stack.enter_async_context(cluster(folder, as_shipped=True, code=code or Code()))
        link = await stack.enter_async_context(impaired_link(Shape(delay_ms=DELAY_MS), server=server))
        await stack.enter_async_context(published(source, playwright, running, folder))
        behind = browser(playwright, *flags(server), executable=wrapper(folder, link))
        viewer = await stack.enter_async_context(behind)
        yield viewer, f"http://{server}:{running.first_port}/{APP}/watch.html?id={STREAM}", link


@asynccontextmanager
async def watching_page(viewer: Browser) -> AsyncIterator[Page]:
    """A new page that will note what it gets, until the end of the block."""
    page = await viewer.new_page()
    try:
        await page.add_init_script(path=HERE / "viewer_log.js")
        yield page
    finally:
        await page.close()


async def run(
    source: str, rounds: int, mbit: tuple[float, float], phases: Sequence[float], code: Code | None = None
) -> list[Round]:
    done = []
    async with behind_a_link(source, code) as (viewer, url, link):
        for _ in range(rounds):
            async with watching_page(viewer) as page:
                done.append(await one_round(page, url, link, mbit=mbit, phases=phases, source=source))
    return done


def draw(seen: Round, path: Path) -> None:
    """Rendition, received bit rate and jitter buffer over time."""
    samples = seen.log.samples
    begun = seen.narrow_ms - 10_000
    shown = [sample for sample in samples if sample.at_ms >= begun]
    at = [(sample.at_ms - seen.narrow_ms) / 1_000 for sample in shown]
    figure, (top, middle, bottom) = plt.subplots(3, 1, sharex=True, figsize=(9, 6.5), layout="constrained")
    top.step(at, [sample.height for sample in shown], where="post", color="#1a5fb4")
    top.set_yticks(seen.heights, [f"{height}p" for height in seen.heights])
    top.set_ylabel("picture")
    rates, buffers = [], []
    for i, sample in enumerate(shown):
        past = shown[max(0, i - 10)]
        seconds = (sample.at_ms - past.at_ms) / 1_000
        rates.append((sample.bytes - past.bytes) * 8 / seconds / 1e6 if seconds else 0.0)
        emitted = sample.emitted - past.emitted
        buffers.append((sample.waited_s - past.waited_s) / emitted * 1_000 if emitted else float("nan"))
    middle.plot(at, rates, color="#26a269", label="received")
    up_at = (seen.wide_ms - seen.narrow_ms) / 1_000
    wide, narrow = seen.mbit
    limits = [wide, narrow, wide, wide]
    middle.step([at[0], 0, up_at, at[-1]], limits, where="post", color="#777", linestyle="--", label="link")
    middle.set_ylabel("Mbit/s")
    middle.legend(loc="upper right")
    bottom.plot(at, buffers, color="#c64600")
    bottom.set_ylabel("jitter buffer, ms")
    bottom.set_xlabel(f"seconds since the link fell to {narrow:g} Mbit/s")
    for axes in (top, middle, bottom):
        axes.axvspan(0, up_at, color="#f6f5f4")
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def median(values: Sequence[float]) -> float:
    """Of those that are numbers."""
    return statistics.median([value for value in values if not math.isnan(value)] or [float("nan")])


def report(source: str, rounds: Sequence[Round]) -> Table:
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    wide, narrow = rounds[0].mbit
    links = f"{wide:g} → {narrow:g} → {wide:g} Mbit/s"
    table = Table(title=f"{source}, {links}, {os.cpu_count()} CPUs, load {load}", title_justify="left")
    columns = ("round", "down, s", "up, s", "switches", "freezes", "frozen, s", "longest, s", "sound invented")
    for column in (*columns, "negotiations"):
        table.add_column(column, justify="left" if column == "round" else "right")
    for number, seen in enumerate(rounds, 1):
        freezes, frozen_s = seen.frozen()
        table.add_row(
            *(str(number), f"{seen.down_s():.1f}", f"{seen.up_s():.1f}", str(seen.switches()), str(freezes)),
            *(f"{frozen_s:.1f}", f"{seen.log.longest_freeze_s(seen.narrow_ms):.2f}"),
            *(f"{100 * seen.sound_lost():.1f} %", str(seen.log.negotiations)),
        )
    downs, ups = (median([value(seen) for seen in rounds]) for value in (Round.down_s, Round.up_s))
    table.caption = f"medians: down {downs:.1f} s, up {ups:.1f} s"
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.abr", description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=tuple(HEIGHTS), default="simulcast")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--mbit", type=float, nargs=2, default=MBIT, help="what the link takes when it is wide and not")
    parser.add_argument(
        "--phases", type=float, nargs=3, default=(15, 40, 50), help="seconds wide, narrow and wide again"
    )
    parser.add_argument("--code", help="the folder or the revision that is measured; default: this one")
    parser.add_argument("--plot", type=Path, help="draws the first round there")
    parser.add_argument("--json", type=Path, help="keeps what was seen there")
    options = parser.parse_args()
    wide, narrow = options.mbit
    with ExitStack() as stack:
        code = stack.enter_context(code_of(options.code)) if options.code else None
        rounds = asyncio.run(run(options.source, options.rounds, (wide, narrow), options.phases, code))
    Console().print(report(options.source, rounds))
    if options.plot:
        draw(rounds[0], options.plot)
    if options.json:
        options.json.write_bytes(msgspec.json.encode(rounds))


if __name__ == "__main__":
    main()
