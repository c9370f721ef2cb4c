"""A `KeyValue` in memory, with expiry on a clock that tests can turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.bus.envelope import RETRY_AFTER_S
from rillcast.runtime.ports import Entry, Snapshot
from rillcast.runtime.store.nats_kv import check_key


class FakeKeyValue:
    """See `rillcast.runtime.ports.KeyValue`. Set `available` to False for an outage, call `lose_state` for a store that
    came back empty, `roll_back` for one that returned to an earlier state, `interrupt` for a reconnect."""

    def __init__(
        self,
        bucket: str = "fake",
        ttl_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        first_revision: int = 1,
    ) -> None:
        self.bucket = bucket
        self.heard = 1
        """See `KeyValue.heard`; tests may set it."""
        self._up = asyncio.Event()
        self._up.set()
        self.writes: list[tuple[str, bytes | None]] = []
        self._ttl_s = ttl_s
        self._clock = clock
        self._revision = first_revision - 1
        self._entries: dict[str, tuple[Entry, float]] = {}
        self._history: list[tuple[Entry, float]] = []
        self._watchers: set[asyncio.Queue[Entry | None]] = set()

    @property
    def available(self) -> bool:
        """Whether the store can be reached."""
        return self._up.is_set()

    @available.setter
    def available(self, value: bool) -> None:
        if value:
            self._up.set()
        else:
            self._up.clear()

    async def get(self, key: str) -> Entry | None:
        """See `KeyValue.get`."""
        self._reach(key)
        entry = self._current(key)
        return entry if entry is not None and entry.value is not None else None

    async def create(self, key: str, value: bytes) -> int | None:
        """See `KeyValue.create`."""
        self._reach(key)
        current = self._current(key)
        return None if current is not None and current.value is not None else self._write(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        """See `KeyValue.update`."""
        self._reach(key)
        return self._write(key, value) if self._is_current(key, revision) else None

    async def put(self, key: str, value: bytes) -> int:
        """See `KeyValue.put`."""
        self._reach(key)
        return self._write(key, value)

    async def delete(self, key: str, revision: int | None = None) -> int | None:
        """See `KeyValue.delete`."""
        self._reach(key)
        current = self._current(key)
        if revision is not None and not self._is_current(key, revision):
            return None
        gone = current is None or current.value is None
        return 0 if gone and revision is None else self._write(key, None)

    async def entries(self) -> list[Entry]:
        """See `KeyValue.entries`."""
        self._reach()
        return [entry for entry in self._present() if entry.value is not None]

    async def snapshot(self) -> Snapshot:
        """See `KeyValue.snapshot`."""
        return Snapshot(await self.entries(), self._revision)

    @asynccontextmanager
    async def watch(self, after: int = 0) -> AsyncIterator[AsyncIterator[Entry]]:
        """See `KeyValue.watch`."""
        queue: asyncio.Queue[Entry | None] = asyncio.Queue()
        self._watchers.add(queue)

        async def follow() -> AsyncIterator[Entry]:
            knows, begin = after > 0, after
            while True:
                await self._up.wait()
                while not queue.empty():
                    begin = begin if queue.get_nowait() is not None else 0
                begin = begin if begin <= self._revision else 0
                for entry in self._present():
                    if entry.revision > begin and (knows or entry.value is not None):
                        yield entry
                while (change := await queue.get()) is not None:
                    yield change
                knows, begin = True, 0

        try:
            yield follow()
        finally:
            self._watchers.discard(queue)

    # ---- for tests

    def interrupt(self) -> None:
        """A reconnect: watchers get the present entries again."""
        for queue in self._watchers:
            queue.put_nowait(None)

    @property
    def revision(self) -> int:
        """The newest revision that was given out and not taken back: where `roll_back` may return to."""
        return self._revision

    def roll_back(self, revision: int) -> None:
        """The store returned to its state after the write of this revision, and gives out those above it again. What
        was written since then is forgotten, and what has expired since then stays so. Raises ValueError for a revision
        that lies before the loss of all state, or ahead."""
        first = self._history[0][0].revision if self._history else self._revision + 1
        if not first - 1 <= revision <= self._revision:
            raise ValueError(f"the store never was at revision {revision}")
        del self._history[revision - first + 1 :]
        self._entries = {entry.key: (entry, written_at) for entry, written_at in self._history}
        self._revision = revision
        self.interrupt()

    def lose_state(self) -> None:
        """The store came back empty; revisions keep growing."""
        self._entries.clear()
        self._history.clear()
        self._revision += 1_000
        self.interrupt()

    # ---- inside

    def _reach(self, key: str | None = None) -> None:
        if key is not None:
            check_key(key)
        if not self.available:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, f"store {self.bucket}: the bus is down", RETRY_AFTER_S)

    def _current(self, key: str) -> Entry | None:
        found = self._entries.get(key)
        if found is None:
            return None
        entry, written_at = found
        if self._ttl_s is not None and self._clock() - written_at >= self._ttl_s:
            del self._entries[key]
            return None
        return entry

    def _is_current(self, key: str, revision: int) -> bool:
        current = self._current(key)
        return (current.revision if current is not None else 0) == revision

    def _present(self) -> list[Entry]:
        found = [self._current(key) for key in list(self._entries)]
        return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.revision)

    def _write(self, key: str, value: bytes | None) -> int:
        self._revision += 1
        entry = Entry(key=key, value=value, revision=self._revision)
        self._entries[key] = (entry, self._clock())
        self._history.append(self._entries[key])
        self.writes.append((key, value))
        for queue in self._watchers:
            queue.put_nowait(entry)
        return self._revision
