"""The buckets, queues and journals of the store that a node uses, and those that it makes for the whole cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.permissions import BUCKETS, JOURNALS, MAKER, QUEUES, Journal, Queue
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_journal import NatsJournal
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.runtime.store.nats_queue import NatsQueue
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_LOOK_AT_THEM_S = 2.0


class NodeBuckets:
    """One for each node. It grows by what the node asks for, which is a few names of `contracts.subjects`."""

    def __init__(self, settings: NodeSettings, kind: NodeKind, connection: NatsConnection) -> None:
        self._settings = settings
        self._kind = kind
        self._connection = connection
        self._open: dict[str, NatsKeyValue] = {}
        self._open_queues: dict[str, NatsQueue] = {}
        self._open_journals: dict[str, NatsJournal] = {}
        self._due = asyncio.Event()

    @property
    def take_writes(self) -> bool:
        """False when the last write to one of them failed for a reason of the store."""
        return all(bucket.takes_writes for bucket in self._open.values())

    async def get(self, bucket: str, ttl_s: float | None = None) -> NatsKeyValue:
        """See `Node.kv`."""
        settings = self._settings
        if bucket not in self._open:
            self._open[bucket] = NatsKeyValue(
                self._connection,
                bucket,
                ttl_s,
                storage=settings.kv_storage,
                replicas=settings.kv_replicas,
                makes=self._kind.value == MAKER or not self._connection.restricted,
            )
        await self._open[bucket].open(settings.connect_timeout_s)
        return self._open[bucket]

    async def queue(self, row: Queue) -> NatsQueue:
        """See `Node.queue`."""
        settings = self._settings
        if row.name not in self._open_queues:
            self._open_queues[row.name] = NatsQueue(
                self._connection,
                row,
                storage=settings.kv_storage,
                replicas=settings.kv_replicas,
                makes=self._kind.value == MAKER or not self._connection.restricted,
            )
        await self._open_queues[row.name].open(settings.connect_timeout_s)
        return self._open_queues[row.name]

    def journal(self, row: Journal) -> NatsJournal:
        """See `Node.journal`."""
        settings = self._settings
        if row.name not in self._open_journals:
            self._open_journals[row.name] = NatsJournal(
                self._connection,
                row,
                storage=settings.kv_storage,
                replicas=settings.kv_replicas,
                makes=self._kind.value == MAKER or not self._connection.restricted,
            )
        return self._open_journals[row.name]

    async def make_all(self, leases: Mapping[str, float]) -> None:
        """Make every bucket, queue and journal of the cluster that is missing. `leases`: those, in seconds, that are
        others than in the table. Raises STORE_UNAVAILABLE for buckets and queues; journals may come later."""
        for bucket in BUCKETS:
            await self.get(bucket.name, leases.get(bucket.name, bucket.lease_s))
        for queue in QUEUES:
            await self.queue(queue)
        for journal in JOURNALS:
            try:
                await self.journal(journal).open()
            except RillcastError as error:
                log.warning("A journal can't be made yet; it is tried again", reason=error.message)
        self._connection.on_connected(self._look)

    async def keep(self) -> None:
        """Make again what is missing, for ever: NATS may lose its state."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AT_THEM_S):
                    await self._due.wait()
            self._due.clear()
            kept: list[tuple[str, Callable[[], Awaitable[None]]]] = []
            kept += [(name, partial(bucket.open, 0.0)) for name, bucket in self._open.items()]
            kept += [(queue.name, partial(queue.open, 0.0)) for queue in self._open_queues.values()]
            kept += [(journal.name, journal.open) for journal in self._open_journals.values()]
            for name, look in kept:
                try:
                    await look()
                except RillcastError as error:
                    log.debug("A bucket can't be looked at right now", bucket=name, reason=error.message)

    async def _look(self) -> None:
        self._due.set()
