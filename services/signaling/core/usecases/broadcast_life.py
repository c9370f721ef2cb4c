"""Keeps the status of broadcasts: when somebody begins to publish one, and when that has ended.

Every instance sees the same streams begin and end, and each of them would write the same. So whoever comes first
writes, and the others find that there is nothing left to do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, StreamId, split_stream_key, stream_key
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.stream_info import BROADCASTING, FINISHED, UNDER_WAY
from services.signaling.core.usecases.broadcast_store import BroadcastStore

log = get_logger(__name__)

RETRY_S = 1.0


class Lives(Protocol):
    """What is live, and what was until a moment ago."""

    def published(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream, if somebody publishes it, media or not yet."""
        ...

    def has_lost_owner(self, app: AppName, stream: StreamId) -> bool:
        """Whether it is not live since its origin fell silent a moment ago."""
        ...


class BroadcastLife:
    """One per signaling instance. `changed` is told of every stream that begins or ends."""

    def __init__(
        self,
        streams: Lives,
        catalog: BroadcastCatalog,
        store: BroadcastStore,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._streams = streams
        self._catalog = catalog
        self._store = store
        self._wall_clock = wall_clock
        self._due: dict[str, None] = {}
        """Keys to look at: as many as there are broadcasts at most."""
        self._ended: set[str] = set()
        """Those of them whose end is not written yet."""
        self._woken = asyncio.Event()

    def changed(self, key: str) -> None:
        """Something happened to the stream with this key. Does not block."""
        app, stream = split_stream_key(key)
        record = self._catalog.get(app, stream)
        if record is None or self._next(app, stream, record) is None:
            return
        if self._streams.published(app, stream) is None:
            self._ended.add(key)
        self._due[key] = None
        self._woken.set()

    def ended(self, app: AppName, stream: StreamId) -> bool:
        """Whether its end was seen here and is still to be written."""
        return stream_key(app, stream) in self._ended

    async def run(self) -> NoReturn:
        """Write what is due until cancelled. What the store does not take is written later."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._due:
                key = next(iter(self._due))
                try:
                    await self._write(*split_stream_key(key))
                except RillcastError as error:
                    log.info("The status of a broadcast cannot be written yet", stream=key, reason=error.message)
                    await asyncio.sleep(RETRY_S)
                    continue
                self._due.pop(key, None)
                self._ended.discard(key)

    async def _write(self, app: AppName, stream: StreamId) -> None:
        def changed(record: KeptBroadcast | None) -> KeptBroadcast | None:
            return None if record is None else self._next(app, stream, record)

        await self._store.rewrite(app, stream, changed)

    def _next(self, app: AppName, stream: StreamId, record: KeptBroadcast) -> KeptBroadcast | None:
        """The record as it should be now; None when it is so."""
        live = self._streams.published(app, stream)
        if live is not None:
            if not live.record.media_flowing:
                return None
            started = live.record.started_at_ms
            begun = {"status": BROADCASTING, "start_time": started, "absolute_start_time_ms": started}
            if all(getattr(record, name) == value for name, value in begun.items()):
                return None
            return msgspec.structs.replace(record, **begun, update_time=self._now_ms())
        if record.status not in UNDER_WAY or not record.update_time or self._streams.has_lost_owner(app, stream):
            return None  # a client set that status, or nobody has said that the stream is over
        over = {"speed": 0.0, "bitrate": 0, "web_rtc_viewer_count": 0}
        return msgspec.structs.replace(record, status=FINISHED, update_time=self._now_ms(), **over)

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1_000)
