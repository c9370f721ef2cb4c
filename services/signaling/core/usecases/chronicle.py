"""Writes events into the journal of the cluster: in batches, so that a join costs next to nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple, NoReturn

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.event_records import EVENTS_IN_ENTRY, MOST_ENTRY_BYTES, ClusterEvent, EventKind
from rillcast.runtime.ports import Journal
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics

log = get_logger(__name__)

MOST_WAITING = 10_000
"""Events that wait here while the journal does not take them in; further ones are dropped."""
MOST_WAITING_BYTES = 8 * 1024 * 1024
"""The same, in bytes of JSON."""
GATHER_S = 1.0
"""How long an event waits for others to go with it."""
RETRY_S = 1.0
LATEST_RETRY_S = 30.0
"""Between two tries, when many have failed."""
LAST_S = 0.4
"""How long a process that ends still tries to write what waits. A task that takes longer is cancelled once more."""
REFUSALS_PER_S = 20.0
"""Refused joins of this instance that are kept, on average: whoever knocks for ever shall not push out all others."""
REFUSAL_BURST = 200.0


class _Entry(NamedTuple):
    """What goes into the journal at once."""

    value: bytes
    name: str
    events: int


class Chronicle:
    """One per signaling instance."""

    def __init__(self, journal: Journal, source: str) -> None:
        """`source`: of this process alone; its entries are named by it."""
        self._journal = journal
        self._source = source
        self._clock = asyncio.get_running_loop().time
        self._waiting: deque[tuple[bytes, str]] = deque()
        self._bytes = 0
        self._entry: _Entry | None = None
        """What is being written. It stays as it is until the journal has it, so that it is there once."""
        self._entries = 0
        self._some = asyncio.Event()
        self._refusals = REFUSAL_BURST
        self._refused_at = self._clock()

    def note(self, event: ClusterEvent, name: str = "") -> None:
        """Have it written soon. `name`: of an event that all instances notice, and that is to be written once."""
        if event.kind is EventKind.JOIN_REFUSED and not self._room_for_refusal():
            metrics.EVENTS_DROPPED.labels("refusals").inc()
            return
        value = msgspec.json.encode(event)
        if len(self._waiting) >= MOST_WAITING or self._bytes + len(value) > MOST_WAITING_BYTES:
            metrics.EVENTS_DROPPED.labels("full").inc()
        elif len(value) > MOST_ENTRY_BYTES - 2:
            metrics.EVENTS_DROPPED.labels("too_large").inc()
        else:
            self._waiting.append((value, name))
            self._bytes += len(value)
            self._some.set()

    def __len__(self) -> int:
        """Events that wait."""
        return len(self._waiting) + (self._entry.events if self._entry is not None else 0)

    async def run(self) -> NoReturn:
        """Write what is to be written, until cancelled; then what still waits, if the store takes it at once."""
        try:
            while True:
                await self._some.wait()
                await asyncio.sleep(GATHER_S)
                self._some.clear()
                await self._write_all()
        except asyncio.CancelledError:
            await self._write_last()
            raise

    async def _write_all(self) -> None:
        failures = 0
        while self._next():
            try:
                await self._write()
            except RillcastError as error:
                failures += 1
                if failures == 1:
                    log.warning("Events wait for the store", waiting=len(self), reason=error.loggable)
                await asyncio.sleep(min(LATEST_RETRY_S, RETRY_S * 2 ** min(failures - 1, 10)))
            else:
                if failures:
                    log.info("The store takes events again", waiting=len(self))
                failures = 0

    async def _write_last(self) -> None:
        try:
            async with asyncio.timeout(LAST_S):
                while self._next():
                    await self._write()
        except (RillcastError, TimeoutError) as error:
            metrics.EVENTS_DROPPED.labels("ended").inc(len(self))
            log.warning("The last events were not written", lost=len(self), reason=str(error) or "it took too long")

    async def _write(self) -> None:
        """Raises `RillcastError`; then the same entry is written the next time."""
        entry = self._entry
        assert entry is not None
        await self._journal.append(entry.value, entry.name)
        self._entry = None
        metrics.EVENTS_WRITTEN.inc(entry.events)

    def _next(self) -> bool:
        """Whether there is something to write."""
        if self._entry is None and self._waiting:
            self._entry = self._gather()
        return self._entry is not None

    def _gather(self) -> _Entry:
        """The next that can go together: one with a name goes by itself."""
        parts: list[bytes] = []
        name, size = "", 2
        while self._waiting and not name and len(parts) < EVENTS_IN_ENTRY:
            value, named = self._waiting[0]
            if parts and (named or size + len(value) + 1 > MOST_ENTRY_BYTES):
                break
            self._waiting.popleft()
            self._bytes -= len(value)
            parts.append(value)
            size += len(value) + 1
            name = named
        self._entries += 1
        return _Entry(b"[" + b",".join(parts) + b"]", name or f"{self._source}/{self._entries}", len(parts))

    def _room_for_refusal(self) -> bool:
        now = self._clock()
        self._refusals = min(REFUSAL_BURST, self._refusals + (now - self._refused_at) * REFUSALS_PER_S)
        self._refused_at = now
        if self._refusals < 1:
            return False
        self._refusals -= 1
        return True
