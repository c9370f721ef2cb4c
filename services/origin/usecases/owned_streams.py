"""All streams of one origin, found by whatever names them."""

from __future__ import annotations

from collections.abc import Iterator

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId, TrackId, stream_key
from rillcast.contracts.messages import RelayOpen
from rillcast.media.protocol import SourceId
from rillcast.relay.parent import RelayOffer
from services.origin import metrics
from services.origin.domain.owned_stream import OwnedStream
from services.origin.ports import Ingest
from services.origin.usecases.claims import Hold


class Owned:
    """A stream, the hold on its key, and the session that feeds it."""

    def __init__(self, stream: OwnedStream, hold: Hold, ingest: Ingest) -> None:
        self.stream = stream
        self.hold = hold
        self.ingest = ingest
        """The last one; `connected` says whether it still feeds the stream."""
        self.connected = False


class OwnedStreams:
    """Found by key, by the session of the publisher, by a source."""

    def __init__(self) -> None:
        self._by_key: dict[str, Owned] = {}
        self._by_session: dict[SessionId, Owned] = {}
        self._by_source: dict[SourceId, tuple[Owned, TrackId]] = {}
        self._kept: frozenset[SessionId] = frozenset()

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Owned]:
        return iter(tuple(self._by_key.values()))

    def __contains__(self, owned: Owned) -> bool:
        return self._by_key.get(owned.stream.key) is owned

    def add(self, owned: Owned) -> None:
        """The stream lives here from now on."""
        self._by_key[owned.stream.key] = owned
        metrics.PUBLISHERS.set(len(self._by_key))

    def remove(self, owned: Owned) -> None:
        """The stream has left this origin."""
        self.sources_end(owned)
        self.session_ends(owned)
        del self._by_key[owned.stream.key]
        metrics.PUBLISHERS.set(len(self._by_key))

    def session_begins(self, owned: Owned) -> None:
        """The stream has another publisher session now."""
        self._by_session[owned.stream.publisher.session] = owned

    def session_ends(self, owned: Owned) -> None:
        """The publisher session of the stream is about to be another one, or none."""
        self._by_session.pop(owned.stream.publisher.session, None)

    def sources_begin(self, owned: Owned) -> None:
        """The stream has the sources that it names from now on."""
        self._by_source.update({source: (owned, track) for track, source in owned.stream.sources.items()})

    def sources_end(self, owned: Owned) -> None:
        """The sources that the stream names are about to end."""
        for source in owned.stream.sources.values():
            self._by_source.pop(source, None)

    def key(self, key: str) -> Owned | None:
        """The stream with this `stream_key`."""
        return self._by_key.get(key)

    def session(self, session: SessionId) -> Owned | None:
        """The stream whose publisher has this session, also if only its grace time is left of it."""
        return self._by_session.get(session)

    def source(self, source: SourceId) -> tuple[Owned, TrackId] | None:
        """The stream and the track that have this source of the plane."""
        return self._by_source.get(source)

    def keep_for_their_publishers(self) -> None:
        """All streams are about to be left to the next origin. Nobody but their publishers is to have them there, as
        far as those were verified or are being moved: strangers wait for the end of the lease."""
        publishers = (owned.stream.publisher for owned in self)
        self._kept = frozenset(one.session for one in publishers if one.movable or one.marks.verified)

    def is_kept(self, session: SessionId) -> bool:
        """Whether this publisher's stream is kept for it, since this node was emptied the last time."""
        return session in self._kept

    def relay_offer(self, request: RelayOpen) -> RelayOffer:
        """What a child gets. Raises NO_STREAM_EXIST."""
        owned = self._by_key.get(stream_key(request.app, request.stream))
        if owned is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "this node does not have the stream")
        stream = owned.stream
        source = stream.sources.get(request.track)
        if source is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream has no such track")
        return RelayOffer(
            key=stream.key,
            track=stream.tracks[request.track],
            worker=stream.worker,
            claim=owned.hold.epoch.claim,
            source=lambda: source,
        )
