"""`ports.Streams` on the stream directory that every node keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, stream_key
from services.signaling.core.domain.ownerless_claims import OwnerlessClaims


class DirectoryStreams:
    """Answers from memory: a look-up costs some microseconds and asks nobody."""

    def __init__(self, watch: StreamWatch, clock: Callable[[], float] = time.monotonic) -> None:
        self._watch = watch
        self._clock = clock
        self._ownerless = OwnerlessClaims()

    def live(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream, if media of it flows."""
        live = self._watch.get(app, stream)
        return live if live is not None and live.record.media_flowing else None

    def by_key(self, key: str) -> LiveStream | None:
        """The same, found by its `stream_key`."""
        live = self._watch.directory.by_key(key)
        return live if live is not None and live.record.media_flowing else None

    def published(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream, if somebody publishes it, media or not yet."""
        return self._watch.get(app, stream)

    async def successor(
        self, app: AppName, stream: StreamId, session: SessionId, timeout_s: float
    ) -> LiveStream | None:
        """Wait until the publisher has another session, and return the stream. Return None if that does not happen in
        time."""
        return await self._watch.wait_for(app, stream, timeout_s, lambda live: live.record.publisher_session != session)

    @property
    def certain(self) -> bool:
        """Whether what is not known here is not live."""
        return self._watch.certain

    def has_lost_owner(self, app: AppName, stream: StreamId) -> bool:
        """Whether it is not live since its origin fell silent a moment ago, and its publisher is likely to return."""
        return self._watch.directory.has_lost_owner(stream_key(app, stream), self._clock())

    def all(self) -> Iterable[LiveStream]:
        """Every stream that somebody publishes."""
        return self._watch.directory.all()

    def count(self, app: AppName, besides: StreamId) -> int:
        """Streams of an app other than `besides`."""
        return sum(1 for live in self._watch.directory.all() if live.app == app and live.stream != besides)

    def owner_of(self, app: AppName, stream: StreamId) -> NodeId | None:
        """The origin that has the stream now; None when nobody publishes it."""
        live = self._watch.get(app, stream)
        return live.record.owner if live is not None else None

    def owner_ended(self, node: NodeId) -> None:
        """This node's process does nothing any more: nobody renews the claims that it has now."""
        for live in self._watch.directory.all():
            if live.record.owner == node:
                self._ownerless.add(live.epoch.claim, self._clock())

    def ownerless_claim(self, app: AppName, stream: StreamId) -> str:
        """The claim of the stream, if its owner has ended; else empty."""
        live = self._watch.get(app, stream)
        return live.epoch.claim if live is not None and self._ownerless.has(live.epoch.claim, self._clock()) else ""
