"""`WorkQueue` on JetStream: one js stream with a subject for each line, made when it is missing.

It is read and cleared by the numbers of its messages and has no consumers. A consumer would deal out the lines' work
together: those who wait for one receiver would fill what it lets be under way, and all others would wait for them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext, api

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.permissions import Queue
from rillcast.runtime import metrics
from rillcast.runtime.bus.envelope import RETRY_AFTER_S
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.errors import StartError
from rillcast.runtime.ports import Queued
from rillcast.runtime.tasks.cancel import heeding
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_TIMEOUT_S = 2.0
_DUPLICATES_S = 120.0
"""How long a name is remembered under which something was put."""
_FULL = 10077
_NO_STREAM = 10059
_NO_MESSAGE = (10037, 10043)
_NAME_TAKEN = 10058

Result = TypeVar("Result")


class NatsQueue:
    """See `rillcast.runtime.ports.WorkQueue`."""

    def __init__(
        self, connection: NatsConnection, row: Queue, *, storage: str = "file", replicas: int = 1, makes: bool = True
    ) -> None:
        """`makes`: whether this process makes the queue when it is missing. Others wait until somebody has."""
        self.name = row.name
        self._connection = connection
        self._row = row
        self._storage = storage
        self._replicas = replicas
        self._makes = makes
        self._stream = row.stream
        self._prefix = row.prefix

    async def open(self, patience_s: float = 15.0) -> None:
        """Make the queue unless it is there, or wait until it is. In the end raises STORE_UNAVAILABLE. Raises
        `StartError` when NATS does not let this process use it."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while True:
            try:
                return await self._run("open", self._ensure)
            except RillcastError as error:
                actions = ("INFO", "CREATE", "UPDATE")
                if denial := self._connection.denial_of(*(f"$JS.API.STREAM.{one}.{self._stream}" for one in actions)):
                    raise StartError(denial) from error
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.2 + random.random() * 0.3)

    # ---- the port

    async def put(self, line: str, value: bytes, name: str) -> bool:
        """See `WorkQueue.put`."""
        if len(value) > self._row.most_bytes_each - 1_024:
            raise ValueError(f"too large for the queue: {len(value)} bytes")

        async def put() -> bool:
            try:
                await self._jetstream().publish(self._prefix + line, value, headers={"Nats-Msg-Id": name})
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
                raw = await self._jetstream().get_msg(
                    self._stream, seq=after + 1, subject=self._prefix + line, next=True, direct=False
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
                await self._jetstream().delete_msg(self._stream, place)
            except nats.js.errors.APIError as error:
                if error.err_code == _NO_STREAM or "no message found" not in str(error.description):
                    raise

        await self._run("done", remove)

    async def lines(self) -> dict[str, int]:
        """See `WorkQueue.lines`."""

        async def lines() -> dict[str, int]:
            info = await self._jetstream().stream_info(self._stream, subjects_filter=f"{self._prefix}>")
            return {subject.removeprefix(self._prefix): many for subject, many in (info.state.subjects or {}).items()}

        return await self._run("lines", lines)

    # ---- inside

    def _jetstream(self) -> JetStreamContext:
        return self._connection.client.jetstream(timeout=_TIMEOUT_S)

    async def _ensure(self) -> None:
        try:
            info = await self._jetstream().stream_info(self._stream)
        except nats.js.errors.NotFoundError:
            if not self._makes:
                raise
            await self._make()
            return
        wanted = self._config()
        if self._makes and _bounds(info.config) != _bounds(wanted):
            await self._jetstream().update_stream(wanted)
            log.info("Changed the bounds of a queue", queue=self.name)

    def _config(self) -> api.StreamConfig:
        row = self._row
        return api.StreamConfig(
            name=self._stream,
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

    async def _make(self) -> None:
        try:
            await self._jetstream().add_stream(self._config())
        except nats.js.errors.APIError as error:
            if error.err_code != _NAME_TAKEN:  # somebody else was faster
                raise
        else:
            log.info("Made a queue", queue=self.name, storage=self._storage)

    async def _run(self, operation: str, step: Callable[[], Awaitable[Result]]) -> Result:
        """A lost queue is made again, and the operation is repeated once."""
        if not (self._connection.connected and await self._connection.moves()):
            raise self._unavailable("the bus does not answer")
        try:
            with heeding():
                async with asyncio.timeout(3 * _TIMEOUT_S):
                    try:
                        return await step()
                    except (nats.js.errors.NoStreamResponseError, nats.js.errors.NotFoundError) as error:
                        if isinstance(error, nats.js.errors.NotFoundError) and error.err_code != _NO_STREAM:
                            raise
                        await self._ensure()
                        return await step()
        except (nats.errors.Error, OSError, TimeoutError) as error:
            metrics.KV_ERRORS.labels(self.name, operation).inc()
            raise self._unavailable(str(error) or type(error).__name__) from error

    def _unavailable(self, why: str) -> RillcastError:
        return RillcastError(ErrorCode.STORE_UNAVAILABLE, f"queue {self.name}: {why}", RETRY_AFTER_S)


def _bounds(config: api.StreamConfig) -> tuple[object, ...]:
    return (config.max_msgs, config.max_msgs_per_subject, config.max_bytes, config.max_msg_size, config.max_age)
