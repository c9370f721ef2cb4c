"""Telling the others each second that this node lives and how busy it is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from rillcast.contracts import subjects
from rillcast.contracts.messages import NodeLeft, NodeReport
from rillcast.runtime.ports import Bus

INTERVAL_S = 1.0


class Heartbeat:
    """Emits `NodeReport` from `start` to `stop`, then `NodeLeft`."""

    def __init__(self, bus: Bus, report: Callable[[], NodeReport]) -> None:
        self._bus = bus
        self._report = report
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; a second call changes nothing."""
        if self._task is None:
            await self.beat()
            self._task = asyncio.create_task(self._run(), name="heartbeat")

    async def beat(self) -> None:
        """Send a report right now, since something others wait for has changed."""
        await self._bus.emit(subjects.NODE_REPORTED, self._report())

    async def stop(self) -> None:
        """End and say goodbye."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        info = self._report().info
        await self._bus.emit(subjects.NODE_LEFT, NodeLeft(node=info.node, kind=info.kind))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S * (0.9 + random.random() * 0.2))
            await self.beat()
