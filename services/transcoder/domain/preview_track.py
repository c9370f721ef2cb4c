"""Of which track of a stream a small picture is made. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from rillcast.apps.ladder_wish import DECODED
from rillcast.contracts.messages.previews import LONGEST_SIDE
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind


def preview_track(tracks: Sequence[TrackRecord]) -> TrackRecord | None:
    """The smallest simulcast layer that carries something and is large enough, or else the largest one; None for a
    stream without video. Its codec may be one that is not decoded here: see `is_decoded`."""
    layers = [track for track in tracks if track.kind is MediaKind.VIDEO]
    layers = [track for track in layers if track.mid == layers[0].mid]
    layers = [track for track in layers if track.bitrate_bps > 0] or layers
    large = [track for track in layers if max(track.width, track.height) >= LONGEST_SIDE]
    if large:
        return min(large, key=lambda track: (track.height, track.bitrate_bps))
    return max(layers, key=lambda track: (track.height, track.bitrate_bps), default=None)


def is_decoded(track: TrackRecord) -> bool:
    """Whether pictures of it can be made."""
    return track.codec in DECODED and track.clock_rate == 90_000
