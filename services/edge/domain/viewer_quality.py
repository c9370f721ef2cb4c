"""How well it goes for one viewer, from the figures of its link. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rillcast.cluster.health import ViewerFigures, viewer_trouble
from rillcast.contracts.health import Trouble
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SessionStats
from services.edge.domain.stage import Stage
from services.edge.domain.subscription import SubscribedTrack

LOSS_WEIGHT = 0.3
"""Of the newest second's figure in the average."""


class Watching(Protocol):
    """The part of `Viewer` that this looks at."""

    stage: Stage
    starved: bool

    @property
    def tracks(self) -> Iterator[SubscribedTrack]: ...


class ViewerQuality:
    """One per viewer. Fed with each `SessionStats`, about once a second."""

    __slots__ = ("_connected_at", "_packets", "_sent_at", "loss", "trouble")

    def __init__(self, now: float) -> None:
        self.trouble: Trouble | None = None
        """The worst that the viewer has now; None when all is well."""
        self.loss = 0.0
        """The share of packets that got lost, averaged over some seconds."""
        self._connected_at = 0.0
        self._packets = 0
        self._sent_at = now

    def heard(self, viewer: Watching, stats: SessionStats, now: float) -> None:
        """Take in the figures of the last second."""
        self._connected_at = self._connected_at or now
        self.loss += (stats.fraction_lost - self.loss) * LOSS_WEIGHT
        # A viewer that was paused, or whose stream has no sound and a picture that stands still, is sent nothing.
        if stats.packets_sent != self._packets or all(track.muted for track in viewer.tracks):
            self._packets, self._sent_at = stats.packets_sent, now
        self.trouble = viewer_trouble(
            ViewerFigures(
                connected_s=now - self._connected_at,
                media=viewer.stage >= Stage.MEDIA,
                stalled_s=now - self._sent_at,
                loss=self.loss,
                rtt_ms=stats.rtt_ms,
                lag_ms=stats.lag_ms,
                starved=viewer.starved,
                lower=any(track.lower and track.kind is MediaKind.VIDEO for track in viewer.tracks),
            )
        )
