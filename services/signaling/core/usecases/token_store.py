"""One-time tokens in the store: made and revoked by REST, used by compare-and-set, forgotten when they are done."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NoReturn

import msgspec

from rillcast.contracts.access_records import Hold, TokenRecord
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.subjects import BUCKET_TOKENS
from rillcast.contracts.words import Role
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.holds import Alive, Taken, release_token, take_token, token_is_done
from services.signaling.core.domain.record_index import RecordIndex
from services.signaling.core.domain.tokens import digest
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

MAX_TOKENS_OF_APP = 50_000
MAX_TOKENS = 200_000
TOKEN_BYTES = 24
"""Of randomness in a token: nobody guesses one."""
MAX_TOKEN_ID = 256


def token_key(app: AppName, token_id: str) -> str:
    """Where a token lies. Whatever a client shows as a token makes a possible key."""
    return f"{app}/{digest(token_id)}"


class TokenStore:
    """One per signaling instance. Every method raises STORE_UNAVAILABLE when the store does not answer."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket
        self._changes = KeyChanges(bucket, busy="the token is being used by others")
        self._index: RecordIndex[TokenRecord] = RecordIndex()
        self._entries = ToldUpto(self._apply)

    async def run(self) -> NoReturn:
        """Follow the bucket until cancelled, for lists and for what is to be forgotten."""
        await follow(self._bucket, self._entries.told, name=BUCKET_TOKENS)

    # ---- by operators

    async def create(self, app: AppName, stream: StreamId, role: Role, expire_date: int, room: str = "") -> TokenRecord:
        """A new token. `expire_date`: Unix seconds. Raises HIGH_RESOURCE_USAGE when there are as many as are kept."""
        if self._index.count(app) >= MAX_TOKENS_OF_APP or len(self._index) >= MAX_TOKENS:
            metrics.ACCESS_RECORDS_FULL.labels("token").inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "there are as many tokens as the cluster keeps")
        record = TokenRecord(
            token_id=secrets.token_hex(TOKEN_BYTES),
            app=app,
            stream=stream,
            type=role,
            expire_date=expire_date,
            room_id=room,
        )
        key, value = token_key(app, record.token_id), msgspec.json.encode(record)
        revision = await self._bucket.create(key, value)
        assert revision is not None, "192 random bits came twice"
        self._entries.own(Entry(key, value, revision))
        return record

    async def find(self, app: AppName, token_id: str) -> TokenRecord | None:
        """The token as the store has it now; None when there is none of this name."""
        if not token_id or len(token_id) > MAX_TOKEN_ID:
            return None
        entry = await self._bucket.get(token_key(app, token_id))
        return _record(entry.value) if entry is not None else None

    def of_stream(self, app: AppName, stream: StreamId) -> list[TokenRecord]:
        """The tokens of a stream, by their id, as last heard of."""
        return sorted(self._index.of(app, stream), key=lambda record: record.token_id)

    async def revoke(self, app: AppName, stream: StreamId) -> bool:
        """Forget all tokens of a stream. False when there was none. Sessions that used one go on."""
        found = self.of_stream(app, stream)
        for record in found:
            await self._forget(token_key(app, record.token_id))
        return bool(found)

    # ---- by sessions

    async def take(self, app: AppName, token_id: str, hold: Hold, alive: Alive) -> Taken:
        """The token for a session. Raises UNAUTHORIZED."""
        taken: list[Taken] = []

        def change(value: bytes | None) -> bytes | None:
            record = _record(value)
            if record is None:
                return None
            taken[:] = [take_token(record, hold, alive)]
            return msgspec.json.encode(taken[0].record)

        await self._change(token_key(app, token_id), change)
        if not taken:
            raise RillcastError(ErrorCode.UNAUTHORIZED, "the token is not valid here")
        return taken[0]

    async def placed(self, key: str, session: SessionId, hold: Hold) -> None:
        """The session of a hold is at a node now, perhaps under another id than before."""

        def change(record: TokenRecord) -> TokenRecord | None:
            held = record.hold is not None and record.hold.session == session
            return msgspec.structs.replace(record, hold=hold) if held else None

        await self._change_record(key, change)

    async def release(self, key: str, session: SessionId, *, started: bool, now_ms: int) -> None:
        """The session is over."""
        await self._change_record(key, lambda record: release_token(record, session, started=started, now_ms=now_ms))

    async def sweep(self, alive: Alive, now_ms: int) -> None:
        """Release what processes held that are gone, and forget the tokens that nobody can use any more."""
        for key, record in self._index.items():
            if token_is_done(record, now_ms):
                await self._forget_if_done(key, now_ms)
            elif record.hold is not None and not alive(record.hold.instance, record.hold.incarnation):
                await self.release(key, record.hold.session, started=True, now_ms=now_ms)

    async def _forget_if_done(self, key: str, now_ms: int) -> None:
        entry = await self._bucket.get(key)
        record = _record(entry.value) if entry is not None else None
        if entry is None or (record is not None and not token_is_done(record, now_ms)):
            return
        deleted = await self._bucket.delete(key, entry.revision)
        if deleted is not None:
            self._entries.own(Entry(key, None, deleted))

    async def _forget(self, key: str) -> None:
        self._entries.own(await self._changes.delete(key))

    # ---- parts

    async def _change_record(self, key: str, change: Callable[[TokenRecord], TokenRecord | None]) -> None:
        def changed(value: bytes | None) -> bytes | None:
            record = _record(value)
            after = change(record) if record is not None else None
            return msgspec.json.encode(after) if after is not None else None

        await self._change(key, changed)

    async def _change(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        self._entries.own(await self._changes.change(key, change))

    def _apply(self, entry: Entry) -> None:
        record = _record(entry.value)
        if entry.value is not None and record is None:
            metrics.ACCESS_RECORDS_REFUSED.labels("token").inc()
            log.warning("A token in the store makes no sense and counts for nothing")
        self._index.put(entry.key, record, entry.revision)


def _record(value: bytes | None) -> TokenRecord | None:
    """What cannot be read is no token."""
    try:
        return decode_json(value, TokenRecord) if value is not None else None
    except Undecodable:
        return None
