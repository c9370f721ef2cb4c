"""A `Journal` in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.permissions import Journal
from rillcast.runtime.ports import Noted


class FakeJournal:
    """See `rillcast.runtime.ports.Journal`. Set `available` to False for an outage."""

    def __init__(self, row: Journal) -> None:
        self.row = row
        self.available = True
        self.entries: deque[Noted] = deque(maxlen=row.most)
        self._names: set[str] = set()
        self._place = 0
        self._more = asyncio.Event()

    async def append(self, value: bytes, name: str = "") -> None:
        """See `Journal.append`."""
        self._reach()
        if len(value) > self.row.most_bytes_each - 1_024:
            raise ValueError(f"too large for the journal: {len(value)} bytes")
        if name and name in self._names:
            return
        self._names.add(name)
        self._place += 1
        self.entries.append(Noted(self._place, value))
        more, self._more = self._more, asyncio.Event()
        more.set()

    async def bounds(self) -> tuple[int, int]:
        """See `Journal.bounds`."""
        self._reach()
        return self._place - len(self.entries) + 1, self._place

    @asynccontextmanager
    async def follow(self, after: int) -> AsyncIterator[AsyncIterator[Noted]]:
        """See `Journal.follow`."""
        yield self._from(after)

    async def _from(self, after: int) -> AsyncIterator[Noted]:
        while True:
            more = self._more
            for entry in [entry for entry in self.entries if entry.place > after]:
                after = entry.place
                yield entry
            await more.wait()

    def _reach(self) -> None:
        if not self.available:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the journal is away")
