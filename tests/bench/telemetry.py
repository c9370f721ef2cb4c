"""What telemetry costs, in CPU time of the servers' processes: all of it on against all of it off.

    python -m tests.bench.telemetry                     # joins, then packets; seven minutes
    python -m tests.bench.telemetry --only packets --viewers 200
    python -m tests.bench.telemetry --only joins --rounds 30
    python -m tests.bench.telemetry --calibrate         # both clusters without: how much of it is noise

Two clusters of the same code run on one CPU, and have the same clients in the same seconds. In one of them no metric
counts, no span is made and nothing is logged. The other one is as it is shipped, and its nodes are scraped each five
seconds, in OpenMetrics, while packets are measured. Joins are measured as by `tests.bench.join_cost`. Packets: viewers
by WHEP watch one stream, and the edge's CPU time is divided by the packets that they got. What the media threads use is
told apart: telemetry has no part in it but totals that each of them keeps. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
from rich.console import Console

from rillcast.load.run import Phase, Plan, Report, Run
from rillcast.testing.eventually import within
from tests.bench.join_cost import KINDS, Crowd, compare, table
from tests.bench.machine import ROOT, Others, halves, keep_on, thread_times
from tests.bench.watching import APP, publishing, roles_of
from tests.e2e.cluster import Cluster, Code, cluster

STREAM = "watched"
SCRAPE_S = 5.0
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
SETTLE_S = 5.0


class Reading(msgspec.Struct, frozen=True):
    """Of one edge and its viewers."""

    loop_s: float
    media_s: float
    others_s: float
    """Of other threads: those that answer a scrape, and the one that sends traces."""
    packets: int

    def since(self, before: Reading) -> dict[str, float]:
        """CPU microseconds for each packet that reached a viewer."""
        packets = max(1, self.packets - before.packets)
        parts = {
            "event loop": self.loop_s - before.loop_s,
            "media threads": self.media_s - before.media_s,
            "other threads": self.others_s - before.others_s,
        }
        parts |= {"all": sum(parts.values()), "all but media threads": parts["event loop"] + parts["other threads"]}
        return {part: used * 1e6 / packets for part, used in parts.items()}


class Watched:
    """One cluster whose stream is watched."""

    def __init__(self, running: Cluster) -> None:
        self._running = running
        self._pids = [process.pid for process in roles_of(running)["edge"]]
        self._report = Report()
        self.steady = asyncio.Event()

    async def watch(self, viewers: int) -> None:
        """Until it is cancelled."""
        url = self._running.whep(STREAM, APP)
        plan = Plan(url=url, count=viewers, rate=50, seconds=86_400, settle_s=SETTLE_S)
        await Run(plan, publishing=False).run(self._progress)

    def read(self) -> Reading:
        """Now."""
        loop = media = others = 0.0
        for name, is_first, used_s in (thread for pid in self._pids for thread in thread_times(pid)):
            if is_first:
                loop += used_s
            elif name.startswith("media-"):
                media += used_s
            else:
                others += used_s
        return Reading(loop, media, others, self._report.packets)

    def _progress(self, phase: str, begun: int, report: Report) -> None:
        self._report = report
        if phase == Phase.STEADY:
            self.steady.set()


async def packets(codes: Sequence[Code], options: argparse.Namespace, console: Console) -> None:
    """Prints a table. Its rounds are of five seconds, in which each node of the second cluster is scraped once."""
    viewers = options.viewers
    async with AsyncExitStack() as stack:
        cpus = stack.enter_context(halves())
        sides = []
        for code in codes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running = await stack.enter_async_context(cluster(folder, code=code, as_shipped=True))
            url = running.whip("", APP)
            plan = Plan(url=url, stream=STREAM, seconds=86_400, video_bps=options.video_bps)
            await stack.enter_async_context(publishing(running, plan))
            if code is codes[-1] and not options.calibrate:
                await stack.enter_async_context(scraped(running))
            keep_on(running.processes(), cpus.subject)
            sides.append(Watched(running))
        others = Others()
        watching = [asyncio.create_task(side.watch(viewers)) for side in sides]
        try:
            async with within(60, "viewers at both clusters"):
                await asyncio.gather(*(side.steady.wait() for side in sides))
            figures: list[list[dict[str, float]]] = [[], []]
            for _ in range(options.rounds):
                before = [side.read() for side in sides]
                await asyncio.sleep(SCRAPE_S)
                for side, past, each in zip(sides, before, figures, strict=True):
                    each.append(side.read().since(past))
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        used = [part for part in figures[0][0] if all(one[part] > 0 for one in figures[0])]
        rows = [(part, [one[part] for one in figures[0]], [one[part] for one in figures[1]]) for part in used]
        console.print(table(f"{viewers} viewers, the edge's CPU for each packet, µs (base: off, change: on)", rows))
        load = " ".join(f"{minutes:.1f}" for minutes in os.getloadavg())
        console.print(f"Others used {others.cores():.2f} cores meanwhile. Load: {load}.")


@asynccontextmanager
async def scraped(running: Cluster) -> AsyncIterator[None]:
    """Every node is asked for its metrics as Prometheus does."""
    addresses = [report.info.admin_address for report in (await running.status()).nodes]

    async def scrape() -> None:
        async with httpx.AsyncClient(trust_env=False, headers={"Accept": ACCEPT}) as client:
            while True:
                for address in addresses:
                    (await client.get(f"http://{address}/metrics")).raise_for_status()
                await asyncio.sleep(SCRAPE_S)

    task = asyncio.create_task(scrape())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def collector() -> AsyncIterator[str]:
    """Takes whatever is sent by OTLP/HTTP, and forgets it. Its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").lower().split("\r\n")
                length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


def sides(endpoint: str) -> tuple[Code, Code]:
    """The same code without telemetry and with it. `endpoint`: of a collector; empty without one."""
    up = str(ROOT / "tests/bench/changed_up.py")
    off = replace(
        Code(), up=(up, "--muted", "--set", "RILLCAST_TRACE_SPANS=0", "--set", "RILLCAST_LOG_LEVEL=error", "--")
    )
    return off, replace(Code(), up=(up, "--set", f"RILLCAST_OTLP_ENDPOINT={endpoint}", "--"))


async def measure(options: argparse.Namespace, console: Console) -> None:
    """What was asked for, one after the other."""
    async with collector() as endpoint:
        off, on = sides(endpoint if options.export else "")
        codes = (off, replace(off) if options.calibrate else on)
        if "joins" in options.only:
            crowds = [Crowd(kind=kind, count=80, rate=100.0, leave_rate=100.0) for kind in options.kinds]
            await compare(codes, crowds, options.rounds, console, {})
        if "packets" in options.only:
            await packets(codes, options, console)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("joins", "packets"), default=("joins", "packets"))
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=("whep", "websocket"))
    parser.add_argument("--export", action="store_true", help="send every trace to a collector as well")
    parser.add_argument("--calibrate", action="store_true", help="all off on both sides: what the machine adds itself")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--viewers", type=int, default=100, help="of each cluster")
    parser.add_argument("--video-bps", type=int, default=1_500_000)
    asyncio.run(measure(parser.parse_args(), Console(width=100)))


if __name__ == "__main__":
    main()
