"""Whether media comes from a publisher, told from the figures of its sources, which the plane gives once a second.

Sound comes every 20 ms. So where there is sound, a gap in it is silence, and the time since the last packet can be
counted on from the last figures. A picture without sound may stand still, and Chromium then repeats it once a second:
there, only a silence that the figures themselves show counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceStats

STEADY_PER_S = 20.0
"""So many packets a second make a sound steady: Opus has 50, and 2.5 while it leaves silence out (DTX)."""
GAP_S = 0.45
"""A sound has no such gap, unless the publisher is silent: also DTX sends a packet every 0.4 s."""
STILL_S = 0.5
"""How much longer a publisher without steady sound has to be silent."""
FLOWS_S = 0.5
"""Media flows if figures with new packets show no silence as long as this."""
_ENOUGH_S = 0.2
"""A shorter part of a second says nothing of a rate."""


class _Heard:
    """One track, as its newest figures show it."""

    def __init__(self, kind: MediaKind) -> None:
        self.kind = kind
        self.looked_at: float | None = None
        self.packets = 0
        self.keyframes = 0
        self.keyframes_before = 0
        self.steady = False
        self.flows = False


class PublisherMedia:
    """Of one stream. `now` is always monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._tracks: dict[TrackId, _Heard] = {}
        self._heard_at = now
        self._looked_at = now
        self._steady = False
        """Whether a track is: asked several times a second, and answered anew once a second."""
        self._flows_since: float | None = None

    @property
    def heard_at(self) -> float:
        """When the last packet came, as far as is known."""
        return self._heard_at

    @property
    def wants_keyframe(self) -> bool:
        """Whether there is a picture, and no keyframe has come since `await_keyframe`."""
        pictures = [track for track in self._tracks.values() if track.kind is MediaKind.VIDEO]
        return bool(pictures) and not any(track.keyframes > track.keyframes_before for track in pictures)

    def began(self, now: float) -> None:
        """Media of another session has arrived."""
        self._heard_at = self._looked_at = max(self._heard_at, now)

    def lay_out(self, tracks: Iterable[TrackRecord]) -> None:
        """These tracks come from new sources from now on."""
        self._tracks = {track.track: _Heard(track.kind) for track in tracks}
        self._steady = False
        self._flows_since = None

    def heard(self, name: TrackId, stats: SourceStats, now: float) -> None:
        """Take in the figures of a source. Call once a second and source."""
        track = self._tracks[name]
        since, track.looked_at = track.looked_at, now
        # A source that has adopted another feed may count anew.
        came = stats.packets - track.packets if stats.packets >= track.packets else stats.packets
        track.packets, track.keyframes = stats.packets, stats.keyframes
        track.keyframes_before = min(track.keyframes_before, track.keyframes)
        silent_s = stats.silent_ms / 1_000
        if stats.packets:
            self._heard_at = max(self._heard_at, now - silent_s)
        self._looked_at = now
        if track.kind is MediaKind.AUDIO and since is not None:
            sent_s = now - since - silent_s
            track.steady = came / sent_s >= STEADY_PER_S if sent_s >= _ENOUGH_S else track.steady
            self._steady = any(other.steady for other in self._tracks.values())
        track.flows = came > 0 and silent_s < FLOWS_S
        if not any(other.flows for other in self._tracks.values()):
            self._flows_since = None
        elif self._flows_since is None:
            self._flows_since = now

    def silent_s(self, now: float, *, connected: bool) -> float:
        """How long nothing has come, as far as that is sure. `connected`: whether the publisher's session is there."""
        counted_on, shown = now - self._heard_at, self._looked_at - self._heard_at
        if not connected:
            return counted_on
        if self._steady:
            return counted_on if shown >= GAP_S else shown
        return max(0.0, shown - STILL_S)

    def flowed_s(self, now: float) -> float:
        """For how long media has come without a gap; minus infinity while it does not."""
        return -math.inf if self._flows_since is None else now - self._flows_since

    def await_keyframe(self) -> None:
        """Keyframes that have come so far don't count any more."""
        for track in self._tracks.values():
            track.keyframes_before = track.keyframes
