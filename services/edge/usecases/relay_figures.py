"""Figures about upstream relays: what was lost on the way here, and what viewers missed when a parent fell silent."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.media.protocol import Event, RelayParentLost, SourceId, SourceStarted, SourceStats
from services.edge import metrics
from services.edge.domain.feed import Feed
from services.edge.ports import Clock

UNHEARD_S = 0.4
"""For so long nothing has come from a parent when `RelayParentLost` comes."""


class RelayFigures:
    """One per edge, for all feeds of its relays. What it knows of a feed lies there."""

    def __init__(self, feed_of: Callable[[SourceId], Feed | None], clock: Clock) -> None:
        """`feed_of`: the feed with a number of the plane."""
        self._feed_of = feed_of
        self._clock = clock

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        match event:
            case SourceStats(source=source):
                if feed := self._feed_of(source):
                    self._repairs(feed, event)
            case RelayParentLost(source=source):
                if (feed := self._feed_of(source)) and feed.users and feed.unheard_at is None:
                    feed.unheard_at = self._clock() - UNHEARD_S
            case SourceStarted(source=source):
                if (feed := self._feed_of(source)) and feed.unheard_at is not None:
                    metrics.RELAY_GAP.observe(self._clock() - feed.unheard_at)
                    feed.unheard_at = None
            case _:
                pass

    @staticmethod
    def _repairs(feed: Feed, stats: SourceStats) -> None:
        lost, recovered = feed.note_repairs(stats.lost, stats.recovered)
        if lost or recovered:
            metrics.RELAY_PACKETS_LOST.inc(lost)
            metrics.RELAY_PACKETS_RECOVERED.inc(recovered)
