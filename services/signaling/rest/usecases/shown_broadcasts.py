"""Broadcasts as REST shows them: what was set for them, with what is seen of those that are live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, NodeId, StreamId, is_stream_id
from services.signaling.core.domain import stream_info
from services.signaling.core.domain.broadcast_index import Listed, Wanted
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.core.ports import Audience
from services.signaling.rest.ports import KnownBroadcasts, Lives, PublishedStreams


class ShownBroadcasts:
    """One per signaling instance."""

    def __init__(
        self,
        *,
        streams: PublishedStreams,
        known: KnownBroadcasts,
        lives: Lives,
        audience: Audience,
        address_of: Callable[[NodeId], str],
    ) -> None:
        """`address_of`: a node's address, for ``originAdress``."""
        self._streams = streams
        self._known = known
        self._lives = lives
        self._audience = audience
        self._address_of = address_of

    def one(self, app: AppName, stream: str) -> Broadcast | None:
        """The broadcast with this id; None when there is none."""
        if not is_stream_id(stream):
            return None
        stream = StreamId(stream)
        record, live = self._known.get(app, stream), self._streams.published(app, stream)
        if live is not None:
            viewers = self._audience.viewers(app, stream)
            return stream_info.broadcast(live, viewers, self._address_of(live.record.owner), record)
        if record is None:
            return None
        return stream_info.created(record, ended=self._lives.ended(app, stream))

    def kept(self, app: AppName, stream: StreamId) -> KeptBroadcast | None:
        """What was set for it; None when nothing was."""
        return self._known.get(app, stream)

    def all(self, app: AppName, streams: Iterable[StreamId]) -> list[Broadcast]:
        """Those of them that there are."""
        return [shown for stream in streams if (shown := self.one(app, stream)) is not None]

    def wanted(self, app: AppName, wanted: Wanted) -> Sequence[StreamId]:
        """The ids of those that a client asks for, in its order; to be read before anything changes."""
        live = {one.stream: one for one in self._streams.all() if one.app == app}
        others = [_listed(one) for stream, one in live.items() if self._known.get(app, stream) is None]
        if wanted.sort_by != "status":
            return self._known.streams(app, wanted, others)
        under_way = self._known.of_status(app, *stream_info.UNDER_WAY)
        seen = {stream: self._status(app, stream, live) for stream in (*under_way, *live)}
        return self._known.streams(app, wanted, others, seen)

    def live(self, app: AppName) -> int:
        """How many are live."""
        return sum(1 for one in self._streams.all() if one.app == app and one.record.media_flowing)

    def _status(self, app: AppName, stream: StreamId, live: dict[StreamId, LiveStream]) -> str:
        if stream in live:
            return "broadcasting" if live[stream].record.media_flowing else "preparing"
        record = self._known.get(app, stream)
        return "" if record is None else stream_info.status_of(record, ended=self._lives.ended(app, stream))


def _listed(live: LiveStream) -> Listed:
    return Listed(live.stream, live.record.name, live.record.started_at_ms)
