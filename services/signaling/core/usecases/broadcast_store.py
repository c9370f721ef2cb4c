"""Keeps a `BroadcastCatalog` up to date from the broadcasts bucket, and writes what REST sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.records import BroadcastRecord
from rillcast.contracts.subjects import BUCKET_BROADCASTS
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog, changed_broadcast
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)


class BroadcastStore:
    """One per signaling instance."""

    def __init__(
        self, bucket: KeyValue, catalog: BroadcastCatalog, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """`wall_clock`: Unix time, for streams that expire."""
        self._wall_clock = wall_clock
        self._bucket = bucket
        self._catalog = catalog
        self._changes = KeyChanges(bucket, busy="the broadcast is being changed by others")

    async def load(self) -> None:
        """Know everything that is in the bucket. Awaited before anybody is let in. Raises STORE_UNAVAILABLE."""
        for entry in await self._bucket.entries():
            self._apply(entry)

    async def run(self) -> NoReturn:
        """Follow the bucket until cancelled."""
        await follow(self._bucket, self._apply, name=BUCKET_BROADCASTS)

    async def create(self, app: AppName, stream: StreamId, patch: Patch[BroadcastRecord]) -> BroadcastRecord | None:
        """A broadcast that isn't there yet; None when it is. Raises `RillcastError`, and what `changed_broadcast`
        does."""
        record = self._new(stream, patch)
        key, value = stream_key(app, stream), msgspec.json.encode(record)
        revision = await self._bucket.create(key, value)
        if revision is None:
            return None
        self._apply(Entry(key, value, revision))
        return record

    async def change(self, app: AppName, stream: StreamId, patch: Patch[BroadcastRecord], *, live: bool) -> bool:
        """Merge what was posted into a broadcast's record; one that is `live` needs none to begin with. False when
        there is no such broadcast. Raises as `create`."""

        def changed(value: bytes | None) -> bytes | None:
            if value is None:
                return msgspec.json.encode(self._new(stream, patch)) if live else None
            return msgspec.json.encode(self._dated(changed_broadcast(_current(value, stream), patch)))

        entry = await self._changes.change(stream_key(app, stream), changed)
        if entry is not None:
            self._apply(entry)
        return entry is not None

    async def delete(self, app: AppName, stream: StreamId) -> bool:
        """Forget what was set. False when nothing was, or another caller did it. Raises `RillcastError`."""
        deleted = await self._changes.delete(stream_key(app, stream))
        if deleted is not None:
            self._apply(Entry(deleted.key, None, deleted.revision))
        return deleted is not None

    def _new(self, stream: StreamId, patch: Patch[BroadcastRecord]) -> BroadcastRecord:
        if self._catalog.full:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "there are as many broadcasts as the cluster keeps")
        return self._dated(changed_broadcast(BroadcastRecord(stream_id=stream), patch))

    def _dated(self, record: BroadcastRecord) -> BroadcastRecord:
        """A stream expires some time after it was created, or, if that was not told, after that was set."""
        if record.expire_duration_ms and not record.date:
            record = msgspec.structs.replace(record, date=int(self._wall_clock() * 1_000))
        return record

    def _apply(self, entry: Entry) -> None:
        if not self._catalog.apply(entry):
            metrics.BROADCAST_RECORDS_REFUSED.inc()
            log.warning("A broadcast in the store makes no sense and is ignored", stream=entry.key)


def _current(value: bytes, stream: StreamId) -> BroadcastRecord:
    """What can't be read counts as nothing set, so that it can be mended."""
    try:
        return decode_json(value, BroadcastRecord)
    except Undecodable:
        return BroadcastRecord(stream_id=stream)
