"""How far sound and picture are apart for viewers who are shown a backup, and then their publisher again.

    python -m tests.bench.lip_sync --rounds 5 --page docs/benchmarks/lip-sync.md

Two ffmpeg publish a picture that flashes when the sound beeps, once a second. Chromium watches one of them by the SDK
and by WHEP. That publisher is frozen, so that the other one stands in for it, and goes on after a while. In each round
this is done at once with a backup whose wall clock is the same, and with backups whose clocks are off. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import imageio_ffmpeg
import msgspec
from playwright.async_api import Error, async_playwright

from tests.bench.lip_sync_report import CLIENTS, Log, Seen, Times, page, rows, text
from tests.e2e.browser import Observation, Stranger, Strangers, bundle_clients, chromium, website
from tests.e2e.cluster import Cluster, cluster, until
from tests.e2e.publishers import ffmpeg_whip, killed
from tests.e2e.test_backup import frozen
from tests.e2e.wall_clock import WallClocks

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "lip_sync.js"
OFF_S = (0.0, 2.5, -40.0)
PHASES_S = (30.0, 25.0, 40.0)
"""Before, frozen, after. An association ends when nothing has come for 30 s, and ffmpeg makes no other."""
SHOW, SLATE = (320, 180), (256, 144)
FLASHING = "gte(mod(t,1),{since})*lt(mod(t,1),{since}+0.1)"
COLOURS = ("white", "red", "lime", "blue")


async def make_source(path: Path, size: tuple[int, int], seconds: float) -> Path:
    """A file long enough never to begin anew: a flash of 0.1 s and a beep at each half second after a full one."""
    paint = ",".join(
        f"drawbox=c={colour}:t=fill:enable='{FLASHING.format(since=0.49)}*eq(floor(mod(t,4)),{number})'"
        for number, colour in enumerate(COLOURS)
    )
    beep = f"0.5*sin(2*PI*600*(1+floor(mod(t,4)))*t)*{FLASHING.format(since=0.5)}"
    await ffmpeg(
        *("-y", "-f", "lavfi", "-t", f"{seconds:g}", "-i", f"color=c=black:size={size[0]}x{size[1]}:rate=30,{paint}"),
        *("-f", "lavfi", "-t", f"{seconds:g}", "-i", f"aevalsrc=exprs='{beep}':s=48000"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"),
        *("-pix_fmt", "yuv420p", "-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-b:v", "300k"),
        *("-c:a", "libopus", "-ac", "2", str(path)),
    )
    return path


async def apart_in_file_ms(path: Path) -> float:
    """The most that a flash of the file is from its beep, by the timestamps of what is decoded."""
    grey = await ffmpeg("-t", "20", "-i", str(path), "-vf", "scale=1:1,format=gray", "-f", "rawvideo", "-")
    sound = await ffmpeg(
        *("-t", "20", "-i", str(path), "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "48000"),
        *("-f", "s16le", "-"),
    )
    bright = [at / 30 for at in range(1, len(grey)) if grey[at] > 8 >= grey[at - 1]]
    loud = [at / 48_000 for at, value in enumerate(memoryview(sound).cast("h")) if abs(value) > 3_277]
    beeps = [loud[0], *(after for before, after in itertools.pairwise(loud) if after - before > 0.3)]
    return max(abs(flash - beep) for flash, beep in zip(bright, beeps, strict=True)) * 1_000


async def ffmpeg(*words: str) -> bytes:
    """What it writes."""
    process = await asyncio.create_subprocess_exec(
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *words), stdout=asyncio.subprocess.PIPE
    )
    written, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"ffmpeg ended with {process.returncode}")
    return written


def evenly(command: Sequence[str]) -> tuple[str, ...]:
    """It goes on where it was frozen. By itself, ffmpeg sends 1.05 s of media in each second until it has caught up,
    and a browser's picture does not follow that."""
    at = command.index("-re") + 1
    return (*command[:at], "-readrate_catchup", "1", *command[at:])


def with_clock(clocks: WallClocks, name: str, command: Sequence[str]) -> tuple[str, ...]:
    """The command with a wall clock of its own."""
    settings = {**clocks.settings, "BENCH_NODE_ID": name}
    return ("/usr/bin/env", *(f"{key}={value}" for key, value in settings.items()), *command)


async def log_of(viewer: Stranger) -> Log:
    return msgspec.convert(await viewer.page.evaluate("window.lipSync"), Log)


class Bench:
    """A cluster and a browser, for all rounds."""

    def __init__(self, running: Cluster, strangers: Strangers, folder: Path, phases_s: Sequence[float]) -> None:
        self._running, self._strangers, self._folder, self._phases_s = running, strangers, folder, phases_s
        self._sources: dict[tuple[int, int], Path] = {}
        self.apart_in_file_ms = 0.0

    async def prepare(self) -> None:
        for size in (SHOW, SLATE):
            path = self._folder / f"{size[0]}.mkv"
            self._sources[size] = await make_source(path, size, sum(self._phases_s) + 90)
            self.apart_in_file_ms = max(self.apart_in_file_ms, await apart_in_file_ms(path))

    async def one(self, number: int, off_s: float, clocks: WallClocks) -> list[Seen]:
        """One publisher, its backup, and its viewers."""
        stream = f"lips-{number}-{OFF_S.index(off_s) if off_s in OFF_S else 9}"
        slate = f"{stream}-slate"
        show_command = evenly(ffmpeg_whip(self._sources[SHOW], self._running.whip(stream)))
        slate_command = evenly(ffmpeg_whip(self._sources[SLATE], self._running.whip(slate)))
        slate_command = with_clock(clocks, f"{off_s:g}", slate_command) if off_s else slate_command
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            publisher = await enter(killed(*show_command, log=self._folder / f"{stream}.log"))
            await enter(killed(*slate_command, log=self._folder / f"{slate}.log"))
            await asyncio.gather(self._running.live(stream), self._running.live(slate))
            url = f"{self._running.base}/LiveApp/rest/v2/broadcasts/{stream}"
            (await self._running.request("PUT", url, json={"backupStreamId": slate})).raise_for_status()
            viewers = [await enter(self._strangers.open(scripts=[SCRIPT])) for _ in CLIENTS]
            by_sdk, by_whep = viewers
            await by_sdk.call("sdkPlay", url=self._running.websocket(), stream=stream)
            await until(lambda: plays(by_whep, self._running.whep(stream)), bool, "the viewer by WHEP is taken")
            await asyncio.gather(*(shows(viewer, SHOW[0]) for viewer in viewers))
            before, during, after = self._phases_s
            await asyncio.sleep(before)
            times = [await now_ms(viewer) for viewer in viewers]
            with frozen(publisher):
                await asyncio.sleep(during)
            back = [await now_ms(viewer) for viewer in viewers]
            await asyncio.sleep(after)
            if publisher.returncode is not None:
                raise RuntimeError(f"the publisher of {stream} ended")
            pairs = zip(CLIENTS, viewers, times, back, strict=True)
            return [
                Seen(client, number, off_s, Times(frozen_ms, back_ms), await log_of(viewer))
                for client, viewer, frozen_ms, back_ms in pairs
            ]


async def plays(viewer: Stranger, url: str) -> bool:
    """False where no edge takes it, as it may be on a busy machine."""
    try:
        await viewer.call("whepPlay", url=url)
    except Error as refused:
        if "status 503" not in str(refused):
            raise
        return False
    return True


async def now_ms(viewer: Stranger) -> float:
    return float(await viewer.page.evaluate("performance.now()"))


async def shows(viewer: Stranger, width: int) -> Observation:
    return await until(viewer.observe, lambda seen: seen.picture.width == width, f"a picture {width} wide")


@asynccontextmanager
async def bench(folder: Path, phases_s: Sequence[float]) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        site = folder / "site"
        site.mkdir()
        await bundle_clients(site)
        address = stack.enter_context(website(site))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await stack.enter_async_context(chromium(playwright, camera=False))
        running = await stack.enter_async_context(cluster(folder))
        made = Bench(running, Strangers(browser, browser, address), folder, phases_s)
        await made.prepare()
        yield made


async def run(
    rounds: int, offs_s: Sequence[float], phases_s: Sequence[float], *, keep: bool
) -> tuple[list[Seen], float]:
    """All rounds, and how far sound and picture are apart in the file. `keep`: the logs of all processes stay."""
    found: list[Seen] = []
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp()) if keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clocks = WallClocks(folder, [f"{off_s:g}" for off_s in offs_s])
        for off_s in offs_s:
            clocks.jump(off_s, f"{off_s:g}")
        async with bench(folder, phases_s) as made:
            for number in range(1, rounds + 1):
                done = await asyncio.gather(
                    *(made.one(number, off_s, clocks) for off_s in offs_s), return_exceptions=True
                )
                for one in done:
                    if isinstance(one, BaseException):
                        print(f"round {number}: {one!r}")
                    else:
                        found += one
                        print(text(one), flush=True)
            return found, made.apart_in_file_ms


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lip_sync", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--off", type=float, nargs="+", default=OFF_S, help="seconds that backups' clocks are off")
    parser.add_argument("--phases", type=float, nargs=3, default=PHASES_S, help="seconds before, frozen and after")
    parser.add_argument("--page", type=Path, help="writes the figures there")
    parser.add_argument("--keep", action="store_true", help="leaves the logs of all processes in /tmp")
    parser.add_argument("--json", type=Path, help="keeps what was seen there")
    options = parser.parse_args()
    load = os.getloadavg()
    found, in_file_ms = asyncio.run(run(options.rounds, options.off, options.phases, keep=options.keep))
    if options.json:
        options.json.write_bytes(msgspec.json.encode(found))
    print(rows(found))
    if options.page:
        command = " ".join(["python -m tests.bench.lip_sync", *sys.argv[1:]])
        options.page.write_text(page(found, command, options.phases, in_file_ms, (load, os.getloadavg())))


if __name__ == "__main__":
    main()
