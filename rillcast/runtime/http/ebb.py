"""Gives memory back to the system after a flood of connections.

A connection with TLS takes some 70 KB, in hundreds of small blocks. When it is closed they are free, but the C library
gives memory back at the end of its heap only, and there is always something that lives on. `malloc_trim` gives back
every page that is free, in some 20 ms for 100 MB. So it is called seldom, and only when many connections have ended.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

MANY = 500
"""Connections that have ended since memory was given back."""
DELAY_S = 30.0
"""From so many until memory is given back, so that it does not happen more often either."""


def trim() -> None:
    """Give back what is free. Does nothing where the C library is not glibc."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


class Ebb:
    """Counts the connections of one listener that end, and asks for their memory back."""

    def __init__(self, give_back: Callable[[], None] = trim) -> None:
        self._give_back = give_back
        self._ended = 0
        self._timer: asyncio.TimerHandle | None = None

    def ended(self) -> None:
        """One connection has ended."""
        self._ended += 1
        if self._ended >= MANY and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY_S, self._end)

    def close(self) -> None:
        """The listener has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        self._timer = None
        log.debug("Gives memory back", connections=self._ended)
        self._ended = 0
        self._give_back()
