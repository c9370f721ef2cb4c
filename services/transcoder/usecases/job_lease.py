"""The lease on one media job, and the record in which the node that holds it says what comes of the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.ids import JobKind, NodeId, job_key
from rillcast.contracts.records import RenditionRecord, TrackRecord
from rillcast.node.metrics import LEASE_NO_RECORD
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder.ports import Clock, KeyValue

log = get_logger(__name__)


class JobLease:
    """The lease of one job, from its creation to `release`. Call `claim` first, and `keep` if it was won."""

    def __init__(
        self,
        store: KeyValue,
        *,
        kind: JobKind,
        node: NodeId,
        live: LiveStream,
        tracks: Callable[[], tuple[TrackRecord, ...]],
        clock: Clock,
        lease_s: float,
    ) -> None:
        """`live`: the stream, whose epoch at this moment is the job's. `tracks`: see `Work.tracks`."""
        self.key = job_key(live.key, kind)
        self.epoch = live.epoch
        self._claimed = RenditionRecord(app=live.app, stream=live.stream, epoch=live.epoch, owner=node, kind=kind)
        self._tracks = tracks
        self._store = store
        self._clock = clock
        self._lease_s = lease_s
        self._keeper = self._claiming(None)
        self._keeping: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours, as far as this node knows."""
        return self._keeper.lease.held

    async def claim(self) -> bool:
        """Take it: False when another node has it. What lies there and is no record is overwritten. Raises
        STORE_UNAVAILABLE."""
        if await self._keeper.claim():
            return True
        entry = await self._store.get(self.key)
        if entry is None or entry.value is None or not self._is_no_record(entry.value):
            return False
        LEASE_NO_RECORD.inc()
        self._keeper = self._claiming(entry.revision)
        return await self._keeper.claim()

    def keep(self, on_lost: Callable[[], None]) -> None:
        """Write the record in time, on the side, until `release`. `on_lost` is called if another node has the lease, or
        if keeping it fails by a fault of ours, which `release` raises."""
        self._keeping = asyncio.create_task(self._keep(on_lost))

    def announce(self) -> None:
        """The tracks are others: write the record now."""
        self._keeper.hurry()

    async def release(self) -> None:
        """Give it back, at most once. Best effort: it expires anyway."""
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            return
        await cancelled(keeping)
        await self._keeper.release()
        if not keeping.cancelled():
            keeping.result()

    async def _keep(self, on_lost: Callable[[], None]) -> None:
        try:
            await self._keeper.keep()
        except Exception:
            on_lost()
            raise
        log.warning("Another node has the job, this one stands down", key=self.key, owner=self._keeper.lost_to)
        on_lost()

    def _claiming(self, replace_revision: int | None) -> LeaseKeeper:
        return LeaseKeeper(
            self._store,
            self.key,
            Lease(self._lease_s, self._clock(), replace_revision=replace_revision),
            record_of=self._record,
            other_owner=self._other_owner,
            on_no_record=LEASE_NO_RECORD.inc,
            clock=self._clock,
        )

    def _is_no_record(self, value: bytes) -> bool:
        try:
            self._other_owner(value)
        except Undecodable:
            return True
        return False

    def _record(self, _epoch: int, _since_epoch: int) -> bytes:
        return msgspec.json.encode(msgspec.structs.replace(self._claimed, tracks=self._tracks()))

    def _other_owner(self, value: bytes) -> NodeId | None:
        record, claimed = decode_json(value, RenditionRecord), self._claimed
        if (record.app, record.stream, record.kind) != (claimed.app, claimed.stream, claimed.kind):
            raise Undecodable(f"a record of another job than {self.key}")
        ours = record.owner == claimed.owner and record.epoch == self.epoch
        return None if ours else record.owner
