"""Telling the others each second that this node lives and how busy it is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from rillcast.contracts import subjects
from rillcast.contracts.messages import NodeLeft, NodeReport
from rillcast.runtime.ports import Bus
from rillcast.runtime.tasks.supervisor import Supervisor

INTERVAL_S = 1.0


class Heartbeat:
    """Emits `NodeReport` from `start` to `stop`, then `NodeLeft`."""

    def __init__(self, bus: Bus, report: Callable[[], NodeReport], supervisor: Supervisor | None = None) -> None:
        self._bus = bus
        self._report = report
        self._supervisor = supervisor or Supervisor()
        self._task: asyncio.Task[None] | None = None
        self._started = False

    async def start(self) -> None:
        """Send the first report now, and one each second from then on. A second call changes nothing."""
        if self._task is None:
            self._started = True
            await self.beat()
            self._task = self._supervisor.spawn(self._run(), "heartbeat")

    async def beat(self) -> None:
        """Send a report right now, since something others wait for has changed. Before `start`, does nothing: nobody
        shall hear of a node that could not say goodbye."""
        if self._started:
            report = self._report()
            await self._bus.emit(subjects.node_reported(report.info.kind, report.info.node), report)

    async def stop(self) -> None:
        """End and say goodbye; without a `start` before, and a second time, nothing."""
        if self._task is None:
            return
        task, self._task = self._task, None
        await self._supervisor.end(task)
        info = self._report().info
        await self._bus.emit(subjects.node_left(info.kind, info.node), NodeLeft(node=info.node, kind=info.kind))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S * (0.9 + random.random() * 0.2))
            await self.beat()
