"""A publisher's session that has no stream yet: it connects, brings its media, and then gets the stream, or is told
that somebody else has it. Until then it feeds sources of its own, which nobody watches, and it holds no id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from rillcast.cluster.shares import HalfOpen
from rillcast.contracts.ids import SessionId, TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import SourceId
from services.origin.domain.owned_stream import Publisher
from services.origin.domain.takeover import is_same_publisher

MOST_PER_STREAM = 8
"""Newcomers for one stream id at one time."""
RETRY_S = 0.5
"""How soon a newcomer whose media has arrived is tried again after the store did not answer."""


class NewcomerEnd(StrEnum):
    """What became of a newcomer: the labels of ``rillcast_origin_newcomers_ended``."""

    OK = "ok"
    """It has its stream."""
    NO_MEDIA = "no_media"
    UNCLAIMED = "unclaimed"
    """The store did not take its claim in time."""
    IN_USE = "in_use"
    """Somebody else has the stream."""
    GAVE_WAY = "gave_way"
    """Another newcomer needed its place."""
    CLOSED = "closed"
    PLANE_ERROR = "plane_error"


class Newcomer:
    """Mutable; lives from the answer to a publisher until it has the stream or is gone. `now` is monotonic seconds."""

    def __init__(
        self,
        publisher: Publisher,
        tracks: Sequence[TrackRecord],
        sources: Mapping[TrackId, SourceId],
        *,
        worker: int,
        now: float,
    ) -> None:
        """`worker`: of the plane, which has the session and `sources`."""
        self.publisher = publisher
        self.tracks = tracks
        self.sources = dict(sources)
        self.worker = worker
        self.opened_at = now
        self.media_at: float | None = None
        """When its first packet came, or nothing but that was missing."""
        self.claiming = False
        """Whether the key is being claimed for it at this moment."""
        self.gone = False
        """Whether it has its stream, or is over."""
        self._due_at = now

    def media_came(self, now: float) -> float:
        """First packet of the session; how long it took in seconds."""
        self.media_at = now
        return now - self.opened_at

    def wait(self, now: float) -> None:
        """The stream can't be had at this moment; see again after `RETRY_S`."""
        self._due_at = now + RETRY_S

    def ready(self, now: float) -> bool:
        """Whether to try to give it the stream now."""
        return self.media_at is not None and not self.claiming and now >= self._due_at

    def late(self, now: float) -> bool:
        """Whether its time is over: for bringing media, or for getting the stream with it."""
        since = self.opened_at if self.media_at is None else self.media_at
        return not self.claiming and now - since >= self.publisher.start_timeout_s


def in_the_way(
    publisher: Publisher, present: Sequence[Newcomer], now: float, *, rightful: bool = False
) -> Newcomer | None:
    """Which of those who wait for the stream already (the oldest first) must give way to one more. None = there is
    room. Raises LookupError when there is none and everybody may stay. `rightful`: the living stream is this
    publisher's.

    The same publisher is trying anew, so its earlier session is no longer wanted. When many wait, one of the client
    gives way that has most of them without media, so that nobody can keep an id by asking again and again. A rightful
    publisher finds a place in any case, one beyond `MOST_PER_STREAM` if all others have brought their media."""
    without_media = {other.publisher.session: other for other in present if other.media_at is None}
    for other in without_media.values():
        if is_same_publisher(other.publisher.marks, publisher.marks):
            return other
    if len(present) < MOST_PER_STREAM:
        return None
    half_open = HalfOpen[SessionId]()
    for session, other in without_media.items():
        half_open.add(session, other.publisher.client, other.opened_at)
    chosen = half_open.gives_way(publisher.client, now)
    if chosen is None and rightful:
        chosen = half_open.greediest()
        if chosen is None and not any(is_same_publisher(one.publisher.marks, publisher.marks) for one in present):
            return None
    if chosen is None:
        raise LookupError("too many want this stream id at this moment")
    return without_media[chosen]
