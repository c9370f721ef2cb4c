"""How much memory a signaling instance takes for each WebSocket on which nothing happens.

    python -m tests.bench.socket_memory                     # 500 sockets of each kind, half a minute
    python -m tests.bench.socket_memory --sockets 2000

One instance with its real listeners, and a cluster made of fakes in its process. Sockets are opened by one client at
some tens of addresses of this machine: without TLS, with TLS, and with a viewer's session on each. The figures are the
process's resident memory, and what the kernel keeps for both ends of all sockets of this machine (slab and buffers,
so it is too much rather than too little; others disturb it). Asserts nothing.
`rillcast.runtime.http.memory` has limits that come from here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.flood_kinds import UPGRADE, command
from tests.bench.floods import process
from tests.bench.machine import ROOT, Others, rss_kib

AT_ONCE = 20
SETTLED_S = 3.0
"""From the last socket until the figures: what a handshake took is free by then."""
WARM = 50
"""Sockets that are opened and closed before: what the first ones need, others use again."""


class Client:
    """Opens sockets and keeps them."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports
        self._number = 0
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    async def open(self, count: int, stack: AsyncExitStack, *, encrypted: bool, sent: bytes = b"") -> None:
        """So many more, each of which sends this first."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with turn:
                writer = await self._open(encrypted=encrypted, sent=sent)
                stack.callback(_close, writer)  # which keeps it: a stream that nobody has is closed

        await asyncio.gather(*(one() for _ in range(count)))
        await asyncio.sleep(SETTLED_S)

    async def _open(self, *, encrypted: bool, sent: bytes) -> asyncio.StreamWriter:
        self._number += 1
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self._ports["encrypted" if encrypted else "plain"],
            ssl=self._context if encrypted else None,
            local_addr=(f"127.0.0.{2 + self._number % 50}", 0),
        )
        writer.write(UPGRADE.replace(b"{more}", b""))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        if sent:
            writer.write(sent)
            await reader.read(65_536)
        return writer


def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def kernel_kib() -> int:
    """Of all sockets of this machine, and of everything else that the kernel keeps in slabs."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    pages = sum(
        int(line.rpartition(" ")[2])
        for line in Path("/proc/net/sockstat").read_text().splitlines()
        if line.startswith(("TCP:", "UDP:"))
    )
    return int(told["SUnreclaim"].split()[0]) + pages * os.sysconf("SC_PAGE_SIZE") // 1024


async def measure(count: int) -> dict[str, tuple[float, float]]:
    """Kilobytes for each socket: of the process, and of the kernel."""
    found: dict[str, tuple[float, float]] = {}
    play = command("play", streamId="s1", token="", room="", trackList=[])
    kinds: dict[str, dict[str, Any]] = {
        "without TLS": {"encrypted": False},
        "without TLS, and 60 kB were sent": {"encrypted": False, "sent": command("ping", more="x" * 60_000)},
        "with TLS": {"encrypted": True},
        "with TLS, and a session that is not connected": {"encrypted": True, "sent": play},
        "with TLS, and 60 kB were sent": {"encrypted": True, "sent": command("ping", more="x" * 60_000)},
    }
    for name, how in kinds.items():
        async with process(str(ROOT / "tests/bench/flood_server.py"), "ECDSA", code=ROOT) as server:
            assert server.stdout is not None
            client, watched = Client(json.loads(await server.stdout.readline())), psutil.Process(server.pid)
            async with AsyncExitStack() as warm:
                await client.open(WARM, warm, **how)
            async with AsyncExitStack() as stack:
                before = rss_kib(watched), kernel_kib()
                await client.open(count, stack, **how)
                after = rss_kib(watched), kernel_kib()
        found[name] = ((after[0] - before[0]) * 1.024 / count, (after[1] - before[1]) * 1.024 / count)
        found[f"{name}: none"] = (before[0] * 1.024, 0.0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=500)
    options = parser.parse_args()
    others = Others()
    found = asyncio.run(measure(options.sockets))
    table = Table("socket", "process, kB", "kernel, both ends, kB")
    for name, (own, kernel) in found.items():
        table.add_row(name, f"{own:.1f}", f"{kernel:.1f}")
    console = Console(width=100)
    console.print(table)
    console.print(f"Others used {others.cores():.2f} cores meanwhile. Load: {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
