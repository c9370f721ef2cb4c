"""When subscribers connected and disconnected, kept in the store so that every instance can tell.

It is kept where an app's ``writeSubscriberEventsToDatastore`` says so. What a process had open that is gone is written
down as disconnected by the sweep of `Grants`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import msgspec

from rillcast.contracts.access_records import ConnectionChange, ConnectionsRecord, Hold
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.subjects import BUCKET_CONNECTIONS, CONNECTIONS_KEPT_S
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.holds import Alive, over
from services.signaling.core.domain.record_index import RecordIndex
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.ports import Apps
from services.signaling.core.usecases.grants import Held
from services.signaling.core.usecases.key_changes import KeyChanges
from services.signaling.core.usecases.subscriber_store import subscriber_key

log = get_logger(__name__)

MAX_CHANGES = 100
"""Of one subscriber of one stream; the oldest go first."""
MAX_SUBSCRIBERS = 20_000
"""Of whom anything is kept. Of further ones nothing is."""
MAX_OPEN = 1_000

Change = Callable[[ConnectionsRecord], ConnectionsRecord | None]
"""From what there is to what is to be; None = nothing is to change."""


class _Average(msgspec.Struct):
    """Of what one session was sent."""

    measured: int = 0
    video_bps: int = 0
    audio_bps: int = 0
    """Sums of all measurements."""


class ConnectionLog:
    """One per signaling instance; a `grants.Ledger`."""

    def __init__(
        self, bucket: KeyValue, apps: Apps, address_of: Callable[[NodeId], str], tasks: BackgroundTasks
    ) -> None:
        """`address_of`: a node's address; empty when it is not there any more."""
        self._bucket = bucket
        self._apps = apps
        self._address_of = address_of
        self._tasks = tasks
        self._changes = KeyChanges(bucket, busy="the connections of the subscriber are being changed by others")
        self._index: RecordIndex[ConnectionsRecord] = RecordIndex()
        self._entries = ToldUpto(self._apply)
        self._averages: dict[SessionId, _Average] = {}

    async def run(self) -> NoReturn:
        """Follow the bucket until cancelled."""
        await follow(self._bucket, self._entries.told, name=BUCKET_CONNECTIONS)

    # ---- asking

    def of_stream(self, app: AppName, stream: StreamId, subscriber_id: str = "") -> list[ConnectionsRecord]:
        """What is kept of a stream's subscribers, or of one of them, by their id. As last heard of."""
        found = (one for one in self._index.of(app, stream) if subscriber_id in ("", one.subscriber_id))
        return sorted(found, key=lambda record: record.subscriber_id)

    def averages(self, app: AppName, stream: StreamId, subscriber_id: str) -> tuple[int, int]:
        """The average bit rates of video and audio that the subscriber's last session was sent, in bit/s; 0 where that
        is not kept."""
        record = self._index.get(subscriber_key(app, stream, subscriber_id))
        return (record.video_bps, record.audio_bps) if record is not None else (0, 0)

    def open(self, app: AppName, stream: StreamId, subscriber_id: str) -> tuple[Hold, ...]:
        """The connections that a subscriber has now, where that is kept. As last heard of."""
        record = self._index.get(subscriber_key(app, stream, subscriber_id))
        return record.open if record is not None else ()

    # ---- by sessions

    def connected(self, held: Held, now_ms: int) -> None:
        """A session runs. Nothing is kept of one that names no subscriber."""
        settings = self._apps.settings(held.app)
        if not held.subscriber_id or settings is None or not settings.write_subscriber_events_to_datastore:
            return
        key = subscriber_key(held.app, held.stream, held.subscriber_id)
        if self._index.get(key) is None and len(self._index) >= MAX_SUBSCRIBERS:
            metrics.ACCESS_RECORDS_FULL.labels("connections").inc()
            return
        held.entries.append((self, key))
        self._averages[held.hold.session] = _Average()
        self._tasks.queue(self._write_connected(key, held, held.hold, now_ms), "write connection")

    def measured(self, event: SessionChanged) -> None:
        """What a node says of a session; it tells the bit rates every 5 s."""
        average = self._averages.get(event.session)
        if average is not None and event.target_bitrate_bps is not None:
            average.measured += 1
            average.video_bps += event.video_bitrate_bps
            average.audio_bps += event.audio_bitrate_bps

    async def placed(self, key: str, session: SessionId, hold: Hold) -> None:
        """The session of a connection is at a node now, perhaps under another id than before."""
        if (average := self._averages.pop(session, None)) is not None:
            self._averages[hold.session] = average

        def change(present: ConnectionsRecord) -> ConnectionsRecord | None:
            if all(one.session != session for one in present.open):
                return None
            holds = tuple(hold if one.session == session else one for one in present.open)
            return msgspec.structs.replace(present, open=holds)

        await self._change(key, None, change)

    async def release(self, key: str, session: SessionId, *, started: bool, now_ms: int) -> None:
        """The session is over."""
        average = self._averages.get(session, _Average())

        def change(present: ConnectionsRecord) -> ConnectionsRecord | None:
            gone = next((one for one in present.open if one.session == session), None)
            if gone is None:
                return None
            left = tuple(one for one in present.open if one is not gone)
            ended = msgspec.structs.replace(self._with(present, gone, now_ms, connected=False), open=left)
            if not average.measured:
                return ended
            return msgspec.structs.replace(
                ended,
                video_bps=average.video_bps // average.measured,
                audio_bps=average.audio_bps // average.measured,
            )

        await self._change(key, None, change)
        self._averages.pop(session, None)

    async def sweep(self, alive: Alive, now_ms: int) -> None:
        """End the connections of processes that are gone, and forget what the store has let expire."""
        for key, record in self._index.items():
            for hold in over(record.open, alive):
                await self.release(key, hold.session, started=True, now_ms=now_ms)
            if now_ms - max((one.at_ms for one in record.changes), default=0) > CONNECTIONS_KEPT_S * 1_000:
                entry = await self._bucket.get(key)
                if entry is None:
                    self._index.forget(key)

    # ---- parts

    async def _write_connected(self, key: str, held: Held, hold: Hold, now_ms: int) -> None:
        def change(present: ConnectionsRecord) -> ConnectionsRecord:
            opened = msgspec.structs.replace(present, open=(*present.open[1 - MAX_OPEN :], hold))
            return self._with(opened, hold, now_ms, connected=True)

        nothing = ConnectionsRecord(app=held.app, stream=held.stream, subscriber_id=held.subscriber_id)
        try:
            await self._change(key, nothing, change)
        except RillcastError as error:
            metrics.CONNECTIONS_DROPPED.inc()
            log.info("The store does not take in that a subscriber connected", app=held.app, reason=error.loggable)

    def _with(self, record: ConnectionsRecord, hold: Hold, now_ms: int, *, connected: bool) -> ConnectionsRecord:
        change = ConnectionChange(
            at_ms=now_ms,
            connected=connected,
            role=hold.role,
            session=hold.session,
            address=self._address_of(hold.media_node or hold.instance),
        )
        return msgspec.structs.replace(record, changes=(*record.changes[1 - MAX_CHANGES :], change))

    async def _change(self, key: str, nothing: ConnectionsRecord | None, change: Change) -> None:
        """`nothing`: what to begin with where there is no record; None = then nothing is to change."""

        def changed(value: bytes | None) -> bytes | None:
            present = _usable(value) or nothing
            after = change(present) if present is not None else None
            return msgspec.json.encode(after) if after is not None else None

        self._entries.own(await self._changes.change(key, changed))

    def _apply(self, entry: Entry) -> None:
        record = _usable(entry.value)
        if entry.value is not None and record is None:
            metrics.ACCESS_RECORDS_REFUSED.labels("connections").inc()
            return
        self._index.put(entry.key, record, entry.revision)


def _usable(value: bytes | None) -> ConnectionsRecord | None:
    """What cannot be read counts as nothing: nobody is let in by it."""
    try:
        return decode_json(value, ConnectionsRecord) if value is not None else None
    except Undecodable:
        return None
