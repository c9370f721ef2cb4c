"""One thing at a time per key, for any number of keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TooManyWait(Exception):
    """No more may wait for this key at present."""


class KeyLocks:
    """Locks that exist as long as somebody holds them or waits for them."""

    def __init__(self, most_waiting: int | None = None) -> None:
        """`most_waiting`: how many may wait for one key; None = any number."""
        self._most_waiting = most_waiting
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Wait for those before, and keep the others waiting. Raises `TooManyWait`."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        if self._most_waiting is not None and users > self._most_waiting:
            raise TooManyWait(key)
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)
