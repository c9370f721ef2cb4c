"""Tells webhooks that streams started and ended, each once in the cluster, whoever dies meanwhile.

What webhooks know of a stream lies in the store (`ToldStream`) before they are told of it, and one instance makes what
they know equal to what is live. So an instance that dies loses nothing: the next one finds what is still to be told.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.hook_records import DueHook, ToldStream
from rillcast.contracts.subjects import BUCKET_TOLD_STREAMS
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.ports import Broadcasts
from services.signaling.hooks.domain.hook_body import Action, hook_fields
from services.signaling.hooks.usecases.outbox import Outbox

log = get_logger(__name__)

LOOK_S = 1.0
"""How often it is looked for what changes did not tell: an instance that has become the first, an outage that ended."""


class LiveStreams(Protocol):
    """The streams that somebody publishes (`StreamDirectory`)."""

    def by_key(self, key: str) -> LiveStream | None: ...


class StreamTeller:
    """One per signaling instance. Only the first by name acts; when several think that they are it, each life of a
    stream still has one mark."""

    def __init__(
        self,
        told: KeyValue,
        streams: KeyValue,
        live: LiveStreams,
        outbox: Outbox,
        broadcasts: Broadcasts,
        *,
        is_first: Callable[[], bool],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`streams`: the bucket in which owners renew their streams."""
        self._told = told
        self._streams = streams
        self._live = live
        self._outbox = outbox
        self._broadcasts = broadcasts
        self._is_first = is_first
        self._wall_clock = wall_clock
        self._known: dict[str, tuple[ToldStream, int]] = {}
        self._entries = ToldUpto(self._apply)
        self._gone: dict[str, str] = {}
        """Streams that were gone for a moment at least, with the mark of the life that is over."""
        self._due: set[str] = set()
        self._wake = asyncio.Event()

    def changed(self, key: str) -> None:
        """The stream with this key appeared, changed or went away. Must not miss that it went away."""
        known = self._known.get(key)
        live = self._live.by_key(key)
        if live is None and known is not None:
            self._gone[key] = known[0].mark
        if (
            live is not None
            and known is not None
            and key not in self._gone
            and self._as_told(live, known[0]) == known[0]
        ):
            return
        if live is None and known is None:
            return
        self._due.add(key)
        self._wake.set()

    async def run(self, all_live: Callable[[], list[str]]) -> NoReturn:
        """Until cancelled. `all_live`: the keys of all streams that somebody publishes."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(self._told, self._entries.told, name=BUCKET_TOLD_STREAMS))
            tasks.create_task(self._tell(all_live))
        raise AssertionError("it ends by being cancelled")

    async def _tell(self, all_live: Callable[[], list[str]]) -> NoReturn:
        clock, looked_at = asyncio.get_running_loop().time, 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            self._wake.clear()
            due, self._due = self._due, set()
            if not self._is_first():
                continue
            if clock() - looked_at >= LOOK_S:
                looked_at = clock()
                due |= {*all_live(), *self._known}
            for key in due:
                try:
                    await self.look(key)
                except RillcastError as error:
                    log.info("Webhooks are told of a stream later", stream=key, reason=error.loggable)

    async def look(self, key: str) -> None:
        """Make what webhooks know of one stream equal to what is. Raises STORE_UNAVAILABLE; whatever was done by then
        stands."""
        if (known := self._known.get(key)) is not None and await self._is_over(key, known[0]):
            await self._end(key, *known)
        live = self._live.by_key(key)
        if live is not None and live.record.media_flowing:
            await self._start(key, live)

    async def _is_over(self, key: str, told: ToldStream) -> bool:
        if told.ended_at_ms or self._gone.get(key) == told.mark:
            return True
        # An instance that has just begun may not have heard of all streams yet.
        return self._live.by_key(key) is None and await self._streams.get(key) is None

    async def _end(self, key: str, told: ToldStream, revision: int) -> None:
        """Where nobody is to be told, there is nothing that could get lost between two writes, and one is enough."""
        if self._outbox.url_of(told.app, told.stream, told.url) and not told.ended_at_ms:
            told = msgspec.structs.replace(told, ended_at_ms=self._now_ms())
            written = await self._write(key, told, revision)
            if written is None:
                return  # somebody else does it
            revision = written
        if told.ended_at_ms:
            await self._outbox.put(self._hook(told, Action.ENDED, told.ended_at_ms), about=key)
        deleted = await self._told.delete(key, revision)
        if deleted is not None:
            self._entries.own(Entry(key, None, deleted))

    async def _start(self, key: str, live: LiveStream) -> None:
        known = self._known.get(key)
        if known is None:
            told = self._new(live)
            value = msgspec.json.encode(told)
            created = await self._told.create(key, value)
            if created is None:
                return  # somebody else does it
            self._entries.own(Entry(key, value, created))
            known = (told, created)
        told, revision = known
        if not told.told:
            await self._outbox.put(self._hook(told, Action.STARTED, told.started_at_ms), about=key)
            await self._write(key, msgspec.structs.replace(told, told=True), revision)
        elif (newer := self._as_told(live, told)) != told:
            await self._write(key, newer, revision)

    def _new(self, live: LiveStream) -> ToldStream:
        record = live.record
        url = self._outbox.url_of(record.app, record.stream)
        told = ToldStream(
            app=record.app,
            stream=record.stream,
            mark=secrets.token_hex(12),
            started_at_ms=self._now_ms(),
            subscriber_id=record.subscriber_id,
            url=url,
            told=not url,
        )
        return self._as_told(live, told)

    def _as_told(self, live: LiveStream, told: ToldStream) -> ToldStream:
        """With what the publisher says of its stream now, and what was set for it where the publisher says nothing."""
        record, kept = live.record, self._broadcasts.get(told.app, told.stream)
        if kept is None:
            return msgspec.structs.replace(told, name=record.name, meta_data=record.meta_data)
        return msgspec.structs.replace(
            told,
            name=record.name or kept.name or "",
            meta_data=record.meta_data or kept.meta_data or "",
            category=kept.category or "",
            main_track=kept.main_track_stream_id or "",
        )

    def _hook(self, told: ToldStream, action: Action, at_ms: int) -> DueHook:
        fields = hook_fields(
            action,
            told.stream,
            told.app,
            at_ms,
            name=told.name,
            category=told.category,
            main_track=told.main_track,
            subscriber=told.subscriber_id,
            meta_data=told.meta_data,
        )
        url = self._outbox.url_of(told.app, told.stream, told.url)
        return DueHook(id=f"{told.mark}.{action.value}", app=told.app, url=url, at_ms=at_ms, fields=fields)

    async def _write(self, key: str, told: ToldStream, revision: int) -> int | None:
        value = msgspec.json.encode(told)
        written = await self._told.update(key, value, revision)
        if written is not None:
            self._entries.own(Entry(key, value, written))
        return written

    def _apply(self, entry: Entry) -> None:
        known = self._known.get(entry.key)
        if known is not None and entry.revision < known[1]:
            return
        try:
            told = decode_json(entry.value, ToldStream) if entry.value is not None else None
        except Undecodable:
            log.warning("What webhooks know of a stream makes no sense", stream=entry.key)
            return
        if told is not None:
            self._known[entry.key] = (told, entry.revision)
        else:
            self._known.pop(entry.key, None)
        if self._gone.get(entry.key) not in (None, told.mark if told is not None else ""):
            del self._gone[entry.key]

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1_000)
