"""All publishers of one origin that have no stream yet: taken in, found by their session, turned away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from rillcast.cluster.shares import FAIR_S, NoPlace, SharedPlaces
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import RemoveSource, SourceId
from rillcast.node.load import MediaLoad
from services.origin import metrics
from services.origin.domain.newcomer import Newcomer, NewcomerEnd, in_the_way
from services.origin.domain.owned_stream import Publisher
from services.origin.ports import Clock, Ingest, Plane

MOST = 3_500
"""Of one origin. A worker of the plane takes 4 000 (`PlaneConfig.max_half_open`), so that rightful publishers whose
streams live find room as well."""


class NewcomerSession:
    """A newcomer, and the session that feeds its sources."""

    def __init__(self, newcomer: Newcomer, ingest: Ingest, *, has_place: bool) -> None:
        """`has_place`: whether it takes one of its client's share."""
        self.newcomer = newcomer
        self.ingest = ingest
        self.has_place = has_place


class Look:
    """A look at the store for a publisher that is about to be a newcomer."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.unwanted = False
        """Whether the session was closed meanwhile."""


class Newcomers:
    """At most `newcomer.MOST_PER_STREAM` for each stream id, or one more of a rightful publisher. Each of them has one
    of the origin's places, of which its client has a share."""

    def __init__(self, *, plane: Plane, load: MediaLoad, clock: Clock, most: int = MOST) -> None:
        self._plane = plane
        self._load = load
        self._clock = clock
        self._places = SharedPlaces(most)
        self._sources = map(SourceId, itertools.count(1))
        self._by_session: dict[SessionId, NewcomerSession] = {}
        self._by_key: dict[str, list[NewcomerSession]] = {}
        self.looking: dict[SessionId, Look] = {}
        """Those that are about to be newcomers."""

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> Iterator[NewcomerSession]:
        return iter(tuple(self._by_session.values()))

    def session(self, session: SessionId) -> NewcomerSession | None:
        """The newcomer with this session."""
        return self._by_session.get(session)

    def receive(self, ingest: Ingest, *, worker: int, restored: bool, rightful: bool) -> None:
        """Take in a publisher's media on this worker, in sources of its own. `restored`: its stream lives already;
        `rightful`: it is this publisher's, which takes no place of others then. Raises HIGH_RESOURCE_USAGE, and what
        `Ingest.tracks` and `Ingest.begin` raise; then nothing is left of it."""
        publisher, now = ingest.publisher, self._clock()
        other = self._in_the_way(publisher, now, rightful=rightful)
        tracks = ingest.tracks(worker)
        if not rightful:
            self._take_place(publisher.client)
        if other is not None:
            self.turn_away(other, EndReason.REPLACED, how=NewcomerEnd.GAVE_WAY)
        sources = {track.track: next(self._sources) for track in tracks}
        newcomer = Newcomer(publisher, tracks, sources, worker=worker, now=now)
        waiting = NewcomerSession(newcomer, ingest, has_place=not rightful)
        self._add(waiting)
        self._load.joined(worker, publisher.client)
        try:
            ingest.begin(sources, restored=restored)
        except BaseException:
            self.turn_away(waiting, EndReason.PLANE_ERROR, how=NewcomerEnd.PLANE_ERROR)
            raise

    def turn_away(self, waiting: NewcomerSession, reason: EndReason, *, how: NewcomerEnd) -> None:
        """The newcomer is over, and nothing is left of it."""
        self._remove(waiting, how)
        self._load.left(waiting.newcomer.worker, waiting.newcomer.publisher.client)
        waiting.ingest.end(reason)
        for source in waiting.newcomer.sources.values():
            self._plane.execute(RemoveSource(source=source))

    def stop_all(self, key: str) -> bool:
        """Whoever wants this stream is over. Whether there was anybody."""
        waiting = list(self._by_key.get(key, ()))
        for one in waiting:
            self.turn_away(one, EndReason.STOPPED, how=NewcomerEnd.CLOSED)
        looks = [look for look in self.looking.values() if look.key == key]
        for look in looks:
            look.unwanted = True
        return bool(waiting or looks)

    def has_stream(self, waiting: NewcomerSession) -> None:
        """The newcomer is the publisher of its stream from now on. Its session counts as load still."""
        self._remove(waiting, NewcomerEnd.OK)

    def _in_the_way(self, publisher: Publisher, now: float, *, rightful: bool) -> NewcomerSession | None:
        waiting = self._by_key.get(publisher.key, [])
        try:
            other = in_the_way(publisher, [one.newcomer for one in waiting], now, rightful=rightful)
        except LookupError as full:
            metrics.NEWCOMERS_REFUSED.labels("id_full").inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, str(full), FAIR_S) from None
        return None if other is None else self._by_session[other.publisher.session]

    def _take_place(self, client: str) -> None:
        refused = self._places.take(client)
        if refused is None:
            return
        metrics.NEWCOMERS_REFUSED.labels(refused).inc()
        whose = " from your address" if refused is NoPlace.ADDRESS_FULL else ""
        text = f"too many publishers{whose} are connecting to this origin"
        raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, text, FAIR_S)

    def _add(self, waiting: NewcomerSession) -> None:
        publisher = waiting.newcomer.publisher
        self._by_session[publisher.session] = waiting
        self._by_key.setdefault(publisher.key, []).append(waiting)
        metrics.NEWCOMERS.set(len(self._by_session))

    def _remove(self, waiting: NewcomerSession, how: NewcomerEnd) -> None:
        publisher = waiting.newcomer.publisher
        waiting.newcomer.gone = True
        if waiting.has_place:
            self._places.leave(publisher.client)
        del self._by_session[publisher.session]
        others = self._by_key[publisher.key]
        others.remove(waiting)
        if not others:
            del self._by_key[publisher.key]
        metrics.NEWCOMERS.set(len(self._by_session))
        metrics.NEWCOMERS_ENDED.labels(how).inc()
