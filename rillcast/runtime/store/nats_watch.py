"""Reading a whole bucket and following its changes by an ordered push consumer that is replaced at every gap."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext, api

from rillcast.runtime import metrics
from rillcast.runtime.ports import Entry
from rillcast.runtime.tasks.cancel import heeding
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

_HEARTBEAT_S = 2.0
_SILENCE_S = 3 * _HEARTBEAT_S
_UNHEARD_S = 1.5 * _HEARTBEAT_S
"""Without a word for so long, changes may be missing. It is well below a lease."""
_spans = itertools.count(1)
"""Of all feeds of this process, so that no number comes twice."""
_SNAPSHOT_HEARTBEAT_S = 0.5
_QUEUE = 1_024
"""Messages taken over from the client; more wait there, bounded, and a gap restarts the feed."""


def entry_of(key: str, value: bytes, headers: Mapping[str, str] | None, revision: int) -> Entry:
    """An `Entry` out of a message: markers of deletion have no value."""
    gone = headers is not None and (headers.get("KV-Operation") in {"DEL", "PURGE"} or "Nats-Marker-Reason" in headers)
    return Entry(key=key, value=None if gone else value, revision=revision)


class Store(Protocol):
    """What a feed reads: the part of `JsStream` that matters here."""

    name: str
    label: str

    @property
    def connected(self) -> bool: ...

    @property
    def client(self) -> Client: ...

    def jetstream(self) -> JetStreamContext: ...

    async def ensure(self) -> None: ...


class Feed:
    """One reader of one bucket: either `snapshot` once, or `entries` for as long as somebody follows; then `stop`."""

    def __init__(
        self,
        store: Store,
        prefix: str,
        after: int = 0,
        *,
        knows: bool = False,
        on_change: Callable[[str], None] = lambda _key: None,
    ) -> None:
        """`prefix`: what comes before the key in a subject. `after`: `entries` begins behind this revision; 0 = with
        what is present. `knows`: the reader has entries already, so that it is told of deletions too. `on_change` is
        called with the key of each entry of `entries`."""
        self._store = store
        self._prefix = prefix
        self._after = after
        self._knows = knows
        self._on_change = on_change
        self._queue: asyncio.Queue[Msg | None] = asyncio.Queue(_QUEUE)
        self._subscription: Subscription | None = None
        self._consumer = ""
        self._delivered = 0
        self._stale = False
        self._idle = False
        self._heard_at: float | None = None
        self._span = 0

    @property
    def heard(self) -> int:
        """See `KeyValue.heard`."""
        at = self._heard_at
        return self._span if at is not None and _now() - at <= _UNHEARD_S else 0

    def _hears(self) -> None:
        """The server has said something."""
        if not self.heard:
            self._span = next(_spans)
        self._heard_at = _now()

    async def snapshot(self, silence_s: float) -> dict[str, Entry]:
        """Entries and markers of deletion. May lack keys that are written meanwhile, since the server counts down
        to nothing left before it has sent them. Raises TimeoutError when the store falls silent."""
        left = await self._start(_SNAPSHOT_HEARTBEAT_S)
        present: dict[str, Entry] = {}
        while left:
            msg = await self._next(silence_s, until_idle=True)
            if msg is None and self._idle:  # what was counted at the start expired meanwhile
                break
            if msg is None:
                raise TimeoutError("the store fell silent")
            entry = self._entry(msg)
            present[entry.key] = entry
            left = msg.metadata.num_pending
        return present

    async def entries(self) -> AsyncIterator[Entry]:
        """Present entries, then changes, for ever; starts over after each interruption."""
        while True:
            try:
                if not self._store.connected:
                    raise ConnectionError("the bus is down")
                left = await self._start(_HEARTBEAT_S)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.debug("A watch can't start yet", bucket=self._store.label, reason=str(error))
                await asyncio.sleep(0.2 + random.random() * 0.3)
                continue
            catching_up = left > 0
            while (msg := await self._next(_SILENCE_S)) is not None:
                entry = self._entry(msg)
                self._on_change(entry.key)
                # The first time nobody knows of keys deleted long ago; after a gap somebody may.
                if entry.value is not None or not catching_up or self._knows:
                    yield entry
                catching_up = catching_up and msg.metadata.num_pending > 0
            self._after, self._knows = 0, True
            metrics.KV_WATCH_RESTARTS.labels(self._store.label).inc()
            await self.stop()

    def restart(self) -> None:
        """Start over: the connection was interrupted, and what was missed is unknown."""
        self._stale = True
        self._after = 0
        if not self._queue.full():
            self._queue.put_nowait(None)

    async def stop(self) -> None:
        """Give the consumer back, as far as the server can be reached."""
        self._heard_at = None
        subscription, self._subscription = self._subscription, None
        consumer, self._consumer = self._consumer, ""
        if subscription is None or not self._store.connected:
            return
        try:
            await subscription.unsubscribe()
            if consumer:
                with heeding():
                    await self._store.jetstream().delete_consumer(self._store.name, consumer)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            log.debug("A consumer was not removed, the server does it", bucket=self._store.label, reason=str(error))

    async def _start(self, heartbeat_s: float) -> int:
        """Make subscription and consumer; how many entries come first."""
        with heeding():
            await self._store.ensure()
        self._queue = asyncio.Queue(_QUEUE)
        self._delivered = 0
        self._stale = False
        inbox = self._store.client.new_inbox()
        self._subscription = await self._store.client.subscribe(inbox, cb=self._queue.put)
        with heeding():
            consumer = self._config(inbox, heartbeat_s)
            info = await self._store.jetstream().add_consumer(self._store.name, consumer)
        self._consumer = info.name
        self._hears()
        return (info.num_pending or 0) + (info.delivered.consumer_seq if info.delivered else 0)

    def _config(self, inbox: str, heartbeat_s: float) -> api.ConsumerConfig:
        """Of a bucket, what is there now comes first."""
        return api.ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=(api.DeliverPolicy.BY_START_SEQUENCE if self._after else api.DeliverPolicy.LAST_PER_SUBJECT),
            opt_start_seq=self._after + 1 if self._after else None,
            ack_policy=api.AckPolicy.NONE,
            filter_subject=f"{self._prefix}>",
            replay_policy=api.ReplayPolicy.INSTANT,
            idle_heartbeat=heartbeat_s,
            max_deliver=1,
            mem_storage=True,
            num_replicas=1,
        )

    async def _next(self, silence_s: float, *, until_idle: bool = False) -> Msg | None:
        """The next change; None when the feed has a gap, is stale or silent, or has no more to give (`until_idle`)."""
        while not self._stale:
            msg = await self._take(silence_s)
            if msg is None:
                break
            if (headers := msg.headers) is not None and headers.get("Status") == "100":  # idle heartbeat
                in_step = headers.get("Nats-Last-Consumer") in {None, str(self._delivered)}
                self._idle = in_step and until_idle
                if self._idle or not in_step:
                    break
                continue
            if msg.metadata.sequence.consumer != self._delivered + 1:
                break
            self._delivered += 1
            return msg
        return None

    async def _take(self, silence_s: float) -> Msg | None:
        try:
            async with asyncio.timeout(silence_s):
                msg = await self._queue.get()
        except TimeoutError:
            return None
        if msg is not None:
            self._hears()
        return msg

    def _entry(self, msg: Msg) -> Entry:
        key = msg.subject.removeprefix(self._prefix)
        return entry_of(key, msg.data, msg.headers, msg.metadata.sequence.stream)


def _now() -> float:
    return asyncio.get_running_loop().time()
