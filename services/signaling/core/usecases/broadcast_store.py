"""Keeps a `BroadcastCatalog` up to date from the broadcasts bucket, and writes what REST sets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.broadcast_records import KeptBroadcast, StoredBroadcast
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.subjects import BUCKET_BROADCASTS
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog, changed_broadcast
from services.signaling.core.domain.subtrack_seats import with_seats_of
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.key_changes import RETRY_AFTER_S, KeyChanges
from services.signaling.core.usecases.subtrack_admission import NeedsSeat, SubtrackAdmission

log = get_logger(__name__)

AT_ONCE = 64
"""Deletions that are under way together. More gain nothing: the store answers one after the other."""
MOST_SEATS = 5
"""Main tracks at which a seat is taken for one change, while others give the broadcast another main track each time."""


class BroadcastStore:
    """One per signaling instance."""

    def __init__(
        self, bucket: KeyValue, catalog: BroadcastCatalog, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """`wall_clock`: Unix time, for streams that expire."""
        self._wall_clock = wall_clock
        self._bucket = bucket
        self._loaded_upto = 0
        self._catalog = catalog
        self._changes = KeyChanges(bucket, busy="the broadcast is being changed by others")
        self._entries = ToldUpto(self._apply)
        self._subtracks = SubtrackAdmission(bucket, self._changes, catalog, self._entries.own, wall_clock)

    async def load(self) -> None:
        """Know everything that is in the bucket. Awaited before anybody is let in. Raises STORE_UNAVAILABLE."""
        snapshot = await self._bucket.snapshot()
        for entry in snapshot.entries:
            self._apply(entry)
        self._loaded_upto = snapshot.upto
        self._subtracks.told(snapshot.upto)

    async def run(self) -> NoReturn:
        """Follow the bucket until cancelled."""
        await follow(self._bucket, self._hear, name=BUCKET_BROADCASTS, after=self._loaded_upto)

    async def create(
        self,
        app: AppName,
        stream: StreamId,
        patch: Patch[KeptBroadcast],
        set_here: Callable[[KeptBroadcast], KeptBroadcast] = lambda record: record,
    ) -> bool:
        """A broadcast that isn't there yet. `set_here`: gives it what is not the client's to set. False when it is
        there already. Raises `RillcastError`, `SubtracksFull`, and what `changed_broadcast` does."""
        self._check_room()
        record = set_here(self._new(stream, patch))
        key, value = stream_key(app, stream), msgspec.json.encode(record)
        main = StreamId(record.main_track_stream_id) if record.main_track_stream_id else None
        async with self._subtracks.seat(app, main, stream) as seat:
            revision = await self._bucket.create(key, value)
            if revision is None:
                return False
            seat.written = revision
            self._entries.own(Entry(key, value, revision))
        return True

    async def change(self, app: AppName, stream: StreamId, patch: Patch[KeptBroadcast], *, live: bool) -> bool:
        """Merge what was posted into a broadcast's record; one that is `live` needs none to begin with. False when
        there is no such broadcast. Raises as `create`."""

        def changed(record: KeptBroadcast | None) -> KeptBroadcast | None:
            if record is None:
                return self._new(stream, patch) if live else None
            return self._dated(changed_broadcast(record, patch))

        return await self.rewrite(app, stream, changed)

    async def rewrite(
        self, app: AppName, stream: StreamId, change: Callable[[KeptBroadcast | None], KeptBroadcast | None]
    ) -> bool:
        """Write what `change` makes of the record, which it is given again when another instance wrote in between, or
        when it is given a main track. Not at all when it returns None, which is answered False. Raises `RillcastError`,
        `SubtracksFull`, and what `change` raises."""
        main: StreamId | None = None
        for _ in range(MOST_SEATS):
            try:
                return await self._rewrite(app, stream, change, main)
            except NeedsSeat as needs:
                main = needs.main
        raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the main track is being changed by others", RETRY_AFTER_S)

    async def _rewrite(
        self,
        app: AppName,
        stream: StreamId,
        change: Callable[[KeptBroadcast | None], KeptBroadcast | None],
        main: StreamId | None,
    ) -> bool:
        """`main`: the main track that it may get. Raises `NeedsSeat` when it would get another one."""
        async with self._subtracks.seat(app, main, stream) as seat:

            def changed(value: bytes | None) -> bytes | None:
                before = None if value is None else _current(value, stream)
                record = change(before)
                if record is None:
                    return None
                if before is None:
                    self._check_room()
                seat.check(before, record)
                return msgspec.json.encode(with_seats_of(before, record))

            entry = await self._changes.change(stream_key(app, stream), changed)
            if entry is not None:
                seat.written = entry.revision
            self._entries.own(entry)
            return entry is not None

    async def delete_all(self, app: AppName, streams: Sequence[StreamId]) -> None:
        """Forget many at once: those that nobody has changed since it was last heard of by one write each, `AT_ONCE` at
        a time. Raises `RillcastError` when some could not be forgotten."""
        left = iter(streams)

        async def forget() -> None:
            for stream in left:
                key = stream_key(app, stream)
                revision = self._catalog.revision(key)
                deleted = None if revision is None else await self._bucket.delete(key, revision)
                if deleted is not None:
                    self._entries.own(Entry(key, None, deleted))
                else:
                    await self.delete(app, stream)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(AT_ONCE, len(streams))):
                    tasks.create_task(forget())
        except* RillcastError as failed:
            raise failed.exceptions[0] from None

    async def delete(self, app: AppName, stream: StreamId) -> bool:
        """Forget what was set. False when nothing was, or another caller did it. Raises `RillcastError`."""
        deleted = await self._changes.delete(stream_key(app, stream))
        self._entries.own(deleted)
        return deleted is not None

    def _check_room(self) -> None:
        """Raises when no further broadcast is made."""
        if self._catalog.full:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "there are as many broadcasts as the cluster keeps")

    def _new(self, stream: StreamId, patch: Patch[KeptBroadcast]) -> KeptBroadcast:
        return self._dated(changed_broadcast(KeptBroadcast(stream_id=stream), patch))

    def _dated(self, record: KeptBroadcast) -> KeptBroadcast:
        """A stream expires some time after it was created, or, if that was not told, after that was set."""
        if record.expire_duration_ms and not record.date:
            record = msgspec.structs.replace(record, date=int(self._wall_clock() * 1_000))
        return record

    def _hear(self, entry: Entry) -> None:
        self._entries.told(entry)
        self._subtracks.told(entry.revision)

    def _apply(self, entry: Entry) -> None:
        if not self._catalog.apply(entry):
            metrics.BROADCAST_RECORDS_REFUSED.inc()
            log.warning("A broadcast in the store makes no sense and is ignored", stream=entry.key)


def _current(value: bytes, stream: StreamId) -> StoredBroadcast:
    """What can't be read counts as nothing set, so that it can be mended."""
    try:
        return decode_json(value, StoredBroadcast)
    except Undecodable:
        return StoredBroadcast(stream_id=stream)
