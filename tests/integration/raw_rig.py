"""Two network namespaces with two ways between them: a whole cluster in one, viewers in the other. Needs root."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from rillcast.testing.eventually import eventually, within

ROOT = Path(__file__).parents[2]
SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
OTHER_SERVER, OTHER_CLIENT = "10.78.0.1", "10.78.0.2"
ADMIN, ORIGIN_ADMIN = 9120, 9110
"""Of the edge and the origin that `rillcast up` starts."""
START_S = 120.0
SETTLE_S = 60.0


def why_not() -> str:
    """What this machine lacks; nothing if it lacks nothing."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    missing = [name for name in ("ip", "nft", "setpriv", "sysctl", "curl") if shutil.which(name) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def run(*words: str) -> str:
    """What a command prints. AssertionError when it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class Network:
    """The namespaces, and what is done to the ways between them."""

    def __init__(self) -> None:
        name = f"raw{secrets.token_hex(3)}"
        self.server, self.client = f"{name}s", f"{name}c"

    def ip(self, *words: str) -> None:
        """`ip` on the server's side."""
        run("ip", "-n", self.server, *words)

    def inside(self, namespace: str, *words: str) -> tuple[str, ...]:
        """A command that runs there, and ends with this process."""
        return ("ip", "netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL", *words)

    def make(self) -> None:
        both = (self.server, self.client)
        for one in both:
            run("ip", "netns", "add", one)
            run("ip", "-n", one, "link", "set", "lo", "up")
        addresses = {"v1": (SERVER, CLIENT), "v2": (OTHER_SERVER, OTHER_CLIENT)}
        for way, (ours, theirs) in addresses.items():
            run(
                "ip",
                "link",
                "add",
                way,
                "netns",
                self.server,
                *f"type veth peer name {way} netns {self.client}".split(),
            )
            for one, address in ((self.server, ours), (self.client, theirs)):
                run("ip", "-n", one, "addr", "add", f"{address}/24", "dev", way)
                run("ip", "-n", one, "link", "set", way, "up")
        for one, other in ((self.server, OTHER_CLIENT), (self.client, OTHER_SERVER)):
            run("ip", "-n", one, *f"route add 10.77.0.0/24 via {other} dev v2 metric 500".split())
            settings = [f"net.ipv4.conf.{d}.rp_filter=0" for d in ("all", "v1", "v2")]
            settings += [f"net.ipv4.conf.{d}.ignore_routes_with_linkdown=1" for d in ("all", "v1")]
            run(*self.inside(one, "sysctl", "-qw", *settings))

    def remove(self) -> None:
        for one in (self.server, self.client):
            subprocess.run(("ip", "netns", "delete", one), capture_output=True, check=False, timeout=30)

    def rules(self, namespace: str, text: str) -> None:
        """Rules of nftables there."""
        subprocess.run(
            self.inside(namespace, "nft", "-f", "-"), input=text, text=True, check=True, timeout=30, capture_output=True
        )


class Cluster:
    """What `rillcast up` runs in the server's namespace."""

    def __init__(self, network: Network, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.network, self._process, self._folder = network, process, folder

    def edge_log(self) -> str:
        """What the edge has written."""
        path = self._folder / "run/logs/edge-1.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def edge_pid(self) -> int:
        """The process of the edge."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError):
                text, command = status.read_text(), (status.parent / "cmdline").read_bytes()
                if f"PPid:\t{self._process.pid}\n" in text and b"services.edge" in command:
                    return int(status.parent.name)
        raise AssertionError("there is no edge")

    def capabilities(self) -> list[tuple[str, int]]:
        """The sets of capabilities of each thread of the edge."""
        statuses = Path(f"/proc/{self.edge_pid()}/task").glob("*/status")
        lines = [line.split() for status in statuses for line in status.read_text().splitlines()]
        return [(name, int(value, 16)) for name, value in (words[:2] for words in lines if words[0].startswith("Cap"))]

    def counted(self) -> dict[str, float]:
        """Messages past the socket (`raw`), by it (`socket`), and those by it by reason."""
        text = self._metrics(ADMIN)
        pattern = r'^rillcast_plane_(?:media_messages|raw_fallbacks)_total\{\w+="(\w+)"\} (\S+)$'
        return {name: float(value) for name, value in re.findall(pattern, text, re.M)}

    def _metrics(self, port: int) -> str:
        url = f"http://127.0.0.1:{port}/metrics"
        return run(*self.network.inside(self.network.server, "curl", "-s", "-m", "10", url))

    def _is_live(self) -> bool:
        found = re.search(r'^rillcast_plane_packets_total\{direction="in"\} (\S+)$', self._metrics(ORIGIN_ADMIN), re.M)
        return found is not None and float(found[1]) > 100

    async def grows(self, what: str, by: int = 20) -> None:
        """Wait until so many more messages went this way, or for this reason."""
        before = self.counted().get(what, 0.0)
        await eventually(lambda: self.counted().get(what, 0.0) >= before + by, SETTLE_S, f"{by} more of {what}")

    @asynccontextmanager
    async def viewers(self, count: int, *options: str) -> AsyncIterator[dict[str, Any]]:
        """Viewers in the other namespace, who decrypt every packet. What they say is filled in when the block ends,
        which they outlast."""
        said: dict[str, Any] = {}
        url = f"http://{SERVER}:5080/live/whep/show"
        words = ("bench", "viewers", url, "-n", str(count), "--limit", "none", "--json", *options)
        process = await self._start(self.network.client, *words, stdout=asyncio.subprocess.PIPE)
        try:
            yield said
            async with within(180, "the end of the viewers"):
                output, _ = await process.communicate()
            said.update(json.loads(output))
        finally:
            await _end(process)

    async def _start(self, namespace: str, *words: str, stdout: int | None = None) -> asyncio.subprocess.Process:
        command = self.network.inside(namespace, sys.executable, "-m", "rillcast.cli", *words)
        return await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdout=stdout or asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[None]:
        """A stream `show` with video and audio."""
        url = "http://127.0.0.1:5080/live/whip/show"
        words = ("bench", "publish", url, "--stream", "show", "--seconds", "3600")
        process = await self._start(self.network.server, *words)
        try:
            await eventually(self._is_live, SETTLE_S, "the stream")
            yield
        finally:
            await _end(process)


@asynccontextmanager
async def cluster(folder: Path, egress: str) -> AsyncIterator[Cluster]:
    """A cluster whose edge tells viewers the address of the first way."""
    network = Network()
    settings = {
        "RILLCAST_DISCOVERY": "nats",
        "RILLCAST_EDGE_EGRESS": egress,
        "RILLCAST_EDGE_ADVERTISE_MEDIA_ADDRESSES": SERVER,
        "RILLCAST_MAX_LOOP_LAG_MS": "60000",
    }
    try:
        network.make()
        process = await asyncio.create_subprocess_exec(
            *network.inside(
                network.server, sys.executable, "-m", "rillcast.cli", "up", "--run-dir", str(folder / "run")
            ),
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            one = Cluster(network, process, folder)
            await eventually(lambda: "Media leaves" in one.edge_log(), START_S, "the edge")
            async with one.publisher():
                yield one
        finally:
            await _end(process, signal.SIGTERM)
    finally:
        network.remove()


async def _end(process: asyncio.subprocess.Process, number: signal.Signals = signal.SIGKILL) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
    try:
        async with asyncio.timeout(60):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
