"""Carries out the steps of a `Lease` in the store: claims the key, rewrites it in time, gives it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from rillcast.cluster.lease import Lease, Step
from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import new_claim_id
from rillcast.runtime.ports import Entry, KeyValue

RecordOf = Callable[[Epoch], bytes]
"""Makes the record to write, of this epoch."""
WrittenBy = Callable[[bytes, int], tuple[str, Epoch]]
"""The name of the owner that wrote a record, and its epoch; from the record and its revision. Raises `Undecodable` for
what is no record of this key at all."""
WallClock = Callable[[], int]
"""Tells the Unix time in milliseconds."""


class LeaseKeeper:
    """One key held by this process."""

    def __init__(
        self,
        store: KeyValue,
        key: str,
        lease: Lease,
        *,
        record_of: RecordOf,
        written_by: WrittenBy,
        on_no_record: Callable[[], None],
        on_forgotten: Callable[[], None],
        clock: Callable[[], float],
        wall_ms: WallClock,
    ) -> None:
        """`on_no_record` is called whenever something lies under the key that is no record of it, before that is
        overwritten or removed. `on_forgotten` is called when the store shows less than was written here (see
        `Lease.forgotten`), before the key is claimed anew."""
        self._store = store
        self._key = key
        self._record_of = record_of
        self._written_by = written_by
        self._on_no_record = on_no_record
        self._on_forgotten = on_forgotten
        self._clock = clock
        self._wall_ms = wall_ms
        self._hurried = asyncio.Event()
        self.lease = lease
        self.lost_to = ""
        """The other owner to whom the lease was lost, once it is."""

    async def claim(self) -> bool:
        """Take the key: False when another has it. Raises STORE_UNAVAILABLE."""
        while not self.lease.held and not self.lease.lost:
            await self._take(self.lease.next_step(self._clock()))
        return self.lease.held

    async def keep(self) -> None:
        """Rewrite the key in time, until the lease is lost or this is cancelled. It goes on while the store is away."""
        while not self.lease.lost:
            self._hurried.clear()
            await self.step()
            wait_s = self.lease.due - self._clock()
            if wait_s > 0 and not self.lease.lost:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):  # not wait_for: in Python 3.11 it can swallow a cancellation
                        await self._hurried.wait()

    async def step(self) -> None:
        """Take the step that is due, if any."""
        try:
            await self._take(self.lease.next_step(self._clock()))
        except RillcastError:
            self.lease.unreachable(self._clock())

    async def release(self) -> None:
        """Delete the key, unless another process has it by now. A failure does no harm, since the key expires
        anyway. Cancel `keep` first."""
        if self.lease.lost:
            return
        with suppress(RillcastError):
            if await self._store.delete(self._key, self.lease.revision):
                return
            entry = await self._store.get(self._key)
            if entry is not None and entry.value is not None and self._may_remove(entry.value, entry.revision):
                await self._store.delete(self._key, entry.revision)

    def hurry(self) -> None:
        """The record has changed: write it soon (see `Lease.hurry`)."""
        self.lease.hurry(self._clock())
        self._hurried.set()

    def renew(self) -> None:
        """Claim the key again with another id, so that everything granted under the present one becomes void."""
        self.lease.renew(new_claim_id(), self._clock())
        self._hurried.set()

    def observed(self, owner: str, epoch: Epoch) -> None:
        """The change feed showed a record for the key, which this owner wrote."""
        self._note(owner, lambda: self.lease.observed(epoch, now=self._clock()))
        self._hurried.set()

    async def _take(self, step: Step) -> None:
        lease, store, key = self.lease, self._store, self._key
        match step:
            case Step.CREATE:
                claim = self._record_of(lease.propose(self._wall_ms()))
                lease.claimed(await store.create(key, claim), self._clock())
            case Step.REPLACE:
                claim = self._record_of(lease.propose(self._wall_ms()))
                lease.claimed(await store.update(key, claim, lease.revision), self._clock())
            case Step.REWRITE:
                value = self._record_of(lease.epoch)
                lease.rewritten(await store.update(key, value, lease.revision), self._clock())
            case Step.READ:
                self._found(await store.get(key))
            case Step.WAIT | Step.STOP:
                pass

    def _found(self, entry: Entry | None) -> None:
        if entry is None or entry.value is None:
            self.lease.found(None, None, self._clock())
            return
        revision = entry.revision
        try:
            owner, epoch = self._written_by(entry.value, revision)
        except Undecodable:
            self._on_no_record()
            self.lease.found(revision, None, self._clock())
            return
        before = self.lease.forgotten
        self._note(owner, lambda: self.lease.found(revision, epoch, self._clock()))
        if self.lease.forgotten > before:
            self._on_forgotten()

    def _note(self, owner: str, tell: Callable[[], None]) -> None:
        """Tell the lease of a record of this owner. If it is lost by that, it is lost to this owner."""
        lost = self.lease.lost
        tell()
        if self.lease.lost and not lost:
            self.lost_to = owner

    def _may_remove(self, value: bytes, revision: int) -> bool:
        try:
            _, epoch = self._written_by(value, revision)
        except Undecodable:
            self._on_no_record()
            return True
        return self.lease.owns(epoch)
