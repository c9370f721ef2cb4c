"""Puts events into the queue of the cluster, from which one instance delivers them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.hook_records import DueHook
from rillcast.contracts.ids import AppName, StreamId
from rillcast.runtime.ports import WorkQueue
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.ports import Apps, Broadcasts
from services.signaling.hooks.domain.lines import line_of

log = get_logger(__name__)

MAX_LATE = 10_000
"""Events of viewers that wait here while the queue does not take them in."""
RETRY_S = 1.0


class Outbox:
    """One per signaling instance."""

    def __init__(self, queue: WorkQueue, apps: Apps, broadcasts: Broadcasts, wake: Callable[[], None]) -> None:
        """`wake`: called when something was put in."""
        self._queue = queue
        self._apps = apps
        self._broadcasts = broadcasts
        self._wake = wake
        self._late: deque[tuple[DueHook, str]] = deque()
        self._has_late = asyncio.Event()

    def url_of(self, app: AppName, stream: StreamId, own: str = "") -> str:
        """Who is told of a stream; empty = nobody. `own`: what the stream had for itself, in case that its broadcast is
        gone."""
        record, settings = self._broadcasts.get(app, stream), self._apps.settings(app)
        url = record.listener_hook_url if record is not None else own
        return url or (settings.listener_hook_url if settings is not None else "")

    async def put(self, hook: DueHook, about: str) -> None:
        """Have the receiver told. `about`: what must stay in order. Raises STORE_UNAVAILABLE."""
        if not hook.url:
            return
        if await self._queue.put(line_of(hook.url, about), msgspec.json.encode(hook), hook.id):
            self._wake()
            return
        metrics.HOOKS_DROPPED.labels("full").inc()
        log.warning("As many events wait for a webhook as may, so that one is dropped", app=hook.app)

    def put_soon(self, hook: DueHook, about: str) -> None:
        """The same, without waiting for the store."""
        if not hook.url:
            return
        if len(self._late) >= MAX_LATE:
            metrics.HOOKS_DROPPED.labels("store").inc()
            return
        self._late.append((hook, about))
        self._has_late.set()

    async def run(self) -> NoReturn:
        """Put in what is to be put in soon, until cancelled."""
        while True:
            await self._has_late.wait()
            self._has_late.clear()
            while self._late:
                try:
                    await self.put(*self._late[0])
                except RillcastError as error:
                    log.info("Events for webhooks wait for the store", waiting=len(self._late), reason=error.loggable)
                    await asyncio.sleep(RETRY_S)
                else:
                    self._late.popleft()
