"""Shows an operator what this edge knows of one stream: its relays and those who watch it. Changes nothing."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from rillcast.cluster.health import Verdict
from rillcast.contracts.ids import session_mark, stream_key
from rillcast.contracts.messages import FeedLook, LookAnswer, LookRequest, ViewerLook
from rillcast.contracts.messages.looks import MOST_FEEDS
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import SourceId, SourceStats
from services.edge.domain.feed import Feed
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Clock
from services.edge.usecases.upstream_relays import UpstreamRelays

MOST_MS = 31_000_000_000


class Looks:
    """One per edge: answers `LookRequest`."""

    def __init__(
        self, viewers: Viewers, relays: UpstreamRelays, room_bps: Callable[[Viewer], int], clock: Clock
    ) -> None:
        """`room_bps`: what a viewer's link is known to carry; 0 = nothing is known."""
        self._viewers = viewers
        self._relays = relays
        self._room_bps = room_bps
        self._clock = clock
        self._figures: dict[SourceId, SourceStats] = {}
        """The newest of each feed."""

    def on_event(self, event: protocol.Event) -> None:
        """Take in the figures of a source, once a second each."""
        if isinstance(event, SourceStats):
            self._figures[event.source] = event

    def tick(self) -> None:
        """Forget what belongs to no feed. Call once in some seconds."""
        self._figures = {source: one for source, one in self._figures.items() if self._relays.of_source(source)}

    async def look(self, request: LookRequest) -> LookAnswer:
        """What is known at this moment. A stream with 5 000 viewers takes some milliseconds."""
        key = stream_key(request.app, request.stream)
        there = self._viewers.of(key)
        if request.mark:
            chosen = [one for one in there if session_mark(one[0].session) == request.mark]
        else:
            chosen = heapq.nlargest(request.most, there, key=lambda one: Verdict.of(one[0].quality.trouble).rank)
        return LookAnswer(
            feeds=tuple(self._feed(feed) for feed in self._relays.feeds_of(key)[:MOST_FEEDS]),
            viewers=tuple(self._viewer(*one) for one in chosen),
            watching=len(there),
        )

    def _feed(self, feed: Feed) -> FeedLook:
        figures = self._figures.get(feed.source)
        look = FeedLook(
            track=feed.track.track,
            codec=feed.track.codec,
            parent=feed.relay.parent,
            level=feed.relay.level,
            flows=feed.flows_since is not None,
            viewers=feed.users,
        )
        if figures is None:
            return look
        return FeedLook(
            track=look.track,
            codec=look.codec,
            parent=look.parent,
            level=look.level,
            flows=look.flows,
            viewers=look.viewers,
            bitrate_bps=figures.bitrate_bps,
            packets=figures.packets,
            lost=figures.lost,
            frames_per_s=round(figures.frames_per_second, 1),
            height=figures.height,
        )

    def _viewer(self, viewer: Viewer, subscription: Subscription) -> ViewerLook:
        stats = viewer.stats
        video = next((track for track in subscription.tracks if track.kind is MediaKind.VIDEO), None)
        feed = video.shown.feed if video is not None else None
        figures = self._figures.get(feed.source) if feed is not None else None
        return ViewerLook(
            mark=session_mark(viewer.session),
            trouble=viewer.quality.trouble,
            here_s=max(0.0, round(self._clock() - viewer.since, 1)),
            track=feed.track.track if feed is not None else "",
            height=0 if feed is None else figures.height if figures is not None else feed.track.height,
            sent_bps=stats.video_bps + stats.audio_bps if stats is not None else 0,
            room_bps=self._room_bps(viewer),
            loss=round(viewer.quality.loss, 4),
            rtt_ms=_ms(stats.rtt_ms) if stats is not None else 0,
            lag_ms=_ms(stats.lag_ms) if stats is not None else 0,
            nacks=stats.nacks if stats is not None else 0,
            repaired=stats.repaired if stats is not None else 0,
        )


def _ms(value: float) -> int:
    return min(MOST_MS, max(0, round(value)))
