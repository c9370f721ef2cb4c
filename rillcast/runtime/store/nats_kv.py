"""`KeyValue` on JetStream: one bucket, made when it is missing, also after NATS lost its state.

A bucket made anew starts its revisions at the microseconds of the wall clock. So revisions keep growing when a
store in memory came back empty.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import nats.errors
import nats.js.errors
from nats.js import api

from rillcast.contracts.errors import RillcastError
from rillcast.runtime import metrics
from rillcast.runtime.bus.envelope import MAX_MESSAGE_BYTES
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import Entry, Snapshot
from rillcast.runtime.store.js_stream import TIMEOUT_S, JsStream
from rillcast.runtime.store.nats_watch import Feed, entry_of
from rillcast.runtime.store.write_echo import WriteEcho

_LATELY_S = 30.0
_DUPLICATES_S = 120.0
_WRITES = {"create", "update", "put", "delete"}
_NO_MESSAGE = 10037
_WRONG_REVISION = (10071, 10164)
_WRITE = "Rillcast-Write"
"""The header with the random name of a compare-and-set, by which its writer knows it again."""
_KEY = re.compile(r"(?!\.)(?!.*\.\.)[-/_=.A-Za-z0-9]+(?<!\.)")

Result = TypeVar("Result")


def check_key(key: str) -> None:
    """Raise ValueError unless JetStream takes `key`."""
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"not a possible key: {key!r}")


class NatsKeyValue:
    """See `rillcast.runtime.ports.KeyValue`."""

    def __init__(
        self,
        connection: NatsConnection,
        bucket: str,
        ttl_s: float | None = None,
        *,
        storage: str = "file",
        replicas: int = 1,
        makes: bool = True,
    ) -> None:
        """`makes`: whether this process makes the bucket when it is missing. Others wait until somebody has."""
        self._bucket = bucket
        self._ttl_s = ttl_s
        self._storage = storage
        self._replicas = replicas
        self._prefix = f"$KV.{bucket}."
        self._store = JsStream(
            connection,
            f"KV_{bucket}",
            self._config,
            kind="store",
            label=bucket,
            makes=makes,
            on_made=metrics.KV_BUCKETS_CREATED.labels(bucket).inc,
        )
        self._feeds: set[Feed] = set()
        self._echo = WriteEcho(time.monotonic, metrics.KV_WATCH_LAG_SECONDS.labels(bucket).observe)
        self._interruptions = 0
        self._resumable = 0  # up to which revision a watch may go on from a snapshot: none over an interruption
        self._refused_at: float | None = None
        connection.on_connected(self._restart_feeds)

    async def open(self, patience_s: float = 15.0) -> None:
        """Make the bucket unless it is there, or wait until it is. Waits while JetStream starts; in the end raises
        STORE_UNAVAILABLE. Raises `StartError` when NATS does not let this process use the bucket."""
        await self._store.open(lambda: self._run("open", self._store.ensure), patience_s)

    # ---- the port

    async def get(self, key: str) -> Entry | None:
        """See `KeyValue.get`."""
        check_key(key)
        entry = await self._run("get", lambda: self._read(key))
        return entry if entry is not None and entry.value is not None else None

    async def create(self, key: str, value: bytes) -> int | None:
        """See `KeyValue.create`."""

        async def create() -> int | None:
            revision = await self._write(key, value, 0)
            if revision is not None:
                return revision
            present = await self._read(key)
            if present is None:
                return await self._write(key, value, 0)
            # A tombstone counts as a write: put the new value over exactly that one.
            return await self._write(key, value, present.revision) if present.value is None else None

        self._check(key, value)
        return await self._run("create", create)

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        """See `KeyValue.update`."""
        self._check(key, value)
        return await self._run("update", lambda: self._write(key, value, revision))

    async def put(self, key: str, value: bytes) -> int:
        """See `KeyValue.put`."""
        self._check(key, value)
        revision = await self._run("put", lambda: self._write(key, value, None))
        if revision is None:
            raise self._store.unavailable("the write was refused")
        return revision

    async def delete(self, key: str, revision: int | None = None) -> int | None:
        """See `KeyValue.delete`."""

        async def delete() -> int | None:
            if revision is None:
                present = await self._read(key)
                if present is None or present.value is None:
                    return 0
            return await self._write(key, b"", revision, {"KV-Operation": "DEL"})

        check_key(key)
        return await self._run("delete", delete)

    async def entries(self) -> list[Entry]:
        """See `KeyValue.entries`."""
        return (await self.snapshot()).entries

    async def snapshot(self) -> Snapshot:
        """See `KeyValue.snapshot`."""

        async def read_all() -> Snapshot:
            feed, interruptions = Feed(self._store, self._prefix), self._interruptions
            try:
                read = await feed.snapshot(TIMEOUT_S)
            finally:
                await feed.stop()
            present = [read.get(key) or await self._read(key) for key in await self._keys()]
            # What was written while this was read is not known whole: some of it was read key by key.
            upto = max((entry.revision for entry in read.values()), default=0)
            self._resumable = upto if interruptions == self._interruptions else 0
            return Snapshot([entry for entry in present if entry is not None and entry.value is not None], upto)

        return await self._run("entries", read_all)

    @asynccontextmanager
    async def watch(self, after: int = 0) -> AsyncIterator[AsyncIterator[Entry]]:
        """See `KeyValue.watch`."""
        begin = after if after <= self._resumable else 0
        feed = Feed(self._store, self._prefix, begin, knows=after > 0, on_change=self._echo.shown)
        self._feeds.add(feed)
        try:
            yield feed.entries()
        finally:
            self._feeds.discard(feed)
            await feed.stop()

    @property
    def heard(self) -> int:
        """See `KeyValue.heard`. 1 while nobody watches."""
        numbers = [feed.heard for feed in self._feeds] or [1]
        return sum(numbers) if all(numbers) else 0

    @property
    def takes_writes(self) -> bool:
        """False when the last write failed lately, for a reason of the store: out of reach, out of space, too slow."""
        return self._refused_at is None or time.monotonic() - self._refused_at > _LATELY_S

    # ---- inside

    def _config(self) -> api.StreamConfig:
        return api.StreamConfig(
            name=self._store.name,
            subjects=[f"{self._prefix}>"],
            max_msgs_per_subject=1,
            max_age=self._ttl_s,
            storage=api.StorageType(self._storage),
            num_replicas=self._replicas,
            discard=api.DiscardPolicy.NEW,
            allow_rollup_hdrs=True,
            deny_delete=True,
            allow_direct=False,  # replicas that lag may not answer: who wrote must read what it wrote
            duplicate_window=min(_DUPLICATES_S, self._ttl_s or _DUPLICATES_S),
            first_seq=time.time_ns() // 1_000,
        )

    async def _run(self, operation: str, step: Callable[[], Awaitable[Result]]) -> Result:
        """Run one operation, and note whether the store takes writes."""
        writes = operation in _WRITES
        try:
            result = await self._store.attempt(step)
        except RillcastError:
            metrics.KV_ERRORS.labels(self._bucket, operation).inc()
            raise  # a bus that is down or stalled says nothing about the store
        except (nats.errors.Error, OSError, TimeoutError) as error:
            metrics.KV_ERRORS.labels(self._bucket, operation).inc()
            self._refused_at = time.monotonic() if writes else self._refused_at
            unsure = "; it may have been written all the same" if writes and isinstance(error, TimeoutError) else ""
            raise self._store.unavailable((str(error) or type(error).__name__) + unsure) from error
        self._refused_at = None if writes else self._refused_at
        return result

    async def _keys(self) -> list[str]:
        """Keys that exist at this moment, deleted ones that left a marker included."""
        info = await self._store.jetstream().stream_info(self._store.name, subjects_filter=f"{self._prefix}>")
        return [subject.removeprefix(self._prefix) for subject in info.state.subjects or {}]

    async def _read(self, key: str) -> Entry | None:
        raw = await self._message(key)
        return entry_of(key, raw.data or b"", raw.headers, raw.seq or 0) if raw is not None else None

    async def _message(self, key: str) -> api.RawStreamMsg | None:
        try:
            return await self._store.jetstream().get_msg(self._store.name, subject=self._prefix + key, direct=False)
        except nats.js.errors.NotFoundError as error:
            if error.err_code == _NO_MESSAGE:
                return None
            raise

    async def _write(
        self, key: str, value: bytes, revision: int | None, headers: dict[str, str] | None = None
    ) -> int | None:
        headers = dict(headers or {})
        name = secrets.token_hex(8)
        if revision is not None:
            headers |= {"Nats-Expected-Last-Subject-Sequence": str(revision), _WRITE: name}
        if self._feeds:
            self._echo.writing(key)
        try:
            ack = await self._store.jetstream().publish(self._prefix + key, value, headers=headers or None)
        except nats.js.errors.APIError as error:
            self._echo.failed(key)
            if error.err_code in _WRONG_REVISION:
                return await self._own_write(key, name)
            raise
        return ack.seq

    async def _own_write(self, key: str, name: str) -> int | None:
        """The revision of a write that was refused, when it is what the key holds; None when that is somebody else's.
        While another server becomes the leader, a write may arrive twice, and its second arrival is refused."""
        raw = await self._message(key)
        return raw.seq if raw is not None and (raw.headers or {}).get(_WRITE) == name else None

    def _check(self, key: str, value: bytes) -> None:
        check_key(key)
        if len(value) > MAX_MESSAGE_BYTES - 4_096:
            raise ValueError(f"value of {key} is too large: {len(value)} bytes")

    async def _restart_feeds(self) -> None:
        self._refused_at = None  # what failed as the bus went says nothing about the store
        self._interruptions += 1
        self._resumable = 0
        for feed in self._feeds:
            feed.restart()
