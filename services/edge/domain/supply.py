"""What a viewer can be sent from what a stream carries: the renditions of its group in the codec agreed on."""

from __future__ import annotations

from collections.abc import Collection

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from services.edge.domain.rendition import Option


def supplies_for(live: LiveStream, group: str, codec: str) -> tuple[TrackSupply, ...]:
    """Interchangeable renditions of one group, lowest first. A layer that carries nothing while others do is left out:
    publishers stop sending layers their uplink can't carry."""
    same = [s for s in live.supplies() if s.track.mid == group and s.track.codec == codec]
    if any(s.track.bitrate_bps for s in same):
        same = [s for s in same if s.track.bitrate_bps or not s.track.rid]
    return tuple(sorted(same, key=lambda s: (s.track.height, s.track.bitrate_bps)))


def tracks_to_come(live: LiveStream, codecs: Collection[str]) -> tuple[TrackRecord, ...]:
    """Stand-ins for renditions of the first video in codecs that only a ladder will make, as far as nobody gives any
    away yet. They can be negotiated, not relayed."""
    videos = [supply.track for supply in live.supplies() if supply.track.kind == "video"]
    if not videos:
        return ()
    group, present = videos[0].mid, {track.codec for track in videos if track.mid == videos[0].mid}
    return tuple(
        TrackRecord(track=TrackId(f"{group}.to-come"), mid=group, kind="video", codec=codec, clock_rate=90_000)
        for codec in codecs
        if codec not in present
    )


def options_of(supplies: tuple[TrackSupply, ...]) -> tuple[Option, ...]:
    """The same, as `RenditionChooser` wants it."""
    return tuple(Option(s.track.track, s.track.height, s.track.bitrate_bps) for s in supplies)
