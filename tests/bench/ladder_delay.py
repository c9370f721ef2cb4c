"""From glass to glass through the ladder: `python -m tests.bench.ladder_delay`.

Publishes a painted 720p30 picture in VP8 with Ant Media's SDK, and reads its clock in two viewers in turns: one takes
the source, the other has H.264 only and so the 720p rung. With `--busy N`, again while N processes waste the CPU, and
once more after them: what stays behind then is a standing lag. Prints Markdown; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import msgspec
from playwright.async_api import async_playwright

from tests.bench.joins import SETTLE_FRAMES, STREAM, measure, quantile
from tests.bench.machine import QUIET_CORES, Others
from tests.bench.tables import table
from tests.e2e.browser import Stranger, Strangers, bundle_clients, chromium, website
from tests.e2e.cluster import Cluster, cluster, until

SETTINGS = {"encoderSettings": [{"height": 720, "videoBitrate": 1_500_000, "forceEncode": False}]}
RUNG = "H264"
VIEWERS = {"VP8": "the source, VP8", RUNG: "the 720p rung, H.264"}

KEEP = """() => {
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) { super(...args); window.measured = this; }
  };
}"""
BUFFER = """async () => {
  const video = [...(await window.measured.getStats()).values()].find((s) => s.type === "inbound-rtp" && s.kind === "video");
  return Object.fromEntries(
    ["jitterBufferEmittedCount", "jitterBufferDelay", "jitterBufferTargetDelay", "jitterBufferMinimumDelay"]
      .map((name) => [name, video[name] ?? 0]));
}"""  # noqa: E501


class Buffer(msgspec.Struct, frozen=True, rename="camel"):
    """A browser's jitter buffer of the picture; seconds, summed over all frames."""

    jitter_buffer_emitted_count: int
    jitter_buffer_delay: float
    jitter_buffer_target_delay: float
    jitter_buffer_minimum_delay: float


class Reading(msgspec.Struct, frozen=True):
    """One viewer in one phase."""

    phase: str
    codec: str
    delays_ms: list[float]
    buffer_ms: float
    """Mean time in the jitter buffer."""
    lip_sync_ms: float
    """What the browser wanted to hold the picture back for, beyond what jitter needs: to wait for the sound."""


class Viewer:
    """A page that watches in one codec."""

    def __init__(self, page: Stranger, codec: str) -> None:
        self._page, self._codec = page, codec

    async def start(self, url: str) -> None:
        await self._page.page.evaluate(KEEP)
        await self._page.call("whepPlay", url=url, codec=self._codec)
        await self._page.until(lambda seen: seen.frames_decoded > SETTLE_FRAMES, "the picture settled")
        seen = await self._page.observe()
        assert seen.first is not None
        assert (seen.first.video_codec, seen.picture.height) == (f"video/{self._codec}", 720), str(seen)

    async def delays(self, seconds: float) -> list[float]:
        found: list[float] = (await measure(self._page, "delays", forMs=seconds * 1_000))["delays"]
        return found

    async def buffer(self) -> Buffer:
        return msgspec.convert(await self._page.page.evaluate(BUFFER), Buffer)


def reading(phase: str, codec: str, delays_ms: list[float], before: Buffer, after: Buffer) -> Reading:
    frames = max(1, after.jitter_buffer_emitted_count - before.jitter_buffer_emitted_count)
    target_s = after.jitter_buffer_target_delay - before.jitter_buffer_target_delay
    minimum_s = after.jitter_buffer_minimum_delay - before.jitter_buffer_minimum_delay
    waited_s = after.jitter_buffer_delay - before.jitter_buffer_delay
    return Reading(phase, codec, delays_ms, waited_s / frames * 1000, (target_s - minimum_s) / frames * 1000)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many waste the CPU until the end of the block."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


async def read(viewers: dict[str, Viewer], phase: str, seconds: float, rounds: int) -> list[Reading]:
    """Both stay open: both are read under the same load."""
    before = {codec: await viewer.buffer() for codec, viewer in viewers.items()}
    delays: dict[str, list[float]] = {codec: [] for codec in viewers}
    for _ in range(rounds):
        for codec, viewer in viewers.items():
            delays[codec] += await viewer.delays(seconds)
    return [reading(phase, codec, delays[codec], before[codec], await v.buffer()) for codec, v in viewers.items()]


async def watch(running: Cluster, strangers: Strangers, options: argparse.Namespace) -> str:
    async with AsyncExitStack() as stack:
        viewers = {codec: Viewer(await stack.enter_async_context(strangers.open()), codec) for codec in VIEWERS}
        for viewer in viewers.values():
            await viewer.start(running.whep(STREAM))
        phases = [("", 0)]
        if options.busy:
            phases = [("before", 0), (f"{options.busy} busy processes", options.busy), ("after them", 0)]
        rows = []
        for phase, processes in phases:
            others = Others()
            with busy(processes):
                found = await read(viewers, phase, options.seconds, options.rounds)
            rows += [row(entry, others.cores()) for entry in found]
    heads = ("", "p5", "p50", "p95", "n", "jitter buffer", "held for lip sync", "load", "others, cores")
    title = f"Glass to glass, ms; {os.cpu_count()} CPUs; `python -m tests.bench.ladder_delay {' '.join(sys.argv[1:])}`"
    return f"{title}\n\n{table(heads, rows)}"


def row(found: Reading, others: float) -> tuple[str, ...]:
    shares = [f"{quantile(found.delays_ms, share):.0f}" if found.delays_ms else "–" for share in (0.05, 0.5, 0.95)]
    return (
        ", ".join(part for part in (VIEWERS[found.codec], found.phase) if part),
        *shares,
        str(len(found.delays_ms)),
        f"{found.buffer_ms:.0f}",
        f"{found.lip_sync_ms:.0f}",
        f"{os.getloadavg()[0]:.1f}",
        f"{others:.2f}{' (quiet)' if others <= QUIET_CORES else ''}",
    )


async def run(options: argparse.Namespace) -> str:
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
        await running.request("POST", f"{running.base}/rest/v2/applications/settings/LiveApp", json=SETTINGS)
        publisher = await stack.enter_async_context(strangers.open(camera=True))
        await publisher.call("encodesOnly", codec="VP8")
        await measure(publisher, "publish", url=running.websocket(), stream=STREAM)
        await until(lambda: running.stream(STREAM), lambda entry: entry and RUNG in entry.codecs, "the rung is there")
        return await watch(running, strangers, options)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ladder_delay", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of them, source and rung in turns")
    parser.add_argument("--busy", type=int, default=0, help="processes that waste the CPU in a second phase")
    print(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
