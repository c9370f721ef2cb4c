"""What viewers notice of a publisher with old keyframes that makes none when asked, and of a layer that stops.

    python -m tests.bench.field --joins 10

ffmpeg sends a file by WHIP without encoding, so that nobody can have a keyframe before the file's next one. Viewers
join one after the other, at any age of the newest keyframe. Then Chromium sends simulcast, stops the highest layer, and
the longest time is taken for which another Chromium presents no new frame. Prints the figures; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import async_playwright

from rillcast.load.run import Plan, Run
from tests.e2e.browser import Strangers, bundle_clients, chromium, website
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.publishers import ffmpeg_whip, make_source, running

INTERVALS_S = (2, 4, 8, 10)
WATCH_S = 1
"""Of each viewer: no multiple of an interval, together with a join."""
STILL = """() => {
  const video = document.getElementById("remote");
  let last = performance.now();
  window.stillMs = 0;
  const shown = () => {
    const now = performance.now();
    window.stillMs = Math.max(window.stillMs, now - last);
    last = now;
    video.requestVideoFrameCallback(shown);
  };
  video.requestVideoFrameCallback(shown);
}"""


async def joins(here: Cluster, folder: Path, interval_s: int, count: int) -> list[float]:
    """Milliseconds from asking to the first packet of a keyframe, of each viewer."""
    stream = f"field-{interval_s}"
    source = await make_source(folder, keyframe_s=interval_s)
    first_ms = []
    async with running(*ffmpeg_whip(source, here.whip(stream)), log=folder / f"{stream}.log"):
        await here.live(stream)
        for _ in range(count):
            viewer = Run(Plan(url=here.whep(stream), count=1, seconds=WATCH_S), publishing=False)
            first_ms.append((await viewer.run(lambda *_: None)).first_keyframe_ms.max)
    return first_ms


async def stills(here: Cluster, strangers: Strangers, count: int) -> list[float]:
    """Milliseconds for which the picture stands still when its layer stops."""
    stream, found = "field-layers", []
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("simulcastPublish", url=here.whip(stream))
        await viewer.call("sdkPlay", url=here.websocket(), stream=stream)
        await viewer.until_watching(audio=False)
        for _ in range(count):
            await viewer.until(lambda now: now.picture.height == 720, "the best layer")
            await viewer.until_frames_go_on()
            await viewer.page.evaluate(STILL)
            await publisher.call("whipLayer", rid="h", active="no")
            await viewer.until(lambda now: now.picture.height < 720, "another layer")
            await viewer.until_frames_go_on()
            found.append(float(await viewer.page.evaluate("window.stillMs")))
            await publisher.call("whipLayer", rid="h", active="yes")
    return found


def line(name: str, values: list[float]) -> str:
    ordered = sorted(values)
    least, median, most = (f"{value:6.0f}" for value in (ordered[0], ordered[len(ordered) // 2], ordered[-1]))
    return f"{name:<45}{least} {median} {most}   ({len(ordered)})"


async def run(count: int, layers: int) -> None:
    """Prints each line as soon as it is known."""
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; in ms:{'':13} least median   most  (of)", flush=True)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        here = await stack.enter_async_context(cluster(folder, as_shipped=True))
        for interval_s in INTERVALS_S:
            found = await joins(here, folder, interval_s, count)
            print(line(f"keyframe each {interval_s} s: join to keyframe", found), flush=True)
        if layers:
            await bundle_clients(folder)
            site = stack.enter_context(website(folder))
            playwright = await stack.enter_async_context(async_playwright())
            strangers = Strangers(
                await stack.enter_async_context(chromium(playwright, camera=True)),
                await stack.enter_async_context(chromium(playwright, camera=False)),
                site,
            )
            print(line("layer stops: still picture", await stills(here, strangers, layers)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.field", description=__doc__.splitlines()[0])
    parser.add_argument("--joins", type=int, default=10, help="at each interval of keyframes")
    parser.add_argument("--layers", type=int, default=3, help="how often the layer stops")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # takes down what was started, as Ctrl-C does
    asyncio.run(run(options.joins, options.layers))


if __name__ == "__main__":
    main()
