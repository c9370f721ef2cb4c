"""`Journal` on JetStream: one js stream with one subject, made when it is missing. Its numbers start at the
microseconds of the wall clock, so that they keep growing when a store in memory came back empty.

Nobody waits for a journal, and no process ends for want of one. In a cluster that is being upgraded nobody may have
made it yet, and NATS may not let anybody use it: whoever uses it is told so each time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import nats.errors
import nats.js.errors
from nats.js import api

from rillcast.contracts.permissions import Journal
from rillcast.runtime import metrics
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import Noted
from rillcast.runtime.store.js_stream import NO_STREAM, JsStream
from rillcast.runtime.store.nats_watch import Feed
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_HEARTBEAT_S = 2.0
_SILENCE_S = 3 * _HEARTBEAT_S
_DUPLICATES_S = 120.0
_DENIED_S = 60.0
"""After so long it is tried again what NATS did not allow; at once after a new connection to it."""
Result = TypeVar("Result")


class NatsJournal:
    """See `rillcast.runtime.ports.Journal`."""

    def __init__(
        self, connection: NatsConnection, row: Journal, *, storage: str = "file", replicas: int = 1, makes: bool = True
    ) -> None:
        """`makes`: whether this process makes the journal when it is missing. Others wait until somebody has."""
        self.name = row.name
        self._row = row
        self._storage = storage
        self._replicas = replicas
        self._makes = makes
        self._store = JsStream(
            connection, row.stream, self._config, kind="journal", label=row.name, makes=makes, awaited_s=0.0
        )
        self._feeds: set[_Feed] = set()
        self._again_at = 0.0
        """When it is tried again what NATS did not allow."""
        connection.on_connected(self._restart_feeds)

    async def open(self) -> None:
        """Make the journal unless it is there. Raises STORE_UNAVAILABLE, also when NATS does not let this process use
        it, or when another one makes it and has not yet."""
        await self._run("open", self._store.ensure)

    # ---- the port

    async def append(self, value: bytes, name: str = "") -> None:
        """See `Journal.append`."""
        if len(value) > self._row.most_bytes_each - 1_024:
            raise ValueError(f"too large for the journal: {len(value)} bytes")
        headers = {"Nats-Msg-Id": name} if name else None

        async def append() -> None:
            await self._store.jetstream().publish(self._row.subject, value, headers=headers)

        await self._run("append", append)

    async def bounds(self) -> tuple[int, int]:
        """See `Journal.bounds`."""

        async def bounds() -> tuple[int, int]:
            state = (await self._store.jetstream().stream_info(self._store.name)).state
            return (state.first_seq, state.last_seq) if state.messages else (state.last_seq + 1, state.last_seq)

        return await self._run("bounds", bounds)

    @asynccontextmanager
    async def follow(self, after: int) -> AsyncIterator[AsyncIterator[Noted]]:
        """See `Journal.follow`."""
        feed = _Feed(self._store, self._row.subject, after)
        self._feeds.add(feed)
        try:
            yield feed.noted()
        finally:
            self._feeds.discard(feed)
            await feed.stop()

    # ---- inside

    def _config(self) -> api.StreamConfig:
        row = self._row
        return api.StreamConfig(
            name=row.stream,
            subjects=[row.subject],
            retention=api.RetentionPolicy.LIMITS,
            discard=api.DiscardPolicy.OLD,
            max_msgs=row.most,
            max_bytes=row.most_bytes,
            max_msg_size=row.most_bytes_each,
            max_age=row.kept_s,
            storage=api.StorageType(self._storage),
            num_replicas=self._replicas,
            deny_delete=True,
            deny_purge=True,
            allow_direct=False,
            duplicate_window=_DUPLICATES_S,
            first_seq=time.time_ns() // 1_000,
        )

    async def _run(self, operation: str, step: Callable[[], Awaitable[Result]]) -> Result:
        if self._store.connected and (denial := self._denial()) and asyncio.get_running_loop().time() < self._again_at:
            raise self._store.unavailable(denial)
        try:
            return await self._store.attempt(step)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            metrics.KV_ERRORS.labels(self.name, operation).inc()
            if denial := self._denial():
                self._again_at = asyncio.get_running_loop().time() + _DENIED_S
            raise self._store.unavailable(denial or _words(error)) from error

    def _denial(self) -> str:
        """Why NATS does not let us use it; empty when it does, as far as known."""
        consumer = f"$JS.API.CONSUMER.CREATE.{self._store.name}"
        actions = ("INFO", "CREATE", "UPDATE") if self._makes else ("INFO",)
        return self._store.denial(consumer, self._row.subject, actions=actions)

    async def _restart_feeds(self) -> None:
        for feed in self._feeds:
            feed.restart()


class _Feed(Feed):
    """One reader of the journal, from a place on."""

    def __init__(self, store: JsStream, subject: str, after: int) -> None:
        super().__init__(store, subject)
        self._place = after

    async def noted(self) -> AsyncIterator[Noted]:
        """For ever; goes on where it was after each interruption."""
        while True:
            try:
                if not self._store.connected:
                    raise ConnectionError("the bus is down")
                await self._start(_HEARTBEAT_S)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.debug("A journal can't be followed yet", journal=self._store.label, reason=str(error))
                await asyncio.sleep(0.2 + random.random() * 0.3)
                continue
            while (msg := await self._next(_SILENCE_S)) is not None:
                self._place = msg.metadata.sequence.stream
                yield Noted(self._place, msg.data)
            metrics.KV_WATCH_RESTARTS.labels(self._store.label).inc()
            await self.stop()

    def _config(self, inbox: str, heartbeat_s: float) -> api.ConsumerConfig:
        return api.ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._place + 1,
            ack_policy=api.AckPolicy.NONE,
            replay_policy=api.ReplayPolicy.INSTANT,
            idle_heartbeat=heartbeat_s,
            max_deliver=1,
            mem_storage=True,
            num_replicas=1,
        )


def _words(error: Exception) -> str:
    if isinstance(error, nats.js.errors.NotFoundError) and error.err_code == NO_STREAM:
        return "it is not there yet; a license service of this version makes it"
    return str(error) or type(error).__name__
