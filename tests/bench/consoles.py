"""What consoles cost a signaling instance by real sockets, and what becomes of those that read nothing.

    python -m tests.bench.consoles                       # 1, 100 and 500 consoles, 20 of which then stop reading
    python -m tests.bench.consoles --consoles 500 --seconds 30

One process is a signaling instance with its real listener and its real feed, in which 40 hollow nodes say something new
each second. This process opens the sockets. The figures are of the other process: its share of one core (without what
it costs to make the changes, which is measured first), its resident memory, and how late the last console hears of a
change. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from contextlib import suppress

import psutil
from prometheus_client import REGISTRY

from tests.e2e.restless import hollow_edge
from tests.integration.signaling.wire import wire_cluster

EDGES = 40
AT_MS = re.compile(rb'"at_ms":(\d+)')


async def serve(most: int) -> None:
    """Answer until the input ends. A line that comes in is answered by figures."""
    async with wire_cluster(max_consoles=most) as c:
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        print(json.dumps({"port": c.port, "headers": c.credentials}), flush=True)

        async def change() -> None:
            moment = 0
            while True:
                moment += 1
                for number in range(EDGES):
                    c.host.directory.heard(hollow_edge(number, moment))
                await asyncio.sleep(1.0)

        changing = asyncio.create_task(change())
        while await lines.readline():
            figures = {
                name: REGISTRY.get_sample_value(f"rillcast_signaling_{name}", labels) or 0.0
                for name, labels in (
                    ("consoles", {}),
                    ("consoles_cut_total", {"reason": "not_taken"}),
                    ("places_refused_total", {"place": "live", "why": "full"}),
                )
            }
            print(json.dumps(figures), flush=True)
        changing.cancel()


class Console:
    """One socket. It reads until it is told not to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.late_ms: list[float] = []
        self.taken = 0
        self.ended = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, port: int, head: bytes) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=2_048)
        self._writer.write(head)
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(1_024 if not self.reads.is_set() else 65_536):
                self.taken += len(data)
                if found := AT_MS.search(data):
                    self.late_ms.append(time.time() * 1_000 - int(found[1]))
                await self.reads.wait()
        self.ended.set()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


async def measure(steps: list[int], slow: int, seconds: float) -> None:  # noqa: PLR0915 - one story
    """Print it all."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.consoles", "--serve", "--consoles", str(max(steps))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    told = json.loads(await server.stdout.readline())
    shown = "".join(f"{name}: {value}\r\n" for name, value in told["headers"].items())
    head = f"GET /rillcast/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{told['port']}\r\n{shown}\r\n".encode()
    process = psutil.Process(server.pid)

    async def figures() -> dict[str, float]:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"\n")
        found: dict[str, float] = json.loads(await server.stdout.readline())
        return found

    async def cpu() -> float:
        times, began = process.cpu_times(), time.perf_counter()
        await asyncio.sleep(seconds)
        now = process.cpu_times()
        return (now.user + now.system - times.user - times.system) / (time.perf_counter() - began)

    consoles: list[Console] = []
    running: list[asyncio.Task[None]] = []

    async def open_to(many: int) -> None:
        while len(consoles) < many:
            consoles.append(Console())
            running.append(asyncio.create_task(consoles[-1].run(told["port"], head)))
            if len(consoles) % 20 == 0:
                await asyncio.sleep(0.2)
        await asyncio.sleep(5.0)
        for one in consoles:
            one.late_ms.clear()

    await asyncio.sleep(3.0)
    nothing = await cpu()
    print(f"{EDGES} nodes that change each second; without a console: {100 * nothing:.1f} % of one core\n")
    print("| consoles | of one core | for each console | resident memory | late, median | late, the worst |")
    print("|---|---|---|---|---|---|")
    for many in steps:
        await open_to(many)
        share = await cpu() - nothing
        late = sorted(value for one in consoles for value in one.late_ms) or [0.0]
        print(
            f"| {many} | {100 * share:.1f} % | {1e6 * share / many:.0f} µs/s "
            f"| {process.memory_info().rss / 1e6:.0f} MB | {late[len(late) // 2]:.0f} ms | {late[-1]:.0f} ms |",
            flush=True,
        )
    refused = Console()
    await refused.run(told["port"], head)
    print(f"\nOne console more is refused: {(await figures())['places_refused_total']:.0f} counted.")

    stalled, others = consoles[:slow], consoles[slow:]
    memory, began = process.memory_info().rss, time.perf_counter()
    for one in stalled:
        one.reads.clear()
    for one in others:
        one.late_ms.clear()
    cut = 0.0
    while cut < slow and time.perf_counter() - began < 900:
        await asyncio.sleep(1.0)
        cut = (await figures())["consoles_cut_total"]
    late = sorted(value for one in others for value in one.late_ms) or [0.0]
    print(
        f"{cut:.0f} of {slow} that read nothing were ended {time.perf_counter() - began:.0f} s later; memory grew by "
        f"{(process.memory_info().rss - memory) / 1e6:.1f} MB; the others were told {late[len(late) // 2]:.0f} ms "
        f"(median) and {late[-1]:.0f} ms (at most) late meanwhile."
    )
    for one in consoles:
        one.reads.set()
        one.close()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    server.stdin.close()
    await server.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--consoles", type=int, default=500)
    parser.add_argument("--slow", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.consoles))
    else:
        wanted = sorted({1, min(100, given.consoles), given.consoles})
        asyncio.run(measure(wanted, min(given.slow, given.consoles), given.seconds))
