"""Layers that a publisher has stopped sending while it goes on with others of the same picture, as browsers do whose
uplink or processor falls short. The edge sees that itself: the record of the stream says it seconds later.

The frames of all layers come together. So a layer without a packet for a while is stopped only if another one has had
packets meanwhile, and not when the publisher has paused, or sends a frame each second. Nor has a layer of few frames
beside faster ones stopped while it is as slow as before.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.ids import TrackId
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import Event, SourceId, SourceSilent, SourceStarted
from rillcast.relay.child_relay import ChildState
from services.edge import metrics
from services.edge.domain.feed import Feed
from services.edge.domain.freezes import Freeze, silent_freezes
from services.edge.ports import Clock

SURE_S = 0.6
"""For so long another layer has to have packets after a pause: longer than it takes to be silent itself. So layers with
a picture each second, which come one after the other, have stopped at no time."""
SILENT_S = 0.5
"""For so long no packet has come when `SourceSilent` comes."""
MISSED_INTERVALS = 2
"""A layer without a packet for so many times the longest interval of its pictures has stopped."""


class StoppedLayers:
    """One per edge, for all feeds of its relays."""

    def __init__(
        self,
        feed_of: Callable[[SourceId], Feed | None],
        feeds_of: Callable[[str], list[Feed]],
        on_news: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """`feed_of`: the feed with a number of the plane. `feeds_of`: all of a stream. `on_news` is called with the key
        of a stream when a layer of it is silent, and when more of its layers have stopped than were known."""
        self._feed_of = feed_of
        self._feeds_of = feeds_of
        self._on_news = on_news
        self._clock = clock
        self._known: dict[str, frozenset[TrackId]] = {}
        """Of each stream of which a layer is silent, those that have stopped."""

    def __len__(self) -> int:
        return len(self._known)

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        match event:
            case SourceSilent(source=source, frame_interval_ms=interval_ms):
                if (feed := self._feed_of(source)) and feed.track.kind is MediaKind.VIDEO:
                    self._count_freezes(feed, interval_ms)
                    more_s = max(0.0, MISSED_INTERVALS * interval_ms / 1000 - SILENT_S)
                    feed.flows_since, feed.missed_at = None, self._clock() + more_s
                    self._known.setdefault(feed.key, frozenset())
                    self._on_news(feed.key)
            case SourceStarted(source=source):
                if (feed := self._feed_of(source)) and feed.flows_since is None:
                    feed.flows_since = self._clock()
            case _:
                pass

    def of(self, key: str) -> frozenset[TrackId]:
        """The layers of a stream that come no more."""
        if key not in self._known:
            return frozenset()
        feeds = self._feeds_of(key)
        return frozenset(feed.track.track for feed in feeds if self._is_missed(feed) and self._others_flow(feed, feeds))

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        for key, before in tuple(self._known.items()):
            stopped = self.of(key)
            if all(feed.flows_since is not None for feed in self._feeds_of(key)):
                del self._known[key]
                continue
            self._known[key] = stopped
            if more := stopped - before:
                metrics.LAYERS_STOPPED.inc(len(more))
                self._on_news(key)

    @staticmethod
    def _count_freezes(feed: Feed, interval_ms: int) -> None:
        frozen = silent_freezes(feed.users - feed.relay.children, interval_ms)
        metrics.FREEZES.labels(Freeze.SILENT.value).inc(max(0, frozen))

    def _is_missed(self, feed: Feed) -> bool:
        return feed.flows_since is None and feed.missed_at <= self._clock()

    def _others_flow(self, feed: Feed, feeds: list[Feed]) -> bool:
        since = self._clock() - SURE_S
        return any(
            other.flows_since is not None and other.flows_since <= since and other.started_at is not None
            for other in feeds
            if (other.track.mid, other.track.codec) == (feed.track.mid, feed.track.codec)
            and other.relay.state is ChildState.OPEN
        )
