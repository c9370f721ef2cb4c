"""The events that a node sends about its sessions and streams, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from rillcast.runtime.ports import Bus

MAX_WAITING_EVENTS = 20_000


class Outbox:
    """Sends events in the order in which they happened. When it is full, the oldest one goes, and `on_drop` is
    called."""

    def __init__(self, bus: Bus, on_drop: Callable[[], None]) -> None:
        self._bus = bus
        self._on_drop = on_drop
        self._waiting: deque[tuple[str, msgspec.Struct]] = deque()
        self._some = asyncio.Event()
        self._sending = asyncio.Lock()
        """It is held from taking an event out to having sent it. Otherwise two senders could change the order."""

    def put(self, subject: str, event: msgspec.Struct) -> None:
        """Send an event soon, without waiting for it. If too many wait already, the oldest one is dropped."""
        if len(self._waiting) >= MAX_WAITING_EVENTS:
            self._waiting.popleft()
            self._on_drop()
        self._waiting.append((subject, event))
        self._some.set()

    async def run(self) -> None:
        """Send whatever is put, until cancelled. Belongs to a supervised task."""
        while True:
            await self._some.wait()
            await self.flush()

    async def flush(self) -> None:
        """Send everything that waits; returns when also what `run` took out before is sent."""
        async with self._sending:
            self._some.clear()
            while self._waiting:
                subject, event = self._waiting.popleft()
                await self._bus.emit(subject, event)
