"""Services as processes, for tests of how they start and end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import free_port

_ROOT = Path(__file__).resolve().parents[2]
MAX_LOOP_LAG_MS = 60_000
"""Of nodes in tests: on a busy machine their threads wait for those of others, and none shall be full because of it."""
_PATIENCE_S = 60.0
"""A service starts in a second, and in some twenty on a machine with five times as much to do as it can."""


class ServiceProcess:
    """One process, its exit code and what it has written so far. `service_process` makes one and ends it."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, admin_port: int) -> None:
        self._process = process
        self._log = log
        self.admin = f"http://127.0.0.1:{admin_port}"

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.returncode

    @property
    def log(self) -> str:
        """Its standard output and error."""
        return self._log.read_text(errors="replace")

    def send(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, unless it has ended already. Not by asyncio, which may lose the exit code of a process that
        ends at that moment."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def says(self, words: str, timeout_s: float = _PATIENCE_S) -> None:
        """Wait until the log holds `words`. AssertionError with the log when the process ends before."""

        def said() -> bool:
            assert words in self.log, self.log[-2_000:]
            return True

        await eventually(lambda: self.returncode is not None or words in self.log, timeout_s, f"{words!r} in the log")
        assert said()

    async def catches(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Wait until it handles the signal itself."""
        await eventually(lambda: self.handles(number), _PATIENCE_S, f"a handler of {number.name}")

    def handles(self, number: signal.Signals = signal.SIGTERM) -> bool:
        """Whether it handles the signal itself (Linux only)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
        return bool(int(mask, 16) >> (number - 1) & 1)

    async def end(self, timeout_s: float = _PATIENCE_S) -> int:
        """Wait for the end; the exit code. AssertionError with the log when it does not come."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._process.wait()
        except TimeoutError:
            raise AssertionError(f"still runs after {timeout_s:g} s: {self.log[-3_000:]}") from None

    async def kill(self) -> None:
        """SIGKILL, if it still runs."""
        self.send(signal.SIGKILL)
        await self._process.wait()


def service_environment(kind: NodeKind, admin_port: int, settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment with settings of one service on loopback, and none of ours besides."""
    values: dict[str, object] = {"NODE_ID": f"{kind}-1", "ADMIN_PORT": admin_port, "ADVERTISE_ADDRESS": "127.0.0.1"}
    if kind in {NodeKind.ORIGIN, NodeKind.EDGE}:
        values |= {"MEDIA_BIND": "127.0.0.1", "MAX_LOOP_LAG_MS": MAX_LOOP_LAG_MS}
    if kind in {NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER}:
        values["RELAY_BIND"] = "127.0.0.1"
    if kind is NodeKind.SIGNALING:
        values |= {"HOST": "127.0.0.1", "PORT": free_port()}
    values |= {name.upper(): value for name, value in settings.items()}
    others = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    return others | {f"RILLCAST_{kind.upper()}_{name}": str(value) for name, value in values.items()}


@asynccontextmanager
async def service_process(kind: NodeKind, folder: Path, **settings: object) -> AsyncIterator[ServiceProcess]:
    """``python -m services.<kind>`` with `settings`, which are fields of its settings; killed at the end."""
    admin_port = free_port()
    log = folder / f"{kind}-{admin_port}.log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"services.{kind}"),
            cwd=_ROOT,
            env=service_environment(kind, admin_port, settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    service = ServiceProcess(process, log, admin_port)
    try:
        yield service
    finally:
        await service.kill()
