"""Work a service does on the side of its handlers, all bounded."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Coroutine
from typing import NamedTuple

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime import metrics
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

MAX_RUNNING = 50_000
"""Tasks of `start`. What they belong to (sockets, streams, relays) has lower limits; this is the last one."""
AT_ONCE = 200
"""Tasks of `queue` that run at once: a fifth of what one node answers at once."""
MAX_WAITING = 50_000
"""Tasks of `queue` that wait for their turn: more than a node has clients."""

Work = Coroutine[None, None, None]


class _Waiting(NamedTuple):
    work: Work
    name: str
    context: contextvars.Context
    """The context of the caller, so that its trace goes on."""


class BackgroundTasks:
    """Keeps tasks referenced; one that fails is logged, the others go on.

    `start` is for what runs at once and may live long, `queue` for short work of which there may suddenly be very much,
    such as telling edges of sessions that ended.
    """

    def __init__(self, *, most: int = MAX_RUNNING, at_once: int = AT_ONCE, waiting: int = MAX_WAITING) -> None:
        self._most = most
        self._at_once = at_once
        self._longest_line = waiting
        self._tasks: set[asyncio.Task[None]] = set()
        self._line: deque[_Waiting] = deque()
        self._served = 0

    def start(self, work: Work, name: str) -> asyncio.Task[None]:
        """Run `work` now. Raises HIGH_RESOURCE_USAGE when too much runs already, and counts that."""
        if len(self._tasks) >= self._most:
            work.close()
            metrics.BACKGROUND_REFUSED.labels("running").inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too much is done on the side already", 1.0)
        return self._run(work, name)

    def queue(self, work: Work, name: str) -> None:
        """Run `work` soon, in the order of the calls, `at_once` of them at a time. When too many wait, it is dropped
        and counted: `work` must be something that the other side can do without, if late."""
        waiting = _Waiting(work, name, contextvars.copy_context())
        if self._served < self._at_once:
            self._serve(waiting)
        elif len(self._line) < self._longest_line:
            self._line.append(waiting)
            metrics.BACKGROUND_WAITING.inc()
        else:
            work.close()
            metrics.BACKGROUND_REFUSED.labels("waiting").inc()

    async def settle(self, timeout_s: float | None = None) -> None:
        """Wait until nothing runs or waits any more, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            log.warning("Work on the side was not done in time", running=len(self._tasks), waiting=len(self._line))

    async def close(self) -> None:
        """Cancel what still runs, drop what waits."""
        while self._line:
            self._next().work.close()
        while self._tasks:
            await cancelled(*self._tasks)
            await asyncio.sleep(0)  # `_done` takes them out

    def _run(self, work: Work, name: str, context: contextvars.Context | None = None) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name, context=context)
        self._tasks.add(task)
        metrics.BACKGROUND_RUNNING.inc()
        task.add_done_callback(self._done)
        return task

    def _serve(self, waiting: _Waiting) -> None:
        self._served += 1
        self._run(waiting.work, waiting.name, waiting.context).add_done_callback(self._was_served)

    def _was_served(self, _task: asyncio.Task[None]) -> None:
        self._served -= 1
        if self._line:
            self._serve(self._next())

    def _next(self) -> _Waiting:
        metrics.BACKGROUND_WAITING.dec()
        return self._line.popleft()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        metrics.BACKGROUND_RUNNING.dec()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.exception("A background task failed", raised=error, task=task.get_name())
