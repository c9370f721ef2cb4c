"""Telling others when a node begins or ceases to take new work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from rillcast.runtime.process.readiness import Readiness

PAUSE_S = 0.1
"""Between two announcements of a readiness that flaps."""


class ReadinessNews:
    """Notices each change from the moment when it is made."""

    def __init__(self, readiness: Readiness) -> None:
        self._changed = asyncio.Event()
        readiness.on_change(self._changed.set)

    async def keep_telling(self, tell: Callable[[], Awaitable[None]]) -> NoReturn:
        """Call `tell` after each change, for ever: who waits for a node shall not wait for its next heartbeat, or for
        the next check of it."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await tell()
            await asyncio.sleep(PAUSE_S)
