"""Subscribers in the store: registered and blocked by REST, their connections counted by compare-and-set."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import msgspec

from rillcast.contracts.access_records import Hold, SubscriberRecord
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId, stream_key
from rillcast.contracts.subjects import BUCKET_SUBSCRIBERS
from rillcast.contracts.words import SubscriberType
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.holds import Alive, Taken, over, release_connection, take_connection
from services.signaling.core.domain.record_index import RecordIndex
from services.signaling.core.domain.tokens import digest
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

MAX_SUBSCRIBERS_OF_APP = 50_000
MAX_SUBSCRIBERS = 200_000
MAX_SUBSCRIBER_ID = 256

Change = Callable[[SubscriberRecord | None], SubscriberRecord | None]
"""From what there is to what is to be; None = nothing is to change."""


def subscriber_key(app: AppName, stream: StreamId, subscriber_id: str) -> str:
    """Where a subscriber lies. Ids of subscribers have no grammar."""
    return f"{stream_key(app, stream)}/{digest(subscriber_id)[:40]}"


class SubscriberStore:
    """One per signaling instance. Every method that waits raises STORE_UNAVAILABLE when the store does not answer."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket
        self._loaded_upto = 0
        self._changes = KeyChanges(bucket, busy="the subscriber is being changed by others")
        self._index: RecordIndex[SubscriberRecord] = RecordIndex()
        self._entries = ToldUpto(self._apply)
        self._on_change: list[Callable[[SubscriberRecord], None]] = []

    def on_change(self, listener: Callable[[SubscriberRecord], None]) -> None:
        """Call `listener` with each record that is new or was changed, whoever did it. It must not block."""
        self._on_change.append(listener)

    async def load(self) -> None:
        """Know everything that is in the bucket. Awaited before anybody is let in. Raises STORE_UNAVAILABLE."""
        snapshot = await self._bucket.snapshot()
        for entry in snapshot.entries:
            self._apply(entry)
        self._loaded_upto = snapshot.upto

    async def run(self) -> NoReturn:
        """Follow the bucket until cancelled."""
        await follow(self._bucket, self._entries.told, name=BUCKET_SUBSCRIBERS, after=self._loaded_upto)

    # ---- asking

    def known(self, app: AppName, stream: StreamId, subscriber_id: str) -> SubscriberRecord | None:
        """A subscriber as last heard of. Costs some microseconds."""
        return self._index.get(subscriber_key(app, stream, subscriber_id)) if len(self._index) else None

    def of_stream(self, app: AppName, stream: StreamId) -> list[SubscriberRecord]:
        """The subscribers of a stream, by their id, as last heard of."""
        return sorted(self._index.of(app, stream), key=lambda record: record.subscriber_id)

    def namesake(self, app: AppName, stream: StreamId, subscriber_id: str) -> SubscriberRecord | None:
        """A registered subscriber of another stream, without a secret of its own, whose id and stream id are the same
        text one after the other. Codes that are made from the app's secret without a separator are the same for both.
        As last heard of; costs some ten microseconds."""
        text = f"{subscriber_id}{stream}" if self._index.count(app) else ""
        for at in range(1, len(text)):
            other = StreamId(text[at:])
            if other == stream or not self._index.has(app, other):
                continue
            record = self._index.get(subscriber_key(app, other, text[:at]))
            if record is not None and record.registered and not record.b32_secret:
                return record
        return None

    async def find(self, app: AppName, stream: StreamId, subscriber_id: str) -> SubscriberRecord | None:
        """A subscriber as the store has it now."""
        entry = await self._bucket.get(subscriber_key(app, stream, subscriber_id))
        return _usable(entry.value) if entry is not None else None

    # ---- by operators

    async def put(self, record: SubscriberRecord) -> SubscriberRecord | None:
        """Register a subscriber, or another secret and other rights of one. Its connections stay, and so does its block
        unless `record` has another one. The record as it is then."""

        def change(present: SubscriberRecord | None) -> SubscriberRecord:
            if present is None:
                self._make_room(record.app)
                return record
            block = record if record.blocked_until_ms else present
            return msgspec.structs.replace(
                record,
                holds=present.holds,
                blocked_type=block.blocked_type,
                blocked_until_ms=block.blocked_until_ms,
            )

        return await self._change(subscriber_key(record.app, record.stream, record.subscriber_id), change)

    async def block(
        self, app: AppName, stream: StreamId, subscriber_id: str, *, kind: SubscriberType | None, until_ms: int
    ) -> SubscriberRecord | None:
        """Block a subscriber, known or not, until a time in Unix milliseconds; `until_ms` 0 ends the block. The record
        as it is then."""

        def change(present: SubscriberRecord | None) -> SubscriberRecord:
            if present is None:
                self._make_room(app)
                present = SubscriberRecord(app=app, stream=stream, subscriber_id=subscriber_id, registered=False)
            return msgspec.structs.replace(present, blocked_type=kind, blocked_until_ms=until_ms)

        return await self._change(subscriber_key(app, stream, subscriber_id), change)

    async def delete(self, app: AppName, stream: StreamId, subscriber_id: str) -> bool:
        """Forget a subscriber and its block. False when there was none."""
        return await self._forget(subscriber_key(app, stream, subscriber_id))

    async def delete_all(self, app: AppName, stream: StreamId) -> None:
        """Forget all subscribers of a stream."""
        for record in self.of_stream(app, stream):
            await self.delete(app, stream, record.subscriber_id)

    # ---- by sessions

    async def take(self, template: SubscriberRecord, hold: Hold, alive: Alive) -> Taken:
        """One more connection. `template`: the subscriber, if the store has none. Raises UNAUTHORIZED."""
        taken: list[Taken] = []

        def change(present: SubscriberRecord | None) -> SubscriberRecord:
            if present is None:
                self._make_room(template.app)
            taken[:] = [take_connection(present or template, hold, alive)]
            record = taken[0].record
            assert isinstance(record, SubscriberRecord)
            return record

        await self._change(subscriber_key(template.app, template.stream, template.subscriber_id), change)
        return taken[0]

    async def placed(self, key: str, session: SessionId, hold: Hold) -> None:
        """The session of a hold is at a node now, perhaps under another id than before."""

        def change(present: SubscriberRecord | None) -> SubscriberRecord | None:
            if present is None or all(one.session != session for one in present.holds):
                return None
            holds = tuple(hold if one.session == session else one for one in present.holds)
            return msgspec.structs.replace(present, holds=holds)

        await self._change(key, change)

    async def release(self, key: str, session: SessionId, *, started: bool, now_ms: int) -> None:
        """The session is over."""
        record = await self._change(
            key, lambda present: release_connection(present, session) if present is not None else None
        )
        if record is not None and _is_done(record, now_ms):
            await self._forget_if_done(key, now_ms)

    async def sweep(self, alive: Alive, now_ms: int) -> None:
        """Release what processes held that are gone, and forget those that nobody registered and nobody needs."""
        for key, record in self._index.items():
            for hold in over(record.holds, alive):
                await self.release(key, hold.session, started=True, now_ms=now_ms)
            if _is_done(record, now_ms):
                await self._forget_if_done(key, now_ms)

    # ---- parts

    def _make_room(self, app: AppName) -> None:
        if self._index.count(app) >= MAX_SUBSCRIBERS_OF_APP or len(self._index) >= MAX_SUBSCRIBERS:
            metrics.ACCESS_RECORDS_FULL.labels("subscriber").inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "there are as many subscribers as the cluster keeps")

    async def _forget_if_done(self, key: str, now_ms: int) -> None:
        entry = await self._bucket.get(key)
        record = _usable(entry.value) if entry is not None else None
        if entry is None or (record is not None and not _is_done(record, now_ms)):
            return
        deleted = await self._bucket.delete(key, entry.revision)
        if deleted is not None:
            self._entries.own(Entry(key, None, deleted))

    async def _forget(self, key: str) -> bool:
        deleted = await self._changes.delete(key)
        self._entries.own(deleted)
        return deleted is not None

    async def _change(self, key: str, change: Change) -> SubscriberRecord | None:
        def changed(value: bytes | None) -> bytes | None:
            after = change(_usable(value))
            return msgspec.json.encode(after) if after is not None else None

        entry = await self._changes.change(key, changed)
        if entry is None:
            return None
        self._entries.own(entry)
        return _usable(entry.value)

    def _apply(self, entry: Entry) -> None:
        try:
            record = _usable(entry.value)
        except RillcastError:
            metrics.ACCESS_RECORDS_REFUSED.labels("subscriber").inc()
            log.warning("A subscriber in the store makes no sense, what was known stays")
            return
        self._index.put(entry.key, record, entry.revision)
        if record is not None:
            for listener in self._on_change:
                listener(record)


def _is_done(record: SubscriberRecord, now_ms: int) -> bool:
    return not record.registered and not record.holds and record.blocked_until_ms <= now_ms


def _usable(value: bytes | None) -> SubscriberRecord | None:
    """What cannot be read might say that somebody is blocked, so it is not passed over."""
    try:
        return decode_json(value, SubscriberRecord) if value is not None else None
    except Undecodable as error:
        raise RillcastError(
            ErrorCode.STORE_UNAVAILABLE, "the store's record of the subscriber makes no sense"
        ) from error
