"""Carries out the steps of a `Lease` in the store: claims the key, rewrites it in time, gives it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from rillcast.cluster.lease import Holder, Lease, Step
from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.errors import RillcastError
from rillcast.runtime.ports import KeyValue

RecordOf = Callable[[int, int], bytes]
"""Makes the record to write from (epoch, since_epoch). The epoch is 0 in a write that claims the key, and since_epoch
is 0 when nothing that was given away before is valid any more."""
OtherOwner = Callable[[bytes], str | None]
"""The name of the other owner whose record lies under the key; None for a record that was written for this claim.
Raises `Undecodable` for what is no record of this key at all."""


class LeaseKeeper:
    """One key held by this process."""

    def __init__(
        self,
        store: KeyValue,
        key: str,
        lease: Lease,
        *,
        record_of: RecordOf,
        other_owner: OtherOwner,
        on_no_record: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """`on_no_record` is called whenever something lies under the key that is no record of it, before that is
        overwritten or removed."""
        self._store = store
        self._key = key
        self._record_of = record_of
        self._other_owner = other_owner
        self._on_no_record = on_no_record
        self._clock = clock
        self._hurried = asyncio.Event()
        self.lease = lease
        self.lost_to = ""
        """The other owner to whom the lease was lost, once it is."""

    async def claim(self) -> bool:
        """Take the key: False when another has it. Raises STORE_UNAVAILABLE."""
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
            if entry is not None and entry.value is not None and self._holder(entry.value) is not Holder.OTHER:
                await self._store.delete(self._key, entry.revision)

    def hurry(self) -> None:
        """The record has changed: write it soon (see `Lease.hurry`)."""
        self.lease.hurry(self._clock())
        self._hurried.set()

    def renew_epoch(self) -> None:
        """Claim the key again, so that everything given away in the present epoch becomes void."""
        self.lease.renew_epoch(self._clock())
        self._hurried.set()

    def observed(self, epoch: int, *, other: str | None) -> None:
        """The change feed showed a record for the key: that of the owner `other`, or None for one of ours."""
        if not self.lease.lost:
            self.lost_to = other or ""
        self.lease.observed(epoch, ours=other is None, now=self._clock())
        self._hurried.set()

    async def _take(self, step: Step) -> None:
        lease, store, key = self.lease, self._store, self._key
        match step:
            case Step.CREATE:
                lease.claimed(await store.create(key, self._claim()), self._clock())
            case Step.REPLACE:
                lease.claimed(await store.update(key, self._claim(), lease.revision), self._clock())
            case Step.REWRITE:
                value = self._record_of(lease.epoch, lease.since_epoch)
                lease.rewritten(await store.update(key, value, lease.revision), self._clock())
            case Step.READ:
                entry = await store.get(key)
                if entry is None or entry.value is None:
                    lease.found(None, Holder.NOBODY, self._clock())
                else:
                    lease.found(entry.revision, self._holder(entry.value), self._clock())
            case Step.WAIT | Step.STOP:
                pass

    def _holder(self, value: bytes) -> Holder:
        try:
            other = self._other_owner(value)
        except Undecodable:
            self._on_no_record()
            return Holder.NOBODY
        if other is None:
            return Holder.OURS
        if not self.lease.lost:
            self.lost_to = other
        return Holder.OTHER

    def _claim(self) -> bytes:
        return self._record_of(0, self.lease.still_valid_since)
