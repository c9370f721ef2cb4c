"""What a viewer can be sent from what a stream carries: the renditions of its group in the codec agreed on."""

from __future__ import annotations

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from services.edge.domain.rendition import Option


def supplies_for(live: LiveStream, group: str, codec: str) -> tuple[TrackSupply, ...]:
    """Interchangeable renditions of one group, lowest first. A layer that carries nothing while others do is left out:
    publishers stop sending layers their uplink can't carry."""
    same = [s for s in live.supplies() if s.track.mid == group and s.track.codec == codec]
    if any(s.track.bitrate_bps for s in same):
        same = [s for s in same if s.track.bitrate_bps or not s.track.rid]
    return tuple(sorted(same, key=lambda s: (s.track.height, s.track.bitrate_bps)))


def options_of(supplies: tuple[TrackSupply, ...]) -> tuple[Option, ...]:
    """The same, as `RenditionChooser` wants it."""
    return tuple(Option(s.track.track, s.track.height, s.track.bitrate_bps) for s in supplies)
