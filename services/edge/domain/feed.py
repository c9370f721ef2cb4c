"""One track rendition as it arrives at this edge, and who uses it. Whoever is sent a rendition holds a use of its feed;
a feed without uses lingers and is closed."""

from __future__ import annotations

import math
from collections.abc import Callable

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import SourceId
from rillcast.relay.child_relay import ChildRelay

FeedName = tuple[TrackId, str]
"""Track id and codec. A track that comes back in another codec is fed anew, since a source cannot change its codec and
whoever is sent the old one could not show the new one."""

LAYERS_WEIGHT = 0.2
"""Of a second's figures in the shares of temporal layers: keyframes make single seconds uneven."""


class Feed:
    """A source of this edge's plane. Its id stays the same for life, so that a parent can be replaced under viewers."""

    def __init__(self, key: str, relay: ChildRelay, now: float) -> None:
        """`key`: the `stream_key` of the stream. `now`: monotonic seconds."""
        self.key = key
        self.relay = relay
        self.name = name_of(relay.track)
        """What no other feed of the stream has."""
        self.users = 0
        self.idle_since = now
        """The time at which the last user left."""
        self.heard_at = now
        """The time at which the last packet came, or the feed was made."""
        self.started_at: float | None = None
        """The time at which its very first packet came."""
        self.flows_since: float | None = now
        """The time since which its packets come without a longer pause; None while they don't."""
        self.missed_at = math.inf
        """The time from which on a pause that has begun is longer than two of its pictures are apart."""
        self.lost_at = -math.inf
        """The time at which a parent fell silent the last time."""
        self.unheard_at: float | None = None
        """The time of the last sign of life of a parent that fell silent, until something comes again."""
        self.repairs = (0, 0)
        """How many packets were lost and recovered, as told the last time."""
        self.owner_gone = False
        """Whether the owner of the track, a transcoder, did not answer when it was asked the last time."""
        self.layer_shares: tuple[float, ...] = ()
        """What temporal layers up to 0, up to 1 and all take of the bit rate, smoothed; empty for one layer."""

    @property
    def source(self) -> SourceId:
        """The number of the source in the plane."""
        return self.relay.source

    @property
    def track(self) -> TrackRecord:
        return self.relay.track

    def note_repairs(self, lost: int, recovered: int) -> tuple[int, int]:
        """Take in totals as in `SourceStats`. By how much they have grown."""
        before, self.repairs = self.repairs, (lost, recovered)
        return max(0, lost - before[0]), max(0, recovered - before[1])

    def note_layers(self, rates_bps: tuple[int, ...]) -> None:
        """Take in a second's bit rates, as in `SourceStats.layers_bps`."""
        shares = tuple(rate / rates_bps[-1] for rate in rates_bps) if rates_bps and rates_bps[-1] else ()
        if len(shares) == len(self.layer_shares):
            pairs = zip(self.layer_shares, shares, strict=True)
            shares = tuple(old + (new - old) * LAYERS_WEIGHT for old, new in pairs)
        self.layer_shares = shares


def name_of(track: TrackRecord) -> FeedName:
    """The name of the feed that brings this track."""
    return track.track, track.codec


class FeedUse:
    """Keeps a feed open for one viewer's track or one child, until it is given back."""

    def __init__(self, feed: Feed, on_release: Callable[[Feed], None]) -> None:
        """`on_release` is called once, with the feed."""
        self.feed = feed
        self._on_release: Callable[[Feed], None] | None = on_release

    def release(self) -> None:
        """Use it no longer. Once is enough; more does nothing."""
        on_release, self._on_release = self._on_release, None
        if on_release is not None:
            on_release(self.feed)


class FeedSlot:
    """A place for one use of a feed at most. What lay there before is given back, and once the slot is closed so is
    everything that is still put there: nothing that was ever put into a slot outlives it."""

    def __init__(self) -> None:
        self._use: FeedUse | None = None
        self._closed = False

    @property
    def feed(self) -> Feed | None:
        return None if self._use is None else self._use.feed

    def put(self, use: FeedUse | None) -> None:
        """Use this instead of what is there."""
        before, self._use = self._use, None if self._closed else use
        if self._closed and use is not None:
            use.release()
        if before is not None:
            before.release()

    def put_from(self, other: FeedSlot) -> None:
        """Use what lies in another slot, which is empty then."""
        use, other._use = other._use, None
        self.put(use)

    def close(self) -> None:
        """Give back what is there, and from now on whatever is put there."""
        self._closed = True
        self.put(None)
