"""What one session receives of one stream.

A subscription owns every use of a feed that is made for it: they lie in its slots, and closing it empties them all.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.feed import Feed, FeedSlot
from services.edge.domain.rendition_selector import RenditionSelector


class Wishes(msgspec.Struct):
    """What the client asked for. It may do so as soon as it has our offer, so before there are tracks."""

    height: int = 0
    """The height of the rendition that the viewer chose, in pixels; 0 = automatic."""
    muted: set[MediaKind] = msgspec.field(default_factory=set)


class SubscribedTrack:
    """One m-line of a session, and the feed it shows."""

    def __init__(
        self,
        index: int,
        group: str,
        *,
        kind: MediaKind,
        codec: str,
        selector: RenditionSelector,
        slots: tuple[FeedSlot, FeedSlot, FeedSlot],
    ) -> None:
        self.index = index
        """The number of the m-line, as `SendTrack.track` has it."""
        self.group = group
        """The `TrackRecord.mid` of the renditions that it can show."""
        self.kind = kind
        self.codec = codec
        self.published = ""
        """The codec in which the publisher sent the group when there was something for this track; empty before that
        is known."""
        self.selector = selector
        self.shown, self.coming, self.spare = slots
        """What the plane sends; where a switch is going that the plane has not completed yet; and what is kept flowing
        so that it can be switched to without delay."""
        self.shown_layers = self.next_layers = ALL_LAYERS
        """The highest temporal layers of `shown` and of `coming` that are sent, as in `LimitLayers`."""
        self.held = False
        """Whether nothing is sent until the switch under way is complete."""
        self.switching_since = 0.0
        self.muted = False
        self.pace_bps = 0
        """How fast it is sent at most; 0 = as fast as it comes."""
        self.lower = False
        """Whether there is a higher rendition than the one that was chosen, and the viewer has not refused it."""
        self.awaits_path = False
        """Whether nothing was sent yet, because it is not known how much the path takes."""

    @property
    def layers(self) -> int:
        """The highest temporal layer of `track` that is sent, as in `LimitLayers`."""
        return self.next_layers if self.coming.feed is not None else self.shown_layers

    @property
    def track(self) -> TrackId | None:
        """The rendition that is shown, or the one that is about to be; None before there is one."""
        feed = self.coming.feed or self.shown.feed
        return None if feed is None else feed.track.track

    def track_of(self, key: str) -> TrackId | None:
        """The same if it is one of this stream; None if it is one of another, a backup."""
        feed = self.coming.feed or self.shown.feed
        return feed.track.track if feed is not None and feed.key == key else None


class Subscription:
    """It is made empty, filled by the join, and closed once."""

    def __init__(self, key: str, place: int = 0) -> None:
        """`key`: the `stream_key` of the stream. `place`: where it stands in `PlayRequest.subscriptions`."""
        self.key = key
        self.place = place
        self.wishes = Wishes()
        self.awaits_until: float | None = None
        """How long renditions that a ladder makes are waited for; None while none are missing."""
        self.tracks: list[SubscribedTrack] = []
        self._slots: list[FeedSlot] = []
        self._offered: list[FeedSlot] = []
        self._closed = False

    def slot(self) -> FeedSlot:
        """A place for a use of a feed, for as long as the subscription lasts."""
        slot = FeedSlot()
        self._slots.append(slot)
        if self._closed:
            slot.close()
        return slot

    def offer(self) -> FeedSlot:
        """A place for what an offer of ours will probably need, until there are tracks."""
        self._offered.append(self.slot())
        return self._offered[-1]

    def give_offered_back(self) -> None:
        """The session has tracks now, so what was opened for the offer is no longer needed."""
        for slot in self._offered:
            slot.close()
        self._slots = [slot for slot in self._slots if slot not in self._offered]
        self._offered = []

    def add_track(
        self, index: int, group: str, *, kind: MediaKind, codec: str, selector: RenditionSelector
    ) -> SubscribedTrack:
        """Add one more m-line. Its slots are empty."""
        slots = (self.slot(), self.slot(), self.slot())
        track = SubscribedTrack(index, group, kind=kind, codec=codec, selector=selector, slots=slots)
        self.tracks.append(track)
        return track

    def shown_feeds(self) -> list[Feed]:
        """The feeds that the plane sends of this stream."""
        return [track.shown.feed for track in self.tracks if track.shown.feed is not None]

    def close(self) -> None:
        """Give every feed back, also those that are still put into a slot later."""
        self._closed = True
        for slot in self._slots:
            slot.close()
