"""A publisher's session that has no stream yet: it connects, brings its media, and then gets the stream, or is told
that somebody else has it. Until then it feeds sources of its own, which nobody watches, and it holds no id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import SourceId
from services.origin.domain.owned_stream import Publisher
from services.origin.domain.takeover import is_same_publisher

MOST_PER_STREAM = 8
"""Newcomers for one stream id at one time."""
FAIR_S = 2.0
"""How long a newcomer without media is left alone although others wait: a handshake over a bad link takes 1 s."""
RETRY_S = 0.5
"""How soon a newcomer whose media has arrived is tried again after the store did not answer."""


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
        """When its first packet came."""
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


def in_the_way(publisher: Publisher, present: Sequence[Newcomer], now: float) -> Newcomer | None:
    """Which of those who wait for the stream already (the oldest first) must give way to one more. None = there is
    room. Raises LookupError when there is none and everybody may stay.

    The same publisher is trying anew, so its earlier session is no longer wanted. Who has had a fair time for its media
    and brought none makes room for others, so that nobody can keep an id by asking again and again."""
    without_media = [other for other in present if other.media_at is None]
    for other in without_media:
        if is_same_publisher(other.publisher.marks, publisher.marks):
            return other
    if len(present) < MOST_PER_STREAM:
        return None
    for other in without_media:
        if now - other.opened_at >= FAIR_S:
            return other
    raise LookupError("too many want this stream id at this moment")
