"""Feeds a `StreamDirectory` from the store's change feed, and lets others wait for a stream or hear of changes.

One per process. `run()` belongs to a supervised task; it survives the store being away and starts its watches anew.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from rillcast.cluster.stream_directory import LiveStream, StreamDirectory
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, stream_key
from rillcast.contracts.subjects import BUCKET_RENDITIONS, BUCKET_STREAMS, STREAM_LEASE_S
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow

EXPIRY_CHECK_S = 0.5
CONFIRM_S = 2.0
"""How often the store is asked something that only its leader answers."""
UNCONFIRMED_S = 6.0
"""Without an answer for so long it has none."""
CONFIRM_KEY = "is-there-a-leader"
"""Which nobody writes."""
MAX_WAITING = 20_000
"""How many callers may wait in `wait_for` at one time. Further ones are answered at once from what is known."""

Listener = Callable[[str], None]
"""Called with a stream key whose entry changed, appeared or went away. Must not block."""


class Connection(Protocol):
    """The part of `Bus` that the watch needs."""

    @property
    def hearing(self) -> int: ...


class StreamWatch:
    """The live streams of the cluster as one node sees them."""

    def __init__(
        self,
        streams: KeyValue,
        renditions: KeyValue,
        bus: Connection,
        clock: Callable[[], float],
        lease_s: float = STREAM_LEASE_S,
        *,
        kept_from_writing: Callable[[NodeId], bool] = lambda _: False,
        confirms: bool = False,
    ) -> None:
        """`kept_from_writing`: whether a node lives, and what it writes does not get into the store, or not to us.
        `confirms`: whether the store is asked for its leader, for those who say that a stream is not there."""
        self._confirms = confirms
        self._confirmed_at = -math.inf
        self._kept_from_writing = kept_from_writing
        self._flows: Callable[[str], bool] = lambda _: False
        self._streams = streams
        self._renditions = renditions
        self._bus = bus
        self._clock = clock
        self.directory = StreamDirectory(lease_s)
        self._listeners: list[Listener] = []
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._waiters = 0

    def on_change(self, listener: Listener) -> None:
        """Call `listener` at every change from now on."""
        self._listeners.append(listener)

    def keep_what(self, flows: Callable[[str], bool]) -> None:
        """Whatever its record says, a stream lives while `flows` says that media of it arrives here. `flows` is asked
        by `stream_key`."""
        self._flows = flows

    def get(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream with this id; None when it is not live."""
        return self.directory.get(app, stream)

    @property
    def certain(self) -> bool:
        """Whether what is not known here is not live. In a part of a store that is cut in two, changes are followed
        as before, and there are none."""
        confirmed = not self._confirms or self._clock() - self._confirmed_at < UNCONFIRMED_S
        return confirmed and bool(self._hearing())

    async def wait_for(
        self, app: AppName, stream: StreamId, timeout_s: float, good: Callable[[LiveStream], object] = lambda _: True
    ) -> LiveStream | None:
        """The stream as soon as it is live and `good` says so; None when that does not happen in time."""
        key = stream_key(app, stream)

        def found() -> LiveStream | None:
            live = self.directory.by_key(key)
            return live if live is not None and good(live) else None

        live = found()
        if live is not None or self._waiters >= MAX_WAITING:
            return live
        appeared = asyncio.Event()
        self._waiting.setdefault(key, set()).add(appeared)
        self._waiters += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while (live := found()) is None:
                        appeared.clear()
                        await appeared.wait()
        finally:
            self._waiters -= 1
            waiting = self._waiting[key]
            waiting.discard(appeared)
            if not waiting:
                del self._waiting[key]
        return live

    async def run(self) -> None:
        """Follow both buckets until this is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(self._streams, self.directory.apply_stream, BUCKET_STREAMS))
            tasks.create_task(self._follow(self._renditions, self.directory.apply_rendition, BUCKET_RENDITIONS))
            tasks.create_task(self._expire())
            if self._confirms:
                tasks.create_task(self._confirm())

    async def _follow(self, bucket: KeyValue, apply: Callable[[Entry, float], frozenset[str]], name: str) -> None:
        await follow(bucket, lambda entry: self._tell(apply(entry, self._clock())), name=name)

    def look(self) -> None:
        """Drop what has expired. `run` calls it all the time."""
        kept = self._kept_from_writing
        now, hearing, certain = self._clock(), self._hearing(), self.certain
        self._tell(
            self.directory.expire(now, hearing=hearing, certain=certain, kept_from_writing=kept, flows=self._flows)
        )

    def _hearing(self) -> int:
        """Silence of an owner says something while the bus is heard and while the store tells of its changes. After a
        server of the store has died, the owner may write again before we are told of it."""
        numbers = (self._bus.hearing, self._streams.heard, self._renditions.heard)
        return sum(numbers) if all(numbers) else 0

    async def _expire(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EXPIRY_CHECK_S)

    async def confirm(self) -> None:
        """Ask the store for its leader. `run` does it all the time, if it is to be done."""
        with suppress(RillcastError):
            await self._streams.get(CONFIRM_KEY)
            self._confirmed_at = self._clock()

    async def _confirm(self) -> None:
        while True:
            await self.confirm()
            await asyncio.sleep(CONFIRM_S)

    def _tell(self, keys: frozenset[str]) -> None:
        for key in keys:
            for waiting in self._waiting.get(key, ()):
                waiting.set()
            for listener in self._listeners:
                listener(key)
