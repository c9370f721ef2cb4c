"""This edge as a parent: other edges get from here what it is fed itself. Each of them uses a feed as a viewer does, so
that it lingers, changes and ends likewise. Whoever can't be fed well from here is told so, and goes elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, stream_key
from rillcast.contracts.messages import RelayLeaving, RelayOpen
from rillcast.media.protocol import SourceId
from rillcast.node.outbox import Outbox
from rillcast.relay.books import ParentRelay
from rillcast.relay.parent import RelayOffer, RelayParent
from services.edge.domain.feed import Feed, FeedUse
from services.edge.ports import Clock
from services.edge.usecases.upstream_relays import UpstreamRelays

READY_S = 0.3
"""How long a child waits for a feed that is about to be open: whoever was referred here may have come too early."""
TELL_S = 1.0
"""When children are told that nothing comes in here: others may be fed better."""
END_S = 3.0
"""When their relays are ended: without children, this edge can be fed by anybody."""


class DownstreamRelays:
    """All relays from one edge to others."""

    def __init__(
        self,
        feeds: UpstreamRelays,
        *,
        node: NodeId,
        new_parent: Callable[..., RelayParent],
        outbox: Outbox,
        clock: Clock,
        room: Callable[[], None],
    ) -> None:
        """`room` raises when this edge takes nobody in."""
        self._feeds = feeds
        self._node = node
        self._outbox = outbox
        self._clock = clock
        self._room = room
        self._told: set[Feed] = set()
        self.parent = new_parent(offer_of=self._offer, ready=self._ready)

    def __len__(self) -> int:
        return len(self.parent)

    def children(self) -> int:
        """How many other edges are fed from here."""
        return len(self.parent.fed())

    def leave(self) -> None:
        """The node goes away: every child is told to open another relay first."""
        for feed in self._feeds.all():
            self._tell(self.parent.relays(feed.key, feed.track.track))

    def end(self, key: str) -> None:
        """The stream has ended: so do its relays."""
        self.parent.end(key)

    def end_all(self) -> None:
        """The node has gone away."""
        for feed in self._feeds.all():
            self.parent.end(feed.key)

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        starving = [feed for feed in self._feeds.unsettled() if feed.relay.children]
        self._told.intersection_update(starving)
        for feed in starving:
            unfed_s = self._feeds.unfed_s(feed)
            relays = self.parent.relays(feed.key, feed.track.track)
            if unfed_s >= END_S:
                self.parent.end(feed.key, feed.track.track)
            elif feed not in self._told and (unfed_s >= TELL_S or feed.owner_gone):
                self._told.add(feed)
                self._tell(relays)

    def _tell(self, relays: list[ParentRelay]) -> None:
        for relay in relays:
            event = RelayLeaving(relay=relay.relay, parent=self._node)
            self._outbox.put(subjects.media_relay_leaving(relay.child), event)

    async def _ready(self, request: RelayOpen) -> None:
        key = stream_key(request.app, request.stream)
        await self._feeds.until_open(key, request.track, request.claim, READY_S)

    def _offer(self, request: RelayOpen) -> RelayOffer:
        """What a child gets. Raises what `room` raises, and NO_STREAM_EXIST while the track does not come in here."""
        self._room()
        feed = self._feeds.open_feed(stream_key(request.app, request.stream), request.track, request.claim)
        if feed is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "this edge does not get the track, or not under this claim")
        lent = _Lent(self._feeds, feed)
        return RelayOffer(
            key=feed.key,
            track=feed.track,
            worker=feed.relay.worker,
            claim=feed.relay.claim,
            source=lent.begin,
            level=feed.relay.level,
            above=feed.relay.parent,
            on_end=lent.end,
        )


class _Lent:
    """A feed that is given to one child."""

    def __init__(self, feeds: UpstreamRelays, feed: Feed) -> None:
        self._begin = partial(feeds.use_again, feed)
        self._feed = feed
        self._use: FeedUse | None = None

    def begin(self) -> SourceId:
        self._use = self._begin()
        self._feed.relay.children += 1
        return self._feed.source

    def end(self) -> None:
        use, self._use = self._use, None
        if use is not None:
            self._feed.relay.children -= 1
            use.release()
