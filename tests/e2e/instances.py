"""A second signaling instance beside that of `rillcast up`, and one address for both, as a load balancer has it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.e2e.cluster import DOWN_TIMEOUT_S, ROOT, Cluster, until

PREFIX = "RILLCAST_SIGNALING_"
NAME = "signaling-2"
_PORT_OFFSET, _ADMIN_OFFSET = 8, 90
_NOT_INHERITED = {f"{PREFIX}LOCAL_TOKEN_PATH", f"{PREFIX}FIRST_PASSWORD_PATH"}
"""Where the first instance leaves what it tells whoever started it."""
BLOCK = 64 * 1024
PATIENCE_S = 1.0
"""Of the door, with somebody who does not answer at all."""


@dataclass(frozen=True)
class Instance:
    """One signaling process."""

    process: asyncio.subprocess.Process
    port: int

    async def end(self, how: signal.Signals) -> None:
        """Send a signal, and wait for the end."""
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            async with asyncio.timeout(DOWN_TIMEOUT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"{NAME} still ran {DOWN_TIMEOUT_S:.0f} s after {how.name}") from None


@asynccontextmanager
async def second_signaling(running: Cluster) -> AsyncIterator[Instance]:
    """Until the end of the block, unless it ends before. Its log lies with those of the others."""
    first = _environment_of(running, "signaling-1")
    port, admin = running.first_port + _PORT_OFFSET, running.first_port + _ADMIN_OFFSET
    own = {"NODE_ID": NAME, "PORT": str(port), "ADMIN_PORT": str(admin)}
    environment = {key: value for key, value in first.items() if key not in _NOT_INHERITED}
    with _log(running).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.signaling"),
            cwd=ROOT,
            env=environment | {PREFIX + key: value for key, value in own.items()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    instance = Instance(process, port)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as http:
            await until(lambda: _ready(http, admin), bool, f"{NAME} is ready")
        assert process.returncode is None, f"{NAME} ended; {_log(running)} says why"
        yield instance
    finally:
        await instance.end(signal.SIGTERM)


def _log(running: Cluster) -> Path:
    return running.folder / "run" / "logs" / f"{NAME}.log"


def _environment_of(running: Cluster, node: str) -> dict[str, str]:
    for process in running.processes():
        with suppress(psutil.Error):
            if node in (environment := process.environ()).values():
                return environment
    raise AssertionError(f"{node} does not run")


async def _ready(http: httpx.AsyncClient, admin_port: int) -> bool:
    with suppress(httpx.TransportError):
        return (await http.get(f"http://127.0.0.1:{admin_port}/readyz")).status_code == 200
    return False


@asynccontextmanager
async def door(places: Sequence[tuple[str, int]]) -> AsyncIterator[int]:
    """A port on loopback that leads to the first of these hosts and ports that takes connections; those that are open
    stay where they are when the list changes. A connection ends with either side's."""
    open_ways: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = asyncio.current_task()
        assert way is not None
        open_ways.add(way)
        try:
            await _lead(places, reader, writer)
        finally:
            open_ways.discard(way)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for way in open_ways:
            way.cancel()
        await asyncio.gather(*open_ways, return_exceptions=True)


async def _lead(places: Sequence[tuple[str, int]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for place in places:
        with suppress(OSError):
            async with asyncio.timeout(PATIENCE_S):
                behind, onward = await asyncio.open_connection(*place)
            break
    else:
        return
    ways = [asyncio.create_task(_copy(*pair)) for pair in ((reader, onward), (behind, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        onward.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(BLOCK):
            writer.write(block)
            await writer.drain()
