"""How long other clients wait while one address floods a signaling instance.

    python -m tests.bench.floods                                  # all floods: four minutes
    python -m tests.bench.floods --only tiny,tls-begun --rounds 5
    python -m tests.bench.floods --code ../before                 # the same floods, and the code of another folder

Another address asks meanwhile, each of these again as soon as it is answered and 20 ms are over: `ping` on a socket
that is open, a page on a new connection, and a page on a new connection with TLS. Windows without and with the flood
take turns. The table has the worst wait of all windows of a kind. The memory is that of the server after the flood
began, and some seconds after its end. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.flood_kinds import FLOODS, TEXT, UPGRADE, frame, get, sign_in
from tests.bench.machine import ROOT

SOURCE = "127.0.0.2"
"""Of whoever waits."""
EVERY_S = 0.02
QUIET_S, FLOODED_S = 1.0, 2.5
LONGEST_S = 10.0
Ports = dict[str, int]


class Waits:
    """Of one kind of question."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.refused = 0
        """How many had another answer than the wanted one, or none."""

    @property
    def worst(self) -> float:
        return max(self.ms, default=0.0)


class Prober:
    """A client beside the flood."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    @asynccontextmanager
    async def measured(self, seconds: float) -> AsyncIterator[dict[str, Waits]]:
        """Ask from now on until the end of the block, which lasts so long."""
        waits = {name: Waits() for name in ("socket", "page", "TLS")}
        reader, writer = await self._connect()
        writer.write(UPGRADE.replace(b"{more}", b""))
        await reader.readuntil(b"\r\n\r\n")

        async def ping() -> None:
            writer.write(frame(TEXT, b'{"command":"ping"}'))
            await reader.readuntil(b"}")

        until = time.monotonic() + seconds
        asking = ((waits["socket"], ping), (waits["page"], self._page), (waits["TLS"], self._encrypted_page))
        tasks = [asyncio.create_task(self._ask(into, question, until)) for into, question in asking]
        yield waits
        await asyncio.gather(*tasks)
        writer.close()

    async def pages(self, into: Waits, until: float) -> None:
        """Ask for pages alone, until then (of the monotonic clock)."""
        await self._ask(into, self._page, until)

    async def sign_in(self) -> tuple[float, str]:
        """Milliseconds, and the status."""
        began = time.monotonic()
        reader, writer = await self._connect()
        writer.write(sign_in("correct horse battery"))
        status = (await reader.readuntil(b"\r\n")).decode().split()[1]
        writer.close()
        return (time.monotonic() - began) * 1_000, status

    async def _ask(self, into: Waits, question: Callable[[], Awaitable[None]], until: float) -> None:
        while (began := time.monotonic()) < until:
            try:
                async with asyncio.timeout(LONGEST_S):
                    await question()
            except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
                into.refused += 1
            into.ms.append((time.monotonic() - began) * 1_000)
            await asyncio.sleep(max(0.0, began + EVERY_S - time.monotonic()))

    async def _page(self) -> None:
        reader, writer = await self._connect()
        await _answered(reader, writer)

    async def _encrypted_page(self) -> None:
        port = self._ports["encrypted"]
        await _answered(*await asyncio.open_connection("127.0.0.1", port, local_addr=(SOURCE, 0), ssl=self._context))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._ports["plain"], local_addr=(SOURCE, 0))


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(get("/static/ticker.js"))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionRefusedError(head.split(b"\r\n")[0].decode())


@asynccontextmanager
async def process(*words: str, code: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of the code in a folder, until the end of the block."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=code,
        env=os.environ | {"PYTHONPATH": str(code)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


def memory_mb(pid: int) -> float:
    """What a process has in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Found:
    """Of one flood."""

    def __init__(self) -> None:
        self.quiet: dict[str, float] = {}
        self.flooded: dict[str, float] = {}
        self.memory_mb: list[float] = []
        self.signed_in: list[str] = []

    def add(self, waits: dict[str, Waits], *, flooded: bool) -> None:
        into = self.flooded if flooded else self.quiet
        for name, wait in waits.items():
            into[name] = max(into.get(name, 0.0), wait.worst)


async def measure(kind: str, code: Path, rounds: int, key_type: str) -> Found:
    found = Found()
    async with process(str(ROOT / "tests/bench/flood_server.py"), key_type, code=code) as server:
        assert server.stdout is not None
        ports: Ports = json.loads(await server.stdout.readline())
        prober = Prober(ports)
        async with prober.measured(0.5):
            pass
        before = memory_mb(server.pid)
        highest = before
        for _ in range(rounds):
            async with prober.measured(QUIET_S) as waits:
                pass
            found.add(waits, flooded=False)
            words = ("-m", "tests.bench.flood_kinds", kind, str(ports["plain"]), str(ports["encrypted"]))
            async with process(*words, code=ROOT):
                await asyncio.sleep(0.3)
                async with prober.measured(FLOODED_S) as waits:
                    if kind == "sign-in":
                        took_ms, status = await prober.sign_in()
                        found.signed_in.append(f"{status} after {took_ms:.0f} ms")
                highest = max(highest, memory_mb(server.pid))
            found.add(waits, flooded=True)
        await asyncio.sleep(1.0)
        found.memory_mb = [before, highest, memory_mb(server.pid)]
    return found


def shown(found: dict[str, Found], key_type: str) -> Table:
    title = f"worst wait in ms, without and with the flood; load {os.getloadavg()[0]:.1f}; certificate {key_type}"
    table = Table("flood", "open socket", "page", "page by TLS", "memory in MB: before, most, after", title=title)
    for kind, one in found.items():
        cells = (f"{one.quiet[name]:.0f} → {one.flooded[name]:.0f}" for name in one.quiet)
        table.add_row(FLOODS[kind][0], *cells, ", ".join(f"{mb:.0f}" for mb in one.memory_mb))
        for said in one.signed_in:
            table.add_row(f"  the right password: {said}")
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(FLOODS))
    parser.add_argument("--code", type=Path, default=ROOT, help="the folder whose server is flooded")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--key", default="ECDSA", choices=["ECDSA", "RSA"])
    options = parser.parse_args()
    found: dict[str, Found] = {}
    for kind in options.only.split(","):
        found[kind] = await measure(kind, options.code.resolve(), options.rounds, options.key)
        said = {name: f"{found[kind].quiet[name]:.0f} {found[kind].flooded[name]:.0f}" for name in found[kind].quiet}
        print(kind, said, [round(mb) for mb in found[kind].memory_mb], *found[kind].signed_in, file=sys.stderr)
    Console(width=160).print(shown(found, options.key))


if __name__ == "__main__":
    asyncio.run(main())
