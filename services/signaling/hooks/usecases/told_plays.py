"""Viewers of whom webhooks know that they watch, kept in the store: whoever's instance dies, its end is told."""

from __future__ import annotations

from typing import NoReturn

import msgspec

from rillcast.contracts.access_records import Hold
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.hook_records import DueHook, ToldPlay
from rillcast.contracts.ids import SessionId
from rillcast.contracts.subjects import BUCKET_TOLD_PLAYS
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.holds import Alive, over
from services.signaling.core.domain.record_index import RecordIndex
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.grants import Held
from services.signaling.core.usecases.key_changes import KeyChanges
from services.signaling.hooks.domain.hook_body import Action, hook_fields
from services.signaling.hooks.usecases.outbox import Outbox

log = get_logger(__name__)

MAX_PLAYS = 100_000
"""Of further viewers the end is told as well, unless their instance dies."""


class ToldPlays:
    """One per signaling instance; a `grants.Ledger`."""

    def __init__(self, bucket: KeyValue, outbox: Outbox, tasks: BackgroundTasks) -> None:
        self._bucket = bucket
        self._outbox = outbox
        self._tasks = tasks
        self._changes = KeyChanges(bucket, busy="what webhooks know of a viewer is being changed by others")
        self._index: RecordIndex[ToldPlay] = RecordIndex()
        self._entries = ToldUpto(self._apply)

    async def run(self) -> NoReturn:
        """Follow the bucket until cancelled."""
        await follow(self._bucket, self._entries.told, name=BUCKET_TOLD_PLAYS)

    def keep(self, held: Held) -> bool:
        """Tell of its end whatever happens. False where no more are kept."""
        if len(self._index) >= MAX_PLAYS:
            metrics.ACCESS_RECORDS_FULL.labels("plays").inc()
            return False
        key = f"{held.app}/{held.mark}"
        play = ToldPlay(
            app=held.app, stream=held.stream, mark=held.mark, subscriber_id=held.subscriber_id, hold=held.hold
        )
        held.entries.append((self, key))
        self._tasks.queue(self._write(key, play), "keep viewer")
        return True

    def keeps(self, held: Held) -> bool:
        """Whether its end is told by this."""
        return any(ledger is self for ledger, _ in held.entries)

    async def placed(self, key: str, session: SessionId, hold: Hold) -> None:
        """Where the viewer is makes no difference."""

    async def release(self, key: str, session: SessionId, *, started: bool, now_ms: int) -> None:
        """The viewer is gone: tell it, and forget the viewer when that is on its way. Raises STORE_UNAVAILABLE."""

        def ended(value: bytes | None) -> bytes | None:
            present = _usable(value)
            if present is None or present.ended_at_ms:
                return value
            return msgspec.json.encode(msgspec.structs.replace(present, ended_at_ms=now_ms))

        entry = await self._changes.change(key, ended)
        play = _usable(entry.value) if entry is not None else None
        if play is None:
            return  # another instance has told it
        fields = hook_fields(
            Action.PLAY_STOPPED, play.stream, play.app, play.ended_at_ms, subscriber=play.subscriber_id
        )
        hook = DueHook(
            id=f"{play.mark}.{Action.PLAY_STOPPED.value}",
            app=play.app,
            url=self._outbox.url_of(play.app, play.stream),
            at_ms=play.ended_at_ms,
            fields=fields,
        )
        await self._outbox.put(hook, about=play.mark)
        self._entries.own(await self._changes.delete(key))

    async def sweep(self, alive: Alive, now_ms: int) -> None:
        """Tell the ends of those whose instances are gone."""
        for key, play in self._index.items():
            if play.ended_at_ms or over([play.hold], alive):
                await self.release(key, play.hold.session, started=True, now_ms=now_ms)

    async def _write(self, key: str, play: ToldPlay) -> None:
        try:
            entry = await self._changes.change(key, lambda _: msgspec.json.encode(play))
        except RillcastError as error:
            metrics.CONNECTIONS_DROPPED.inc()
            log.info("The store does not take in that a viewer came", app=play.app, reason=error.loggable)
        else:
            self._entries.own(entry)

    def _apply(self, entry: Entry) -> None:
        self._index.put(entry.key, _usable(entry.value), entry.revision)


def _usable(value: bytes | None) -> ToldPlay | None:
    """What cannot be read counts as nothing."""
    try:
        return decode_json(value, ToldPlay) if value is not None else None
    except Undecodable:
        return None
