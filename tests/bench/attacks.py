"""What the attacks of docs/attacks.md come to, on a whole cluster.

    python -m tests.bench.attacks                              # all of them: less than five minutes
    python -m tests.bench.attacks --only heads,nacks

`rillcast up` is started with 1,024 open files, as many shells have them, and ffmpeg publishes. Each attack comes from
one address, by a process of its own, and is subject to the limits of an address. Another address asks meanwhile for a
page, each time on a new connection, as soon as it is answered and 20 ms are over: shown are the worst wait without and
with the attack, and how many were served meanwhile. The memory is that of the node under attack: before, at most, and
some seconds after. Prints one table; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import eventually
from tests.bench import attack_media
from tests.bench.floods import Prober, Waits, memory_mb, process
from tests.bench.machine import ROOT
from tests.e2e.cluster import Cluster, cluster, process_of
from tests.e2e.publishers import ffmpeg_whip, make_source, running

STREAM = "real"
OPEN_FILES = 1_024
QUIET_S, AFTER_S = 2.0, 3.0
FRAMES_S = 6.0
SETTINGS = {"RILLCAST_SIGNALING_UNLIMITED_NETWORKS": ""}
"""Loopback counts as any other network, or no limit of an address would hold."""


@dataclass
class Row:
    """Of the table."""

    said: str = ""
    quiet: Waits = field(default_factory=Waits)
    beside: Waits = field(default_factory=Waits)
    memory_mb: list[float] = field(default_factory=list)

    @property
    def waits(self) -> str:
        if not self.beside.ms:
            return ""
        served = len(self.beside.ms) - self.beside.refused
        return f"{self.quiet.worst:.0f} → {self.beside.worst:.0f}, {served} of {len(self.beside.ms)} served"

    @property
    def memory(self) -> str:
        return ", ".join(f"{mb:.0f}" for mb in self.memory_mb)


class Scene:
    """The cluster, and whoever asks it beside an attack."""

    def __init__(self, here: Cluster, folder: Path) -> None:
        self.here = here
        self.folder = folder
        self._prober = Prober({"plain": here.first_port, "encrypted": 0})

    @asynccontextmanager
    async def beside(self, node: str) -> AsyncIterator[Row]:
        """Ask during the block, and look at the memory of a node."""
        row, pid = Row(), process_of(self.here, node).pid
        await self._prober.pages(row.quiet, time.monotonic() + QUIET_S)
        before = most = memory_mb(pid)

        async def look() -> None:
            nonlocal most
            while True:
                most = max(most, memory_mb(pid))
                await asyncio.sleep(0.05)

        looking = [asyncio.create_task(look()), asyncio.create_task(self._prober.pages(row.beside, float("inf")))]
        try:
            yield row
        finally:
            await cancelled(*looking)
        await asyncio.sleep(AFTER_S)
        row.memory_mb = [before, most, memory_mb(pid)]

    async def by(self, kind: str) -> str:
        """An attack to its end, and what it says."""
        words = ("-m", "tests.bench.attack_kinds", kind, str(self.here.first_port))
        async with process(*words, code=ROOT) as attacker:
            assert attacker.stdout is not None
            said = await attacker.stdout.read()
            await attacker.wait()
            return said.decode().strip()

    async def until_gone(self, node: str, gauge: str) -> float:
        """Seconds until a gauge of a node is 0, over all its labels."""
        began = time.monotonic()

        async def gone() -> bool:
            metrics = await self.here.metrics(node)
            return not sum(value for name, value in metrics.items() if name.partition("{")[0] == gauge)

        await eventually(gone, 60, f"{gauge} of {node} being 0", every_s=0.5)
        return time.monotonic() - began

    def log_bytes(self) -> int:
        return sum(log.stat().st_size for log in (self.folder / "run" / "logs").glob("*.log*"))


Attack = Callable[[Scene], Awaitable[Row]]
ATTACKS: dict[str, tuple[str, Attack]] = {}
"""By name, with what it is called in the table."""


def attack(name: str, shown: str) -> Callable[[Attack], Attack]:
    def add(one: Attack) -> Attack:
        ATTACKS[name] = (shown, one)
        return one

    return add


def on_signaling(name: str, shown: str, kind: str) -> None:
    """One that a process makes, with nothing to be looked at afterwards."""

    async def run(scene: Scene) -> Row:
        async with scene.beside("signaling-1") as row:
            row.said = await scene.by(kind)
        return row

    ATTACKS[name] = (shown, run)


on_signaling("heads", "one connection: 30 MB of small headers", "many-headers")
on_signaling("long-head", "one connection: a header of 200 MB", "one-header")
on_signaling("idle", "400 silent connections, 400 with half a head", "idle")
on_signaling("silent", "1,100 silent connections, 1,024 open files", "silent")


@attack("publishes", "600 WHIP posts without media")
async def publishes(scene: Scene) -> Row:
    async with scene.beside("signaling-1") as row:
        row.said = await scene.by("publishes")
        took = await scene.until_gone("origin-1", "rillcast_origin_newcomers")
    ids = [stream.stream for stream in (await scene.here.status()).streams if stream.stream != STREAM]
    row.said += f"; {len(ids)} ids left, no session after {took:.0f} s more"
    return row


@attack("views", "600 WHEP posts of one address without a handshake")
async def views(scene: Scene) -> Row:
    async with scene.beside("edge-1") as row:
        row.said = await scene.by("views")
        took = await scene.until_gone("edge-1", "rillcast_plane_half_open_sessions")
    row.said += f"; no session after {took:.0f} s more"
    return row


@attack("bad-requests", "1,800 requests that once were a fault")
async def bad_requests(scene: Scene) -> Row:
    before = scene.log_bytes()
    async with scene.beside("signaling-1") as row:
        row.said = await scene.by("bad-requests")
    row.said += f"; {(scene.log_bytes() - before) / 1_000:.1f} kB of log"
    return row


def of_frames(name: str, shown: str, kind: str) -> None:
    """A flood on one WebSocket."""

    async def run(scene: Scene) -> Row:
        words = ("-m", "tests.bench.flood_kinds", kind, str(scene.here.first_port), "0")
        async with scene.beside("signaling-1") as row, process(*words, code=ROOT):
            await asyncio.sleep(FRAMES_S)
        row.said = f"for {FRAMES_S:.0f} s, as fast as it is let"
        return row

    ATTACKS[name] = (shown, run)


of_frames("tiny", "one WebSocket: frames of 7 bytes", "tiny")
of_frames("pongs", "one WebSocket: pongs", "pongs")


def of_media(name: str, shown: str, run: Callable[[str, psutil.Process], Awaitable[str]]) -> None:
    async def media(scene: Scene) -> Row:
        return Row(await run(scene.here.whep(STREAM), process_of(scene.here, "edge-1")))

    ATTACKS[name] = (shown, media)


of_media("nacks", "a viewer's NACKs for what was not sent", attack_media.nacks)
of_media("aimed", "a viewer nominates somebody else's address", lambda url, _: attack_media.aimed_media(url))
of_media("hello", "handshakes with somebody else's address", lambda url, _: attack_media.aimed_handshakes(url))


@asynccontextmanager
async def scene_of(folder: Path) -> AsyncIterator[Scene]:
    """A cluster with few open files, to which ffmpeg publishes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with AsyncExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, soft), hard))
        try:
            here = await stack.enter_async_context(cluster(folder, settings=SETTINGS, as_shipped=True))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        source = await make_source(folder)
        await stack.enter_async_context(running(*ffmpeg_whip(source, here.whip(STREAM)), log=folder / "ffmpeg.log"))
        await here.live(STREAM)
        yield Scene(here, folder)


async def measure(kinds: list[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with scene_of(Path(folder)) as scene:
            for kind in kinds:
                found[kind] = await ATTACKS[kind][1](scene)
                print(kind, found[kind].said, found[kind].waits, found[kind].memory, file=sys.stderr, sep=" | ")
    return found


def shown(found: dict[str, Row]) -> Table:
    title = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    table = Table("attack", "what came of it", "worst wait of others, ms", "memory, MB", title=title)
    for kind, row in found.items():
        table.add_row(ATTACKS[kind][0], row.said, row.waits, row.memory)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ATTACKS), help="names of attacks, with commas")
    kinds = parser.parse_args().only.split(",")
    if unknown := set(kinds) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # takes down what was started, as Ctrl-C does
    Console(width=160).print(shown(asyncio.run(measure(kinds))))


if __name__ == "__main__":
    main()
