"""Reading a bucket entry by entry, with one of them in memory: for buckets of any size, and for whoever is in no
hurry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.bus.envelope import RETRY_AFTER_S
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import Entry
from rillcast.runtime.store.nats_watch import entry_of

_TIMEOUT_S = 2.0
_NO_MESSAGE = 10037
Result = TypeVar("Result")


class NatsWalk:
    """One walk through one bucket, which must be there. Raises `RillcastError(STORE_UNAVAILABLE)`."""

    def __init__(self, connection: NatsConnection, bucket: str) -> None:
        self._connection = connection
        self._bucket = bucket
        self._stream = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."
        self._js: tuple[Client, JetStreamContext] | None = None

    async def after(self, revision: int) -> Entry | None:
        """The first write behind this revision that no later one has replaced, a deletion included; None when there is
        none. Who begins at 0 and goes on at each answer has read the whole bucket, as it was at the moment of the
        None."""

        async def read() -> Entry | None:
            try:
                raw = await self._jetstream().get_msg(
                    self._stream, seq=revision + 1, subject=f"{self._prefix}>", next=True, direct=False
                )
            except nats.js.errors.NotFoundError as error:
                if error.err_code == _NO_MESSAGE:
                    return None
                raise
            key = (raw.subject or "").removeprefix(self._prefix)
            return entry_of(key, raw.data or b"", raw.headers, raw.seq or 0)

        return await self._run(read)

    async def last(self) -> int:
        """The revision of the last write; a write may be gone again and have left no trace but this number."""

        async def read() -> int:
            return (await self._jetstream().stream_info(self._stream)).state.last_seq

        return await self._run(read)

    def _jetstream(self) -> JetStreamContext:
        client = self._connection.client
        if self._js is None or self._js[0] is not client:
            self._js = client, client.jetstream(timeout=_TIMEOUT_S)
        return self._js[1]

    async def _run(self, read: Callable[[], Awaitable[Result]]) -> Result:
        try:
            if not self._connection.connected:
                raise ConnectionError("the bus is down")
            return await read()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, f"store {self._bucket}: {why}", RETRY_AFTER_S) from error
