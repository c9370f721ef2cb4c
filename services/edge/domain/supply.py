"""What a viewer can be sent from what a stream carries: the renditions of its group in the codec agreed on, and these
with fewer temporal layers where they have several. While the record of the stream names a backup, they are those of the
backup, as far as it has any.

Many viewers of a stream ask the same, so `Supplies` works it out once per state of a stream, group and codec.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum

import msgspec

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.ids import TrackId, stream_key
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from services.edge.domain.options import Option

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
    videos = [supply.track for supply in live.supplies() if supply.track.kind is MediaKind.VIDEO]
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
    """The state of the stream whose renditions they are: the one that is watched, or its backup."""
    supplies: tuple[TrackSupply, ...]
    options: tuple[Option, ...]
    offered: frozenset[tuple[TrackId, str]]
    """All tracks of that stream, with their codecs."""
    is_backup: bool = False

    def without(self, tracks: Collection[TrackId]) -> GroupSupply:
        """The same without some renditions, unless nothing else would be left."""
        if not tracks:
            return self
        left = tuple(supply for supply in self.supplies if supply.track.track not in tracks)
        if not left or len(left) == len(self.supplies):
            return self
        return msgspec.structs.replace(self, supplies=left, options=options_of(left))

    def of(self, track: TrackId) -> TrackSupply:
        """One of these renditions. Raises StopIteration for any other."""
        return next(supply for supply in self.supplies if supply.track.track == track)


class Misfit(StrEnum):
    """Why viewers of a stream can't be shown its backup. They see the last picture of the publisher instead. The values
    are labels of a metric."""

    KIND = "kind"
    """It has no track of the kind, or not as many."""
    CODEC = "codec"
    """It has none in the codec that was agreed on with them."""


class StreamSupply:
    """What one state of a stream can be sent from."""

    def __init__(self, live: LiveStream, backup: LiveStream | None = None) -> None:
        """`backup`: the stream that is shown in place of this one, if it is live."""
        self.live = live
        self.backup = backup
        self.offered = _offered(live)
        self._of_backup = frozenset() if backup is None else _offered(backup)
        self._groups: dict[tuple[str, str], GroupSupply] = {}

    @property
    def all_offered(self) -> tuple[str, frozenset[tuple[TrackId, str]], frozenset[tuple[TrackId, str]]]:
        """What may be sent of this stream, and of which backup."""
        return "" if self.backup is None else self.backup.key, self.offered, self._of_backup

    def published(self, group: str) -> str:
        """The codec in which the publisher itself sends a group; empty if it does not."""
        return next((track.codec for track in self.live.record.tracks if track.mid == group), "")

    def of(self, group: str, codec: str) -> GroupSupply:
        """The renditions of a group in a codec, perhaps none. `group` is one of this stream, also if they are those of
        its backup."""
        found = self._groups.get((group, codec))
        if found is None:
            found = self._groups[group, codec] = self._backups_of(group, codec) or self._own(group, codec)
        return found

    def misfit(self, group: str, codec: str) -> Misfit | None:
        """Why the backup does not stand in for a group; None if it does, or if there is none."""
        if self.backup is None or self.of(group, codec).is_backup:
            return None
        return Misfit.KIND if _counterpart(self.live, self.backup, group) is None else Misfit.CODEC

    def _own(self, group: str, codec: str) -> GroupSupply:
        supplies = supplies_for(self.live, group, codec)
        return GroupSupply(self.live, supplies, options_of(supplies), self.offered)

    def _backups_of(self, group: str, codec: str) -> GroupSupply | None:
        other = None if self.backup is None else _counterpart(self.live, self.backup, group)
        if self.backup is None or other is None:
            return None
        supplies = supplies_for(self.backup, other, codec)
        if not supplies:
            return None
        return GroupSupply(self.backup, supplies, options_of(supplies), self._of_backup, is_backup=True)


def _offered(live: LiveStream) -> frozenset[tuple[TrackId, str]]:
    return frozenset((supply.track.track, supply.track.codec) for supply in live.supplies())


def _counterpart(live: LiveStream, backup: LiveStream, group: str) -> str | None:
    """The group of a backup for one of a stream: the first video for the first video, and so on."""
    kind = next((track.kind for track in live.record.tracks if track.mid == group), None)
    own, others = _groups(live, kind), _groups(backup, kind)
    place = own.index(group) if group in own else len(others)
    return others[place] if place < len(others) else None


def _groups(live: LiveStream, kind: MediaKind | None) -> list[str]:
    return list(dict.fromkeys(track.mid for track in live.record.tracks if track.kind is kind))


class Supplies:
    """The supply of each stream that somebody watches."""

    def __init__(self, stream: Callable[[str], LiveStream | None] = lambda _key: None) -> None:
        """`stream`: what is live under a key."""
        self._stream = stream
        self._by_key: dict[str, StreamSupply] = {}
        self._offered: dict[str, object] = {}
        self._by_backup: dict[str, set[str]] = {}

    def of(self, live: LiveStream) -> StreamSupply:
        """The supply in this state of the stream, and of its backup."""
        backup_key = _backup_key(live)
        backup = None if backup_key is None else self._stream(backup_key)
        known = self._by_key.get(live.key)
        if known is None or known.live is not live or known.backup is not backup:
            self._forget_backup(live.key)
            known = self._by_key[live.key] = StreamSupply(live, backup)
            if backup_key is not None:
                self._by_backup.setdefault(backup_key, set()).add(live.key)
        return known

    def last(self, key: str) -> StreamSupply | None:
        """The last supply that was asked for. The record of the stream may be gone."""
        return self._by_key.get(key)

    def shown_instead(self, backup_key: str) -> list[str]:
        """The streams in whose place this one was shown when their supply was asked for the last time, or would have
        been if it had been live."""
        return list(self._by_backup.get(backup_key, ()))

    def changed(self, live: LiveStream) -> bool:
        """Whether this state of the stream has other renditions than the last one, or other ones are shown in their
        place, so that there may be viewers to be sent something else, or to be told that there is nothing for them any
        more. True when no other state is known. Bit rates and the like don't count. Call once per change of the stream
        or of its backup."""
        before = self._offered.get(live.key)
        now = self._offered[live.key] = self.of(live).all_offered
        return before != now

    def forget(self, key: str) -> None:
        """Nobody watches the stream any more."""
        self._forget_backup(key)
        self._by_key.pop(key, None)
        self._offered.pop(key, None)

    def _forget_backup(self, key: str) -> None:
        known = self._by_key.get(key)
        backup_key = None if known is None else _backup_key(known.live)
        if backup_key is not None:
            keys = self._by_backup[backup_key]
            keys.discard(key)
            if not keys:
                del self._by_backup[backup_key]


def _backup_key(live: LiveStream) -> str | None:
    """The key of the stream that the record of another one names as its backup. A backup has no backup, so this is
    asked once, and not of what it finds."""
    backup = live.record.backup
    return None if backup is None or backup == live.stream else stream_key(live.app, backup)


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
    BACKUP = "backup"
    """The backup is shown, because nothing comes from the publisher."""
    BACK = "back"
    """The publisher is shown again."""


def switch_cause(supplies: Sequence[TrackSupply], before: TrackId | None, after: TrackId) -> SwitchCause:
    """The cause of a switch that the viewer did not choose. `supplies`: the renditions, lowest first."""
    order = [supply.track.track for supply in supplies]
    if before not in order:
        return SwitchCause.LOST
    return SwitchCause.UP if order.index(after) > order.index(before) else SwitchCause.DOWN
