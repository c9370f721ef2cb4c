"""`WorkQueue` on JetStream: one js stream with a subject for each line, made when it is missing.

It is read and cleared by the numbers of its messages and has no consumers. A consumer would deal out the lines' work
together: those who wait for one receiver would fill what it lets be under way, and all others would wait for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.errors
import nats.js.errors
from nats.js import api

from rillcast.contracts.permissions import Queue
from rillcast.runtime import metrics
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import Queued
from rillcast.runtime.store.js_stream import NO_STREAM, JsStream

_DUPLICATES_S = 120.0
"""How long a name is remembered under which something was put."""
_FULL = 10077
_NO_MESSAGE = (10037, 10043)

Result = TypeVar("Result")


class NatsQueue:
    """See `rillcast.runtime.ports.WorkQueue`."""

    def __init__(
        self, connection: NatsConnection, row: Queue, *, storage: str = "file", replicas: int = 1, makes: bool = True
    ) -> None:
        """`makes`: whether this process makes the queue when it is missing. Others wait until somebody has."""
        self.name = row.name
        self._row = row
        self._storage = storage
        self._replicas = replicas
        self._prefix = row.prefix
        self._store = JsStream(connection, row.stream, self._config, kind="queue", label=row.name, makes=makes)

    async def open(self, patience_s: float = 15.0) -> None:
        """Make the queue unless it is there, or wait until it is. In the end raises STORE_UNAVAILABLE. Raises
        `StartError` when NATS does not let this process use it."""
        await self._store.open(lambda: self._run("open", self._store.ensure), patience_s)

    # ---- the port

    async def put(self, line: str, value: bytes, name: str) -> bool:
        """See `WorkQueue.put`."""
        if len(value) > self._row.most_bytes_each - 1_024:
            raise ValueError(f"too large for the queue: {len(value)} bytes")

        async def put() -> bool:
            try:
                await self._store.jetstream().publish(self._prefix + line, value, headers={"Nats-Msg-Id": name})
            except nats.js.errors.APIError as error:
                if error.err_code == _FULL:
                    return False
                raise
            return True

        return await self._run("put", put)

    async def first(self, line: str, after: int = 0) -> Queued | None:
        """See `WorkQueue.first`."""

        async def first() -> Queued | None:
            try:
                raw = await self._store.jetstream().get_msg(
                    self._store.name, seq=after + 1, subject=self._prefix + line, next=True, direct=False
                )
            except nats.js.errors.NotFoundError as error:
                if error.err_code in _NO_MESSAGE:
                    return None
                raise
            return Queued(raw.seq or 0, raw.data or b"")

        return await self._run("first", first)

    async def done(self, place: int) -> None:
        """See `WorkQueue.done`."""

        async def remove() -> None:
            try:
                await self._store.jetstream().delete_msg(self._store.name, place)
            except nats.js.errors.APIError as error:
                if error.err_code == NO_STREAM or "no message found" not in str(error.description):
                    raise

        await self._run("done", remove)

    async def lines(self) -> dict[str, int]:
        """See `WorkQueue.lines`."""

        async def lines() -> dict[str, int]:
            info = await self._store.jetstream().stream_info(self._store.name, subjects_filter=f"{self._prefix}>")
            return {subject.removeprefix(self._prefix): many for subject, many in (info.state.subjects or {}).items()}

        return await self._run("lines", lines)

    # ---- inside

    def _config(self) -> api.StreamConfig:
        row = self._row
        return api.StreamConfig(
            name=self._store.name,
            subjects=[f"{self._prefix}>"],
            retention=api.RetentionPolicy.WORK_QUEUE,
            discard=api.DiscardPolicy.NEW,
            discard_new_per_subject=True,
            max_msgs=row.most,
            max_msgs_per_subject=row.most_in_line,
            max_bytes=row.most_bytes,
            max_msg_size=row.most_bytes_each,
            max_age=row.kept_s,
            storage=api.StorageType(self._storage),
            num_replicas=self._replicas,
            allow_direct=False,
            duplicate_window=_DUPLICATES_S,
        )

    async def _run(self, operation: str, step: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await self._store.attempt(step)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            metrics.KV_ERRORS.labels(self.name, operation).inc()
            raise self._store.unavailable(str(error) or type(error).__name__) from error
