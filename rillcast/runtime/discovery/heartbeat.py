"""Telling the others each second that this node lives and how busy it is."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from msgspec.structs import replace

from rillcast.contracts import subjects
from rillcast.contracts.messages import NodeLeft, NodeReport
from rillcast.runtime.discovery.beats import farewell, statement
from rillcast.runtime.ports import Bus
from rillcast.runtime.tasks.supervisor import Supervisor

INTERVAL_S = 1.0


class Heartbeat:
    """Emits `NodeReport` from `start` to `stop`, then `NodeLeft`."""

    def __init__(
        self,
        bus: Bus,
        report: Callable[[], NodeReport],
        supervisor: Supervisor | None = None,
        *,
        sign: Callable[[bytes], str] = lambda _: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sign`: by the identity of the node, in base64. `clock`: monotonic seconds."""
        self._bus = bus
        self._report = report
        self._sign = sign
        self._clock = clock
        self._began = clock()
        self._beats = 0
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
            self._beats += 1
            report = replace(self._report(), beat=self._beats, up_s=self.up_s)
            report = replace(report, signature=self._sign(statement(report)))
            await self._bus.emit(subjects.node_reported(report.info.kind, report.info.node), report)

    async def stop(self) -> None:
        """End and say goodbye; without a `start` before, and a second time, nothing."""
        if self._task is None:
            return
        await self.fall_silent()
        info = self._report().info
        event = NodeLeft(node=info.node, kind=info.kind, incarnation=info.incarnation)
        event = replace(event, signature=self._sign(farewell(event)))
        await self._bus.emit(subjects.node_left(info.kind, info.node), event)

    async def fall_silent(self) -> None:
        """Say nothing more, not even goodbye: another process has the id of this node."""
        if self._task is not None:
            task, self._task = self._task, None
            self._started = False
            await self._supervisor.end(task)

    @property
    def up_s(self) -> float:
        """How long this process has run."""
        return round(self._clock() - self._began, 3)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S * (0.9 + random.random() * 0.2))
            await self.beat()
