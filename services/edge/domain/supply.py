"""What a viewer can be sent from what a stream carries: the renditions of its group in the codec agreed on, and these
with fewer temporal layers where they have several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from services.edge.domain.rendition_selector import Option

WORTH_IT = 1.2
"""Fewer frames of a rendition are an option if they take so much more than the next lower rendition does."""


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
        TrackRecord(track=TrackId(f"{group}.to-come"), mid=group, kind=MediaKind.VIDEO, codec=codec, clock_rate=90_000)
        for codec in codecs
        if codec not in present
    )


def options_of(supplies: tuple[TrackSupply, ...]) -> tuple[Option, ...]:
    """The same, as `RenditionSelector` wants it."""
    return tuple(Option(s.track.track, s.track.height, s.track.bitrate_bps) for s in supplies)


def with_fewer_layers(
    options: Sequence[Option],
    shares_of: Callable[[TrackId], Sequence[float]],
    sent: tuple[TrackId | None, int],
) -> tuple[Option, ...]:
    """Options for fewer temporal layers put in: of the lowest rendition down to its base layer, of the others without
    their highest layer. `shares_of`: what a rendition takes of its bit rate with layers up to 0, 1 …. What is `sent`
    stays an option."""
    found: list[Option] = []
    for option in options:
        shares = shares_of(option.track)
        below_bps = found[-1].bitrate_bps if found else 0
        for layers in range(len(shares) - 1) if not found else range(max(0, len(shares) - 2), len(shares) - 1):
            fewer = Option(option.track, option.height, int(option.bitrate_bps * shares[layers]), layers)
            if (option.track, layers) == sent or fewer.bitrate_bps > below_bps * WORTH_IT:
                found.append(fewer)
        found.append(option)
    return tuple(found)
