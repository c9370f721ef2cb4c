"""A `WorkQueue` in memory."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.permissions import Queue
from rillcast.runtime.ports import Queued


class FakeQueue:
    """See `rillcast.runtime.ports.WorkQueue`. Set `available` to False for an outage."""

    def __init__(self, row: Queue) -> None:
        self.row = row
        self.available = True
        self._waiting: dict[int, tuple[str, bytes]] = {}
        self._names: set[str] = set()
        self._place = 0

    async def put(self, line: str, value: bytes, name: str) -> bool:
        """See `WorkQueue.put`."""
        self._reach()
        if len(value) > self.row.most_bytes_each - 1_024:
            raise ValueError(f"too large for the queue: {len(value)} bytes")
        if name in self._names:
            return True
        in_line = sum(1 for where, _ in self._waiting.values() if where == line)
        if len(self._waiting) >= self.row.most or in_line >= self.row.most_in_line:
            return False
        self._names.add(name)
        self._place += 1
        self._waiting[self._place] = (line, value)
        return True

    async def first(self, line: str, after: int = 0) -> Queued | None:
        """See `WorkQueue.first`."""
        self._reach()
        found = (Queued(at, value) for at, (where, value) in self._waiting.items() if where == line and at > after)
        return next(found, None)

    async def done(self, place: int) -> None:
        """See `WorkQueue.done`."""
        self._reach()
        self._waiting.pop(place, None)

    async def lines(self) -> dict[str, int]:
        """See `WorkQueue.lines`."""
        self._reach()
        found: dict[str, int] = {}
        for line, _ in self._waiting.values():
            found[line] = found.get(line, 0) + 1
        return found

    def _reach(self) -> None:
        if not self.available:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the queue is away")
