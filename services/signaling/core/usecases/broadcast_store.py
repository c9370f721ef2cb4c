"""Keeps a `BroadcastCatalog` up to date from the broadcasts bucket, and writes what REST sets."""

from __future__ import annotations

import asyncio

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.records import BroadcastRecord
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.telemetry import get_logger
from services.signaling import metrics
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog, changed_broadcast

log = get_logger(__name__)

REWATCH_S = 1.0
ATTEMPTS = 5


class BroadcastStore:
    """One per signaling instance."""

    def __init__(self, bucket: KeyValue, catalog: BroadcastCatalog) -> None:
        self._bucket = bucket
        self._catalog = catalog

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                async with self._bucket.watch() as entries:
                    async for entry in entries:
                        if not self._catalog.apply(entry):
                            metrics.BROADCAST_RECORDS_REFUSED.inc()
                            log.warning("A broadcast in the store makes no sense and is ignored", stream=entry.key)
            except RillcastError as error:
                log.info("Broadcasts can't be watched right now", reason=error.message)
            await asyncio.sleep(REWATCH_S)

    async def create(self, app: AppName, stream: StreamId, patch: Patch[BroadcastRecord]) -> BroadcastRecord | None:
        """A broadcast that isn't there yet; None when it is. Raises `RillcastError`, and what `changed_broadcast`
        does."""
        if self._catalog.full:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "there are as many broadcasts as the cluster keeps")
        record = changed_broadcast(BroadcastRecord(stream_id=stream), patch)
        key, value = stream_key(app, stream), msgspec.json.encode(record)
        revision = await self._bucket.create(key, value)
        if revision is None:
            return None
        self._catalog.apply(Entry(key, value, revision))
        return record

    async def change(
        self, app: AppName, stream: StreamId, patch: Patch[BroadcastRecord], *, live: bool
    ) -> BroadcastRecord | None:
        """Merge what was posted into a broadcast's record; one that is `live` needs none to begin with. None when there
        is no such broadcast. Raises as `create`."""
        key = stream_key(app, stream)
        for _ in range(ATTEMPTS):
            entry = await self._bucket.get(key)
            if entry is None or entry.value is None:
                if not live:
                    return None
                created = await self.create(app, stream, patch)
                if created is not None:
                    return created
                continue
            changed = changed_broadcast(_decoded(entry.value, stream), patch)
            value = msgspec.json.encode(changed)
            revision = await self._bucket.update(key, value, entry.revision)
            if revision is not None:
                self._catalog.apply(Entry(key, value, revision))
                return changed
        raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the broadcast is being changed by others", 1.0)

    async def delete(self, app: AppName, stream: StreamId) -> bool:
        """Forget what was set. False when nothing was."""
        key = stream_key(app, stream)
        entry = await self._bucket.get(key)
        if entry is None or entry.value is None:
            return False
        await self._bucket.delete(key)
        self._catalog.apply(Entry(key, None, entry.revision))
        return True


def _decoded(value: bytes, stream: StreamId) -> BroadcastRecord:
    """What can't be read counts as nothing set, so that it can be mended."""
    try:
        return msgspec.json.decode(value, type=BroadcastRecord)
    except msgspec.MsgspecError:
        return BroadcastRecord(stream_id=stream)
