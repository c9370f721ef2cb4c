"""What happens to the streams and the records of an app that was deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.runtime.ports import KeyValue
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.ports import Apps, Reports
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

ENDING_S = 10.0
"""How long it is looked for streams of the app. Other instances hear of the deletion within a second, and whom they had
let in before has a stream within some more."""
LOOK_EVERY_S = 0.25
AT_ONCE = 32
"""Streams that are ended, or records that are deleted, at one time."""


class Published(Protocol):
    """What is published now."""

    def all(self) -> Iterable[LiveStream]: ...


class Closing(Protocol):
    """Sessions at origins."""

    async def close(self, session: SessionId, node: NodeId, reason: EndReason) -> bool: ...

    async def turn_away(self, node: NodeId, app: AppName, stream: StreamId) -> bool: ...


class AppEnd:
    """One per signaling instance. Each of them ends the streams of an app when it hears that the app is gone, so that
    it does not matter which of them is still there then."""

    def __init__(self, apps: Apps, streams: Published, sessions: Closing, nodes: Reports) -> None:
        self._apps = apps
        self._streams = streams
        self._sessions = sessions
        self._nodes = nodes

    def left(self, app: AppName) -> list[LiveStream]:
        """Its streams that are still there, as last heard of."""
        return [live for live in self._streams.all() if live.app == app]

    async def end(self, app: AppName) -> int:
        """Send its publishers away, and with them the viewers. Returns when no stream is left, or after some seconds
        with the number of those that are."""
        return await self._look(app, until_none=True)

    async def watch(self, app: AppName) -> None:
        """The same for as long as somebody may still come who was let in before, or until the app is there again."""
        await self._look(app, until_none=False)

    async def _look(self, app: AppName, *, until_none: bool) -> int:
        clock = asyncio.get_running_loop().time
        until = clock() + ENDING_S
        while self._apps.settings(app) is None:
            left = self.left(app)
            if (not left and until_none) or clock() >= until:
                return len(left)
            places = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._end(live, places) for live in left))
            await asyncio.sleep(LOOK_EVERY_S)
        return 0

    async def _end(self, live: LiveStream, places: asyncio.Semaphore) -> None:
        """First whoever waits for the stream, or they would have it next."""
        async with places:
            for origin in self._nodes.nodes(NodeKind.ORIGIN):
                await _asked(self._sessions.turn_away(origin, live.app, live.stream), live)
            record = live.record
            await _asked(self._sessions.close(record.publisher_session, record.owner, EndReason.STOPPED), live)


async def _asked(question: Awaitable[bool], live: LiveStream) -> None:
    try:
        await question
    except RillcastError as error:
        log.info("An origin can't be asked to end a stream of a deleted app", stream=live.stream, reason=str(error))


class AppRecords:
    """What the store has of an app's streams, beside its settings."""

    def __init__(self, buckets: Sequence[KeyValue]) -> None:
        """`buckets`: those in which keys begin with the name of an app. Who reads them follows them."""
        self._buckets = buckets

    async def forget(self, app: AppName) -> int:
        """Delete all of it. How much there was. Raises STORE_UNAVAILABLE; then it can be asked again."""
        counts = [await self._forget(bucket, f"{app}/") for bucket in self._buckets]
        return sum(counts)

    async def _forget(self, bucket: KeyValue, prefix: str) -> int:
        changes = KeyChanges(bucket, busy="the records of the app are being changed by others")
        keys = [entry.key for entry in await bucket.entries() if entry.key.startswith(prefix)]
        for first in range(0, len(keys), AT_ONCE):
            await asyncio.gather(*map(changes.delete, keys[first : first + AT_ONCE]))
        return len(keys)
