"""All publishers of one origin that have no stream yet: taken in, found by their session, turned away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import RemoveSource, SourceId
from rillcast.node.load import MediaLoad
from services.origin import metrics
from services.origin.domain.newcomer import FAIR_S, Newcomer, in_the_way
from services.origin.domain.owned_stream import Publisher
from services.origin.ports import Clock, Ingest, Plane


class Waiting:
    """A newcomer, and the session that feeds its sources."""

    def __init__(self, newcomer: Newcomer, ingest: Ingest) -> None:
        self.newcomer = newcomer
        self.ingest = ingest


class Look:
    """A look at the store for a publisher that is about to be a newcomer."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.unwanted = False
        """Whether the session was closed meanwhile."""


class Newcomers:
    """At most `newcomer.MOST_PER_STREAM` for each stream id."""

    def __init__(self, *, plane: Plane, load: MediaLoad, clock: Clock) -> None:
        self._plane = plane
        self._load = load
        self._clock = clock
        self._sources = map(SourceId, itertools.count(1))
        self._by_session: dict[SessionId, Waiting] = {}
        self._by_key: dict[str, list[Waiting]] = {}
        self.looking: dict[SessionId, Look] = {}
        """Those that are about to be newcomers."""

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(tuple(self._by_session.values()))

    def session(self, session: SessionId) -> Waiting | None:
        """The newcomer with this session."""
        return self._by_session.get(session)

    def receive(self, ingest: Ingest, *, worker: int, restored: bool) -> None:
        """Take in a publisher's media on this worker, in sources of its own. `restored`: its stream lives already.
        Raises HIGH_RESOURCE_USAGE, and what `Ingest.tracks` and `Ingest.begin` raise; then nothing is left of it."""
        publisher, now = ingest.publisher, self._clock()
        other = self._in_the_way(publisher, now)
        tracks = ingest.tracks(worker)
        if other is not None:
            self.turn_away(other, EndReason.REPLACED, how="gave_way")
        sources = {track.track: next(self._sources) for track in tracks}
        waiting = Waiting(Newcomer(publisher, tracks, sources, worker=worker, now=now), ingest)
        self._add(waiting)
        self._load.joined(worker)
        try:
            ingest.begin(sources, restored=restored)
        except BaseException:
            self.turn_away(waiting, EndReason.PLANE_ERROR, how="plane_error")
            raise

    def turn_away(self, waiting: Waiting, reason: EndReason, *, how: str) -> None:
        """The newcomer is over, and nothing is left of it."""
        self._remove(waiting, how)
        self._load.left(waiting.newcomer.worker)
        waiting.ingest.end(reason)
        for source in waiting.newcomer.sources.values():
            self._plane.execute(RemoveSource(source=source))

    def stop_all(self, key: str) -> bool:
        """Whoever wants this stream is over. Whether there was anybody."""
        waiting = list(self._by_key.get(key, ()))
        for one in waiting:
            self.turn_away(one, EndReason.STOPPED, how="closed")
        looks = [look for look in self.looking.values() if look.key == key]
        for look in looks:
            look.unwanted = True
        return bool(waiting or looks)

    def has_stream(self, waiting: Waiting) -> None:
        """The newcomer is the publisher of its stream from now on. Its session counts as load still."""
        self._remove(waiting, "ok")

    def _in_the_way(self, publisher: Publisher, now: float) -> Waiting | None:
        waiting = self._by_key.get(publisher.key, [])
        try:
            other = in_the_way(publisher, [one.newcomer for one in waiting], now)
        except LookupError as full:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, str(full), FAIR_S) from None
        return None if other is None else self._by_session[other.publisher.session]

    def _add(self, waiting: Waiting) -> None:
        publisher = waiting.newcomer.publisher
        self._by_session[publisher.session] = waiting
        self._by_key.setdefault(publisher.key, []).append(waiting)
        metrics.NEWCOMERS.set(len(self._by_session))

    def _remove(self, waiting: Waiting, how: str) -> None:
        publisher = waiting.newcomer.publisher
        waiting.newcomer.gone = True
        del self._by_session[publisher.session]
        others = self._by_key[publisher.key]
        others.remove(waiting)
        if not others:
            del self._by_key[publisher.key]
        metrics.NEWCOMERS.set(len(self._by_session))
        metrics.NEWCOMERS_ENDED.labels(how).inc()
