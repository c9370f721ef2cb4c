"""`rillcast top` at a real cluster, in a terminal of its own."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rillcast.testing.eventually import eventually, within
from tests.e2e.cluster import Cluster
from tests.e2e.load import ROOT
from tests.e2e.publishers import ffmpeg_whip, killed

LINES, COLUMNS = 40, 140
SEEN_WITHIN_S = 30.0


class Terminal:
    """What the program has drawn, and the keys that it gets."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self._drawn = bytearray()
        self.process = process
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        with suppress(OSError):
            self._drawn += os.read(self._master, 1 << 16)

    def press(self, keys: str) -> None:
        self._drawn.clear()
        os.write(self._master, keys.encode())

    async def shows(self, words: str) -> None:
        await eventually(lambda: words.encode() in self._drawn, SEEN_WITHIN_S, f"the terminal shows {words!r}")


@asynccontextmanager
async def top(c: Cluster) -> AsyncIterator[Terminal]:
    async with _running({"RILLCAST_RUN_DIR": str(c.folder / "run")}) as terminal:
        yield terminal


@asynccontextmanager
async def terminal_at(base: str, token: str) -> AsyncIterator[Terminal]:
    """At an instance that runs anywhere."""
    async with _running({"RILLCAST_SERVER": base, "RILLCAST_TOKEN": token}) as terminal:
        yield terminal


@asynccontextmanager
async def _running(settings: dict[str, str]) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    known = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "top"),
        cwd=ROOT,
        env=known | settings | {"TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        asyncio.get_running_loop().remove_reader(master)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        os.close(master)


async def test_the_terminal_shows_nodes_streams_and_events_and_is_left(
    rillcast: Cluster, source: Path, stream: str
) -> None:
    async with top(rillcast) as terminal:
        await terminal.shows("edge-1")
        async with killed(*ffmpeg_whip(source, rillcast.whip(stream)), log=source.parent / f"{stream}.log"):
            await rillcast.live(stream)
            terminal.press("2")
            await terminal.shows(stream)
            terminal.press("3")
            await terminal.shows("stream.started")
        terminal.press("q")
        async with within(SEEN_WITHIN_S, "the end of the terminal"):
            assert await terminal.process.wait() == 0


async def test_where_there_is_no_terminal_it_says_what_there_is_instead(rillcast: Cluster) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "top"),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"it needs a terminal" in said
    assert b"Traceback" not in said
