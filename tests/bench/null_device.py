"""A network namespace whose default route ends in a device that drops everything: sending costs, receiving doesn't."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from rillcast.testing.eventually import within
from tests.bench.machine import ROOT

PREFIX = "rillcast-bench-"
DEVICE = "null0"
COMMAND_TIMEOUT_S = 10.0
_STEPS = (
    ("link", "set", "lo", "up"),
    ("link", "add", DEVICE, "type", "ifb"),
    ("addr", "add", "10.255.0.1/24", "dev", DEVICE),
    ("link", "set", DEVICE, "up"),
    # One neighbour for all viewers: a table of thousands would be measured instead.
    ("neigh", "add", "10.255.0.254", "lladdr", "02:00:00:00:00:01", "dev", DEVICE),
    ("route", "add", "default", "via", "10.255.0.254"),
)


class Skipped(Exception):
    """This machine can't do that; the text says why, for the report."""


class NullDevice:
    """A namespace that is there until the end of `null_device`'s block."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def lines(self, *command: str, timeout_s: float) -> AsyncGenerator[bytes, None]:
        """Runs a command inside and yields its lines as they come. Raises AssertionError when it is late, and
        RuntimeError when it fails."""
        process = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", self.name, *command, cwd=ROOT, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with within(timeout_s, "the end of the command"):
                async for line in process.stdout:
                    yield line
                error = (await process.stderr.read()).decode(errors="replace").strip()
                if await process.wait() != 0:
                    raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}: {error[-500:]}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def null_device() -> AsyncIterator[NullDevice]:
    """Raises Skipped where namespaces can't be made."""
    if os.geteuid() != 0:
        raise Skipped("needs root, to make a network namespace with a null device")
    if shutil.which("ip") is None:
        raise Skipped("needs the `ip` command (apt-get install iproute2)")
    _sweep()
    name = f"{PREFIX}{os.getpid()}"
    try:
        _ip("netns", "add", name)
        for step in _STEPS:
            _ip("-n", name, *step)
        yield NullDevice(name)
    finally:
        _delete(name)


def _ip(*arguments: str) -> None:
    done = subprocess.run(("ip", *arguments), capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise Skipped(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")


def _delete(name: str) -> None:
    subprocess.run(("ip", "netns", "delete", name), capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False)


def _sweep() -> None:
    """Removes what a benchmark left behind that was killed."""
    listed = subprocess.run(
        ("ip", "netns", "list"), capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
    )
    for name in (line.split()[0] for line in listed.stdout.splitlines() if line.startswith(PREFIX)):
        pid = name.removeprefix(PREFIX)
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            _delete(name)
