"""`rillcast bench` beside a cluster: many viewers or a publisher, and what they have seen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from rillcast.load.run import Plan, Result, Run
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import within

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 600
"""Longer than any test."""


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """`rillcast bench …`, which prints its figures as JSON when it ends."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "bench", *arguments, "--json"),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def seen(process: asyncio.subprocess.Process, timeout_s: float = 60.0) -> Result:
    """Its figures, when it has ended."""
    async with within(timeout_s, "the figures of `rillcast bench`"):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode(errors="replace")[-2_000:]
    return msgspec.json.decode(out, type=Result)


async def refusals(process: asyncio.subprocess.Process, timeout_s: float = 60.0) -> str:
    """Why nobody got in, in words, with how often."""
    async with within(timeout_s, "the figures of `rillcast bench`"):
        out, err = await process.communicate()
    assert process.returncode == 1, f"somebody got in: {out.decode()}"
    return " ".join(err.decode(errors="replace").split())


class Viewers:
    """Who watches until told otherwise, however long the test takes for what it does meanwhile."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._watching = asyncio.create_task(run.run(lambda *_: None))

    async def leave(self, timeout_s: float = 60.0) -> Result:
        """They go; what they have seen since the last one has joined."""
        self._run.end()
        async with within(timeout_s, "the figures of the viewers"):
            return await self._watching

    async def close(self) -> None:
        """At the latest now."""
        await cancelled(self._watching)


@asynccontextmanager
async def viewers(url: str, count: int) -> AsyncIterator[Viewers]:
    """So many by WHEP, who leave at the end of the block at the latest."""
    made = Viewers(Run(Plan(url=url, count=count, rate=20.0, seconds=LONG_S), publishing=False))
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def publishing(whip: str, *options: str, bitrate: int = 300_000) -> AsyncIterator[None]:
    """One publisher until the end of the block. `options`: more of `rillcast bench publish`."""
    process = await started("publish", whip, "--seconds", str(LONG_S), "--bitrate", str(bitrate), *options)
    try:
        yield
        assert process.returncode is None, "the publisher ended by itself"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
