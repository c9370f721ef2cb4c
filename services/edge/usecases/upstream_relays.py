"""Relays from parents: at most one per track rendition, shared by all who use it, opened for the first and closed a
while after the last. How one relay lives is in `rillcast.relay.child`.

The vanishing of a stream's record changes nothing here: media that flows goes on flowing.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, TrackId
from rillcast.contracts.messages import RelayLeaving
from rillcast.contracts.records import TrackRecord
from rillcast.media import protocol
from rillcast.media.protocol import SourceId
from rillcast.node.background import BackgroundTasks
from rillcast.node.load import MediaLoad
from rillcast.relay.child import OPEN_TIMEOUT_S, ChildRelays, Outdated
from rillcast.relay.child_relay import ChildRelay, ChildState
from services.edge import metrics
from services.edge.domain.feed import Feed, FeedName, FeedUse, name_of
from services.edge.ports import Clock
from services.edge.usecases.relay_span import relay_span

USABLE_TIMEOUT_S = 1.5 * OPEN_TIMEOUT_S
"""How long somebody waits for a relay: it may be on its second attempt."""
OWNER_TIMEOUT_S = 2.0
"""The same while the owner of the stream can't be reached: by then another one has it, if its publisher has come back.
Whoever asked for a viewer waits a second longer for the answer."""
MOST_AWAITING = 256
AVOID_LOST_S = 5.0
"""For so long a rendition whose transcoder fell silent isn't chosen; its lease may say nothing of its death yet."""


class UpstreamRelays:
    """All feeds of one edge."""

    def __init__(
        self,
        children: ChildRelays,
        *,
        load: MediaLoad,
        tasks: BackgroundTasks,
        stream: Callable[[str], LiveStream | None],
        clock: Clock,
        linger_s: float,
        rng: random.Random | None = None,
    ) -> None:
        """`stream`: what is live under a key. `linger_s`: how long a feed without users stays open."""
        self._children = children
        self._load = load
        self._tasks = tasks
        self._stream = stream
        self._clock = clock
        self._linger_s = linger_s
        self._rng = rng or random.Random()
        self._feeds: dict[str, dict[FeedName, Feed]] = {}
        self._by_source: dict[SourceId, Feed] = {}
        self._unsettled: set[Feed] = set()
        """Feeds that time may change: those without users, and those that are not open."""
        self._outcomes: dict[Feed, asyncio.Future[RillcastError | None]] = {}
        self._started: dict[Feed, asyncio.Event] = {}
        self._awaited: set[asyncio.Future[None]] = set()
        """Of those who wait until something is open."""
        self._last_source = 0
        self._last_loss = -math.inf

    def __len__(self) -> int:
        return len(self._by_source)

    # ------------------------------------------------------------ users

    def use(self, live: LiveStream, supply: TrackSupply) -> FeedUse:
        """Use a track of a stream. Its relay is being opened when this returns, unless it is open: see `opened`."""
        feed = self._feeds.get(live.key, {}).get(name_of(supply.track))
        if feed is None:
            feed = self._new_feed(live.key, supply.track)
            self._begin(feed, live, supply)
        elif feed.relay.state is ChildState.WAITING and feed.users == 0:
            self._begin(feed, live, supply)
        feed.users += 1
        return FeedUse(feed, self._released)

    def use_again(self, feed: Feed) -> FeedUse:
        """Use a feed that is open, once more."""
        feed.users += 1
        return FeedUse(feed, self._released)

    async def opened(self, feeds: Iterable[Feed]) -> None:
        """Wait until these are open. Raises the first refusal, or NO_NODE_AVAILABLE if a parent does not answer."""
        awaited = [self._opened(feed) for feed in feeds if feed.relay.state is not ChildState.OPEN]
        if not awaited:
            return
        results = await asyncio.gather(*awaited, return_exceptions=True)
        if failed := next((result for result in results if result is not None), None):
            raise failed

    async def until_open(self, key: str, track: TrackId, claim: ClaimId, timeout_s: float) -> None:
        """Wait until a track is fed under this claim, if it is, or was, fed at all. Returns after `timeout_s` at the
        latest, and at once when too many wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (
                    any(feed.track.track == track for feed in self.feeds_of(key))
                    and self.open_feed(key, track, claim) is None
                    and len(self._awaited) < MOST_AWAITING
                ):
                    opened = asyncio.get_running_loop().create_future()
                    self._awaited.add(opened)
                    try:
                        await opened
                    finally:
                        self._awaited.discard(opened)

    async def filled(self, feed: Feed, fill_s: float, patience_s: float) -> None:
        """Wait until a relay has flowed for `fill_s`, but no longer than `patience_s` for its first packet."""
        if not fill_s:
            return
        if feed.started_at is None:
            try:
                async with asyncio.timeout(patience_s):
                    await self._started.setdefault(feed, asyncio.Event()).wait()
            except TimeoutError:
                return
        await asyncio.sleep(max(0.0, (feed.started_at or 0.0) + fill_s - self._clock()))

    def _released(self, feed: Feed) -> None:
        feed.users -= 1
        feed.idle_since = self._clock()
        if feed.users:
            return
        self._unsettled.add(feed)
        never_came = not feed.relay.ever_open and feed.relay.state is ChildState.WAITING
        if never_came or _has_another_codec(feed, self._stream(feed.key)):
            self._close(feed)

    # ------------------------------------------------------------ what others ask

    def layer_shares(self, key: str, name: FeedName) -> tuple[float, ...]:
        """See `Feed.layer_shares`; empty for what isn't fed to this edge."""
        feed = self._feeds.get(key, {}).get(name)
        return feed.layer_shares if feed is not None else ()

    def all(self) -> list[Feed]:
        """The feeds of all streams, also those that linger or are not open."""
        return list(self._by_source.values())

    def unsettled(self) -> list[Feed]:
        """The feeds that are not open, and some others."""
        return list(self._unsettled)

    def unfed_s(self, feed: Feed) -> float:
        """For how long a feed that was open is not; 0 when it is."""
        return 0.0 if feed.relay.state is ChildState.OPEN else self._clock() - feed.relay.unfed_since

    def open_feed(self, key: str, track: TrackId, claim: ClaimId) -> Feed | None:
        """The feed that brings a track under this claim right now."""
        feeds = (feed for feed in self.feeds_of(key) if feed.track.track == track and feed.relay.claim == claim)
        return next((feed for feed in feeds if feed.relay.state is ChildState.OPEN), None)

    def feeds_of(self, key: str) -> list[Feed]:
        """All relays through which tracks of a stream come to this edge, whoever uses them."""
        return list(self._feeds.get(key, {}).values())

    def of_source(self, source: SourceId) -> Feed | None:
        """The feed with this number of the plane."""
        return self._by_source.get(source)

    def lost(self, live: LiveStream) -> frozenset[TrackId]:
        """All renditions of transcoders that fell silent a moment ago, also those nobody here watched, until others
        make them. Never the origin's own: without it there is nothing better."""
        if self._clock() - self._last_loss >= AVOID_LOST_S:
            return frozenset()
        silent = {feed.relay.owner for feed in self.feeds_of(live.key) if self._is_lost(feed, live)}
        return frozenset(supply.track.track for supply in live.supplies() if supply.node in silent)

    def _is_lost(self, feed: Feed, live: LiveStream) -> bool:
        supply, owner = _supply(feed, live), feed.relay.owner
        if supply is None or supply.node != owner or owner == live.record.owner:
            return False
        return feed.relay.state is not ChildState.OPEN and self._clock() - feed.lost_at < AVOID_LOST_S

    def silent_s(self, key: str) -> float:
        """How long ago the last packet of any track of the stream came, or its feed was made."""
        now = self._clock()
        return min((now - feed.heard_at for feed in self.feeds_of(key)), default=math.inf)

    def newest_epoch(self, key: str) -> Epoch:
        """The newest epoch of a stream among those for which its relays were asked; that of nobody without any."""
        return max((feed.relay.epoch for feed in self.feeds_of(key)), default=Epoch())

    # ------------------------------------------------------------ what happens

    def on_event(self, event: protocol.Event) -> None:
        """Take in an event of the plane. What concerns no feed does nothing."""
        match event:
            case protocol.RelayParentLost(source=source):
                if feed := self._by_source.get(source):
                    self._lost(feed)
            case protocol.SourceStarted(source=source):
                if feed := self._by_source.get(source):
                    self._flows(feed)
            case protocol.SourceStats(source=source, packets=packets, silent_ms=silent_ms):
                if (feed := self._by_source.get(source)) and packets:
                    feed.note_layers(event.layers_bps)
                    feed.heard_at = max(feed.heard_at, self._clock() - silent_ms / 1000)
            case protocol.Error(command="add_relay_source", id=source):
                if (feed := self._by_source.get(SourceId(source))) and feed.relay.state is ChildState.OPEN:
                    feed.relay.lost(self._clock())
                    self._unsettled.add(feed)
            case _:
                pass

    def on_stream_changed(self, key: str, live: LiveStream | None) -> None:
        """The directory shows this now. Feeds that are out of date are opened anew, unless it was in vain just now."""
        if live is None:
            return
        for feed in self.feeds_of(key):
            supply = _supply(feed, live)
            if feed.users == 0 and _has_another_codec(feed, live):
                self._close(feed)
            elif supply is not None and not feed.relay.comes_from(supply):
                feed.relay.moved(self._clock())
                self._children.outdate(feed.relay, supply)
                self._unsettled.add(feed)
                self._ask_if_due(feed)

    async def left_by(self, _subject: str, event: RelayLeaving) -> None:
        """A parent says that it is about to end a relay."""
        for feed in self.all():
            if feed.relay.left_by(event, self._clock()):
                metrics.RELAY_PARENTS_LEFT.inc()
                self._unsettled.add(feed)
                self._ask_if_due(feed)

    def drop(self, key: str) -> None:
        """The stream has ended: close its feeds without linger. Call after its viewers released them."""
        for feed in self.feeds_of(key):
            if feed.users == 0:
                self._close(feed)

    def drop_all(self) -> None:
        """The node goes away: close all feeds that nobody uses."""
        for key in tuple(self._feeds):
            self.drop(key)

    def tick(self) -> None:
        """Let time pass. Call many times a second."""
        now = self._clock()
        for feed in tuple(self._unsettled):
            state = feed.relay.state
            if feed.users == 0:
                if now - feed.idle_since >= self._linger_s and state is not ChildState.OPENING:
                    self._close(feed)
            elif state is ChildState.OPEN:
                self._unsettled.discard(feed)
            else:
                self._ask_if_due(feed)

    # ------------------------------------------------------------ inside

    def _ask_if_due(self, feed: Feed) -> None:
        if feed.users and feed.relay.state is ChildState.WAITING and self._clock() >= feed.relay.due:
            live = self._stream(feed.key)
            supply = _supply(feed, live)
            if live is not None and supply is not None:
                self._begin(feed, live, supply)

    def _new_feed(self, key: str, track: TrackRecord) -> Feed:
        self._last_source += 1
        relay = ChildRelay(
            track,
            source=SourceId(self._last_source),
            worker=self._load.least_loaded(),
            now=self._clock(),
            backoff=Backoff(rng=self._rng),
        )
        feed = Feed(key, relay, self._clock())
        self._feeds.setdefault(key, {})[feed.name] = feed
        self._by_source[feed.source] = feed
        metrics.RELAYS.set(len(self._by_source))
        return feed

    def _begin(self, feed: Feed, live: LiveStream, supply: TrackSupply) -> None:
        self._unsettled.add(feed)
        opening = self._children.open(feed.relay, live, supply)
        try:
            self._tasks.start(self._open(feed, opening, supply.node), f"relay of {feed.key} {feed.track.track}")
        except RillcastError:  # too much runs on the side: as if the parent had refused
            opening.close()
            feed.relay.refused(self._clock(), sure=True)

    async def _open(self, feed: Feed, opening: Coroutine[None, None, None], parent: NodeId) -> None:
        again = feed.relay.ever_open
        try:
            with relay_span(feed, parent):
                await opening
        except RillcastError as refusal:
            self._settle(feed, refusal)
            if not isinstance(refusal, Outdated):
                self._owner_refused(feed, parent, refusal)
            if feed.users == 0 and feed.relay.state is ChildState.WAITING and not feed.relay.ever_open:
                self._close(feed)
            return
        if feed.relay.state is not ChildState.OPEN:
            return
        if again:
            metrics.RELAY_MOVES.inc()
        feed.owner_gone = False
        metrics.count_levels(feed.relay.level for feed in self.all() if feed.relay.state is ChildState.OPEN)
        self._settle(feed, None)
        for opened in self._awaited:
            if not opened.done():
                opened.set_result(None)
        self.on_stream_changed(feed.key, self._stream(feed.key))

    async def _opened(self, feed: Feed) -> None:
        """While the owner of the stream is gone, another one is about to claim it: then the feed is asked for again,
        and whoever waits for it goes on waiting."""
        refusal: RillcastError | None = None
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(USABLE_TIMEOUT_S) as patience:
                while feed.relay.state is not ChildState.OPEN:
                    if feed.relay.state is ChildState.CLOSED:
                        raise _closed()
                    outcome = self._outcomes.setdefault(feed, asyncio.get_running_loop().create_future())
                    refusal = await asyncio.shield(outcome)
                    if refusal is not None and refusal.code is not ErrorCode.NO_NODE_AVAILABLE:
                        raise refusal
                    patience.reschedule(began + OWNER_TIMEOUT_S)
        except TimeoutError as error:
            text = "the node that has the stream does not answer"
            raise refusal or RillcastError(ErrorCode.NO_NODE_AVAILABLE, text, 1.0) from error

    def _settle(self, feed: Feed, refusal: RillcastError | None) -> None:
        outcome = self._outcomes.pop(feed, None)
        if outcome is not None and not outcome.done():
            outcome.set_result(refusal)

    def _lost(self, feed: Feed) -> None:
        if feed.relay.lost(self._clock()):
            metrics.RELAY_PARENTS_LOST.inc()
            if feed.relay.parent == feed.relay.owner:
                feed.lost_at = self._last_loss = self._clock()
            self._unsettled.add(feed)
            self._ask_if_due(feed)

    def _owner_refused(self, feed: Feed, owner: NodeId, refusal: RillcastError) -> None:
        """Of a transcoder that nobody can reach nothing is to be had, also not by other edges."""
        live = self._stream(feed.key)
        lost = refusal.code is ErrorCode.NO_NODE_AVAILABLE and feed.relay.ever_open
        if lost and live is not None and owner != live.record.owner:
            feed.owner_gone = True
            feed.lost_at = self._last_loss = self._clock()

    def _flows(self, feed: Feed) -> None:
        feed.relay.flows()
        feed.heard_at = self._clock()
        if feed.started_at is None:
            feed.started_at = feed.heard_at
            if started := self._started.pop(feed, None):
                started.set()

    def _close(self, feed: Feed) -> None:
        feeds = self._feeds[feed.key]
        del feeds[feed.name]
        if not feeds:
            del self._feeds[feed.key]
        del self._by_source[feed.source]
        self._unsettled.discard(feed)
        self._started.pop(feed, None)
        metrics.RELAYS.set(len(self._by_source))
        self._settle(feed, _closed())
        self._children.close(feed.relay)


def _supply(feed: Feed, live: LiveStream | None) -> TrackSupply | None:
    """What this feed would be fed from now; None while nobody has the track, or only in another codec."""
    supply = live.supply(feed.track.track) if live is not None else None
    return supply if supply is not None and supply.track.codec == feed.track.codec else None


def _has_another_codec(feed: Feed, live: LiveStream | None) -> bool:
    """Whether the track has a codec now that this feed cannot bring."""
    return live is not None and live.supply(feed.track.track) is not None and _supply(feed, live) is None


def _closed() -> RillcastError:
    return RillcastError(ErrorCode.NO_STREAM_EXIST, "the relay was closed")
