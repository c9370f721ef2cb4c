"""Short tasks a service starts on the side of its handlers, and its outgoing events, both bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine

import msgspec

from rillcast.runtime.ports import Bus

log = logging.getLogger(__name__)

MAX_WAITING_EVENTS = 20_000


class BackgroundTasks:
    """Keeps tasks referenced; one that fails is logged, the others go on."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run on the side."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def settle(self) -> None:
        """Wait until nothing runs any more. For tests and orderly ends."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Cancel what still runs."""
        for task in self._tasks:
            task.cancel()
        await self.settle()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A background task failed: %s", task.get_name(), exc_info=error)


class Outbox:
    """Events in the order they happened, sent by one task. Full: the oldest goes, and `on_drop` is called."""

    def __init__(self, bus: Bus, on_drop: Callable[[], None]) -> None:
        self._bus = bus
        self._on_drop = on_drop
        self._waiting: deque[tuple[str, msgspec.Struct]] = deque()
        self._some = asyncio.Event()

    def put(self, subject: str, event: msgspec.Struct) -> None:
        """Send soon."""
        if len(self._waiting) >= MAX_WAITING_EVENTS:
            self._waiting.popleft()
            self._on_drop()
        self._waiting.append((subject, event))
        self._some.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            await self.flush()

    async def flush(self) -> None:
        """Send everything that waits."""
        self._some.clear()
        while self._waiting:
            subject, event = self._waiting.popleft()
            await self._bus.emit(subject, event)
