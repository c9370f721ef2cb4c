"""Brings the planned processes up, watches them, and takes every one of them down again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.plan import ProcessSpec
from rillcast.cli.process import Child

POLL_S = 0.05
TRIM_S = 5.0
"""How often the logs are looked at. No process writes more than some megabytes in that time."""
STOP_GRACE_S = 5.0
FIRST_RESTART_S = 1.0
LONGEST_RESTART_S = 30.0

Report = Callable[[str], None]


class Stack:
    """Processes in start order: the later depend on the earlier. `report` gets a sentence when something happens."""

    def __init__(self, logs: Path, cwd: Path, report: Report) -> None:
        self._logs = logs
        self._cwd = cwd
        self._report = report
        self._children: list[Child] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, specs: Sequence[ProcessSpec], timeout_s: float) -> None:
        """Starts all at once and waits until each is ready. Raises CannotGoOn when one ends or the time is over."""
        children = [Child(spec, self._logs, self._cwd) for spec in specs]
        self._children += children
        for child in children:
            await child.start()
        async with httpx.AsyncClient(timeout=1.0, trust_env=False) as client:
            readiness = [_Readiness(child, client) for child in children]
            try:
                async with asyncio.timeout(timeout_s):
                    await _all(item.wait() for item in readiness)
            except TimeoutError:
                late = next(item for item in readiness if not item.ready)
                name, reason = late.child.spec.name, late.reason
                raise CannotGoOn(
                    f"{name} is not ready after {timeout_s:.0f} s{': ' + reason if reason else ''}",
                    late.child.last_lines(),
                ) from None

    def keep_up(self) -> None:
        """From now on a process that ends is reported and started again, each time a little later."""
        self._keepers = [
            asyncio.create_task(self._keep(child), name=f"keep {child.spec.name}") for child in self._children
        ]
        self._keepers.append(asyncio.create_task(self._keep_logs_short(), name="keep logs short"))

    async def _keep_logs_short(self) -> None:
        while True:
            for child in self._children:
                with suppress(OSError):  # no log, or a full disk: it is tried again
                    child.trim_log()
            await asyncio.sleep(TRIM_S)

    async def _keep(self, child: Child) -> None:
        delay = FIRST_RESTART_S
        while True:
            started = time.monotonic()
            code = await child.ended()
            child.sweep()
            if time.monotonic() - started > LONGEST_RESTART_S:
                delay = FIRST_RESTART_S
            self._report(f"{child.spec.name} ended ({_how(code)}), see {child.log}; starting it again in {delay:.0f} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RESTART_S)
            try:
                await child.start(append=True)
            except CannotGoOn as error:
                self._report(error.sentence)
                return

    def reload(self, names: Container[str]) -> None:
        """Tell those of these processes that run to read their configuration and their certificates again."""
        for child in self._children:
            if child.spec.name in names:
                child.reload()

    async def stop(self) -> None:
        """Ends everything: first what was started last, each with its grace time, then without asking."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        services = [child for child in self._children if child.spec.ready_url.endswith("/readyz")]
        others = [child for child in self._children if child not in services]
        for group in (services, others):
            await asyncio.gather(*(child.stop(STOP_GRACE_S) for child in group))


class _Readiness:
    """Asks one process until it is ready."""

    def __init__(self, child: Child, client: httpx.AsyncClient) -> None:
        self.child = child
        self.ready = False
        self.reason = ""
        self._client = client

    async def wait(self) -> None:
        """Returns when ready; raises CannotGoOn when the process ended before."""
        while not self.ready:
            if self.child.returncode is not None:
                name = self.child.spec.name
                raise CannotGoOn(f"{name} ended at its start ({_how(self.child.returncode)})", self.child.last_lines())
            self.ready = await self._ask()
            if not self.ready:
                await asyncio.sleep(POLL_S)

    async def _ask(self) -> bool:
        spec = self.child.spec
        if not spec.ready_url:
            return await _accepts(spec.tcp_ports[0])
        try:
            response = await self._client.get(spec.ready_url)
        except httpx.HTTPError:
            return False
        self.reason = response.text[:300] if response.status_code != 200 else ""
        return response.status_code == 200


async def _accepts(port: int) -> bool:
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _all(waits: Iterable[Coroutine[None, None, None]]) -> None:
    """Runs the coroutines together; the first CannotGoOn ends the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for wait in waits:
                group.create_task(wait)
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
