"""What a viewer can be sent from what a stream carries: the renditions of its group in the codec agreed on, and these
with fewer temporal layers where they have several.

Many viewers of a stream ask the same, so `Supplies` works it out once per state of a stream, group and codec.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum

import msgspec

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


def options_of(supplies: Iterable[TrackSupply]) -> tuple[Option, ...]:
    """Renditions in the form in which `RenditionSelector` takes them."""
    return tuple(Option(s.track.track, s.track.height, s.track.bitrate_bps) for s in supplies)


class GroupSupply(msgspec.Struct, frozen=True):
    """Interchangeable renditions, lowest first, as `supplies_for` finds them."""

    live: LiveStream
    """The state of the stream whose renditions they are."""
    supplies: tuple[TrackSupply, ...]
    options: tuple[Option, ...]

    def without(self, tracks: Collection[TrackId]) -> GroupSupply:
        """The same without some renditions, unless nothing else would be left."""
        if not tracks:
            return self
        left = tuple(supply for supply in self.supplies if supply.track.track not in tracks)
        return GroupSupply(self.live, left, options_of(left)) if left and len(left) < len(self.supplies) else self

    def of(self, track: TrackId) -> TrackSupply:
        """One of these renditions. Raises StopIteration for any other."""
        return next(supply for supply in self.supplies if supply.track.track == track)


class StreamSupply:
    """What one state of a stream can be sent from."""

    def __init__(self, live: LiveStream) -> None:
        self.live = live
        self.offered = frozenset((supply.track.track, supply.track.codec) for supply in live.supplies())
        self._groups: dict[tuple[str, str], GroupSupply] = {}

    def published(self, group: str) -> str:
        """The codec in which the publisher itself sends a group; empty if it does not."""
        return next((track.codec for track in self.live.record.tracks if track.mid == group), "")

    def of(self, group: str, codec: str) -> GroupSupply:
        """The renditions of a group in a codec, perhaps none."""
        found = self._groups.get((group, codec))
        if found is None:
            supplies = supplies_for(self.live, group, codec)
            found = self._groups[group, codec] = GroupSupply(self.live, supplies, options_of(supplies))
        return found


class Supplies:
    """The supply of each stream that somebody watches."""

    def __init__(self) -> None:
        self._by_key: dict[str, StreamSupply] = {}
        self._offered: dict[str, frozenset[tuple[TrackId, str]]] = {}

    def of(self, live: LiveStream) -> StreamSupply:
        """The supply in this state of the stream."""
        known = self._by_key.get(live.key)
        if known is None or known.live is not live:
            known = self._by_key[live.key] = StreamSupply(live)
        return known

    def changed(self, live: LiveStream) -> bool:
        """Whether this state of the stream has other renditions than the last one, so that there may be viewers to be
        sent something else, or to be told that there is nothing for them any more. True when no other state is known.
        Bit rates and the like don't count. Call once per change."""
        before = self._offered.get(live.key)
        now = self._offered[live.key] = self.of(live).offered
        return before != now

    def forget(self, key: str) -> None:
        """Nobody watches the stream any more."""
        self._by_key.pop(key, None)
        self._offered.pop(key, None)


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


class SwitchCause(StrEnum):
    """Why a viewer is sent another rendition."""

    UP = "up"
    DOWN = "down"
    LOST = "lost"
    """What was sent is no longer to be had."""
    FORCED = "forced"
    """The viewer chose it."""


def switch_cause(supplies: Sequence[TrackSupply], before: TrackId | None, after: TrackId) -> SwitchCause:
    """The cause of a switch that the viewer did not choose. `supplies`: the renditions, lowest first."""
    order = [supply.track.track for supply in supplies]
    if before not in order:
        return SwitchCause.LOST
    return SwitchCause.UP if order.index(after) > order.index(before) else SwitchCause.DOWN
