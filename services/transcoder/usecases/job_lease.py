"""The lease on one media job, and the record in which the node that holds it says what comes of the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.epochs import Epoch, epoch_of
from rillcast.contracts.ids import JobKind, NodeId, job_key, new_claim_id
from rillcast.contracts.records import RenditionRecord, TrackRecord
from rillcast.node.metrics import LEASE_FORGOTTEN, LEASE_NO_RECORD
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder.ports import Clock, KeyValue, WallClock

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
        wall_ms: WallClock,
        lease_s: float,
    ) -> None:
        """`live`: the stream, whose claim at this moment the job is bound to. `tracks`: see `Work.tracks`."""
        self.key = job_key(live.key, kind)
        self.stream_claim = live.epoch.claim
        self._claimed = RenditionRecord(
            app=live.app, stream=live.stream, epoch=0, owner=node, stream_claim=self.stream_claim, kind=kind
        )
        self._tracks = tracks
        self._store = store
        self._clock = clock
        self._wall_ms = wall_ms
        self._lease_s = lease_s
        self._above = max((job.epoch for job in live.renditions if job.kind == kind), default=0)
        self._keeper = self._claiming(None)
        self._keeping: asyncio.Task[None] | None = None

    @property
    def epoch(self) -> Epoch:
        """That of the lease on the job."""
        return self._keeper.lease.epoch

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
        if entry is None or entry.value is None or not self._is_no_record(entry.value, entry.revision):
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
        log.info("Another node has the job, this one stands down", key=self.key, owner=self._keeper.lost_to)
        on_lost()

    def _claiming(self, replace_revision: int | None) -> LeaseKeeper:
        return LeaseKeeper(
            self._store,
            self.key,
            Lease(self._lease_s, self._clock(), new_claim_id(), above=self._above, replace_revision=replace_revision),
            record_of=self._record,
            written_by=self._written_by,
            on_no_record=LEASE_NO_RECORD.inc,
            on_forgotten=LEASE_FORGOTTEN.inc,
            clock=self._clock,
            wall_ms=self._wall_ms,
        )

    def _is_no_record(self, value: bytes, revision: int) -> bool:
        try:
            self._written_by(value, revision)
        except Undecodable:
            return True
        return False

    def _record(self, epoch: Epoch) -> bytes:
        says = {"epoch": epoch.number, "claim": epoch.claim, "tracks": self._tracks()}
        return msgspec.json.encode(msgspec.structs.replace(self._claimed, **says))

    def _written_by(self, value: bytes, revision: int) -> tuple[NodeId, Epoch]:
        record, claimed = decode_json(value, RenditionRecord), self._claimed
        if (record.app, record.stream, record.kind) != (claimed.app, claimed.stream, claimed.kind):
            raise Undecodable(f"a record of another job than {self.key}")
        return record.owner, epoch_of(record, revision)
