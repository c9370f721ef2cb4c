"""Relays from parents: at most one per track rendition, shared by all viewers, opened at the first and closed a while
after the last. A feed keeps its source id for life, so a parent can be replaced under living viewers.

    OPENING ──grant──▶ OPEN ──parent lost / owner or epoch changed──▶ WAITING ──delay over──▶ OPENING
       └──refused──▶ WAITING (while somebody uses it)                    idle for the linger time ──▶ gone

The vanishing of a stream's record changes nothing here: media that flows goes on flowing.
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
from collections.abc import Callable
from enum import Enum, auto

from opentelemetry import trace

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, RelayId, TrackId
from rillcast.contracts.messages import Ack, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.media import protocol
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks
from rillcast.node.load import MediaLoad
from services.edge import metrics
from services.edge.ports import Bus, Clock, Plane

tracer = trace.get_tracer("rillcast.edge")

OPEN_TIMEOUT_S = 2.0
LAYERS_WEIGHT = 0.2
"""Of a second's figures in the shares of temporal layers: keyframes make single seconds uneven."""
AVOID_LOST_S = 5.0
"""For so long a rendition whose transcoder fell silent isn't chosen; its lease may say nothing of its death yet."""


class FeedState(Enum):
    """Where a feed stands."""

    OPENING = auto()
    OPEN = auto()
    WAITING = auto()


class Feed:
    """One track rendition as it arrives at this edge."""

    def __init__(self, key: str, track: TrackRecord, *, source: int, worker: int, now: float, backoff: Backoff) -> None:
        self.key = key
        self.track = track
        self.source = source
        self.worker = worker
        self.backoff = backoff
        self.state = FeedState.WAITING
        self.users = 0
        self.idle_since = now
        self.retry_at = now
        self.attempt = 0
        self.ever_open = False
        self.started = asyncio.Event()
        """Set with the first packet there ever was, at"""
        self.started_at = now
        self.heard_at = now
        self.lost_at = -math.inf
        """When its parent fell silent the last time."""
        self.layer_shares: tuple[float, ...] = ()
        """What temporal layers up to 0, up to 1 and all take of the bit rate, smoothed; empty for one layer."""
        self.parent: NodeId | None = None
        self.relay: RelayId | None = None
        self.epoch = 0
        self.outcome: asyncio.Future[RillcastError | None] | None = None

    def note_layers(self, rates_bps: tuple[int, ...]) -> None:
        """Take in a second's bit rates, as in `SourceStats.layers_bps`."""
        shares = tuple(rate / rates_bps[-1] for rate in rates_bps) if rates_bps and rates_bps[-1] else ()
        if len(shares) == len(self.layer_shares):
            pairs = zip(self.layer_shares, shares, strict=True)
            shares = tuple(old + (new - old) * LAYERS_WEIGHT for old, new in pairs)
        self.layer_shares = shares

    def comes_from(self, supply: TrackSupply) -> bool:
        """Whether the relay in use is still the right one."""
        return supply.node == self.parent and self.epoch >= supply.since_epoch


class UpstreamRelays:
    """All feeds of one edge."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        bus: Bus,
        addresses: MediaAddresses,
        load: MediaLoad,
        tasks: BackgroundTasks,
        stream: Callable[[str], LiveStream | None],
        clock: Clock,
        linger_s: float,
        rng: random.Random | None = None,
    ) -> None:
        self._node = node
        self._plane = plane
        self._bus = bus
        self._addresses = addresses
        self._load = load
        self._tasks = tasks
        self._stream = stream
        self._clock = clock
        self._linger_s = linger_s
        self._rng = rng or random.Random()
        self._feeds: dict[str, dict[TrackId, Feed]] = {}
        self._by_source: dict[int, Feed] = {}
        self._last_source = 0

    # ------------------------------------------------------------ users

    async def acquire(self, key: str, supply: TrackSupply) -> Feed:
        """Use a track; returns once its relay is open. Raises as the parent refused, or NO_NODE_AVAILABLE.
        First users that come together share one opening."""
        feed = self.hold(key, supply)
        usable = False
        try:
            if feed.state is not FeedState.OPEN:
                async with asyncio.timeout(OPEN_TIMEOUT_S * 1.5):
                    refusal = await asyncio.shield(self._outcome(feed))
                if refusal is not None:
                    raise refusal
            usable = True
        except TimeoutError as error:
            raise RillcastError(
                ErrorCode.NO_NODE_AVAILABLE, "the node that has the stream does not answer", 1.0
            ) from error
        finally:
            if not usable:
                self.release(feed)
        return feed

    def hold(self, key: str, supply: TrackSupply) -> Feed:
        """Use a track without waiting for its relay."""
        feeds = self._feeds.setdefault(key, {})
        feed = feeds.get(supply.track.track)
        if feed is None:
            feed = self._new_feed(key, supply.track)
            feeds[supply.track.track] = feed
            self._begin(feed, supply)
        elif feed.state is FeedState.WAITING and feed.users == 0:
            self._begin(feed, supply)
        feed.users += 1
        return feed

    def release(self, feed: Feed) -> None:
        """One user less."""
        feed.users -= 1
        feed.idle_since = self._clock()
        if feed.users == 0 and not feed.ever_open and feed.state is FeedState.WAITING:
            self._close(feed)

    def layer_shares(self, key: str, track: TrackId) -> tuple[float, ...]:
        """See `Feed.layer_shares`; empty for what isn't fed to this edge."""
        feed = self._feeds.get(key, {}).get(track)
        return feed.layer_shares if feed is not None else ()

    def feeds_of(self, key: str) -> list[Feed]:
        """The feeds of a stream."""
        return list(self._feeds.get(key, {}).values())

    def lost(self, live: LiveStream) -> frozenset[TrackId]:
        """All renditions of transcoders that fell silent a moment ago, also those nobody here watched, until others
        make them. Never the origin's own: without it there is nothing better."""
        silent = {feed.parent for feed in self.feeds_of(live.key) if self._is_lost(feed, live.record.owner)}
        return frozenset(supply.track.track for supply in live.supplies() if supply.node in silent)

    def _is_lost(self, feed: Feed, origin: NodeId) -> bool:
        supply = self._supply(feed)
        if supply is None or supply.node != feed.parent or feed.parent == origin or feed.state is FeedState.OPEN:
            return False
        return self._clock() - feed.lost_at < AVOID_LOST_S

    def stream_of(self, source: int) -> str | None:
        """The key of the stream that a source belongs to."""
        feed = self._by_source.get(source)
        return feed.key if feed is not None else None

    def silent_s(self, key: str) -> float:
        """How long ago the last packet of any track of the stream came, or its feed was made."""
        now = self._clock()
        return min((now - feed.heard_at for feed in self.feeds_of(key)), default=now)

    def drop(self, key: str) -> None:
        """The stream has ended: close its feeds without linger. Call after its viewers released them."""
        for feed in self.feeds_of(key):
            if feed.users == 0:
                self._close(feed)

    # ------------------------------------------------------------ what happens

    def on_event(self, event: object) -> None:
        """Take in an event of the plane."""
        match event:
            case protocol.RelayParentLost(source=source):
                if (feed := self._by_source.get(source)) and feed.state is FeedState.OPEN:
                    metrics.RELAY_PARENTS_LOST.inc()
                    feed.lost_at = self._clock()
                    self._wait(feed)
            case protocol.SourceStarted(source=source):
                if feed := self._by_source.get(source):
                    feed.heard_at = self._clock()
                    feed.backoff.reset()
                    if not feed.started.is_set():
                        feed.started_at = feed.heard_at
                        feed.started.set()
            case protocol.SourceStats(source=source, packets=packets, silent_ms=silent_ms):
                if (feed := self._by_source.get(source)) and packets:
                    feed.note_layers(event.layers_bps)
                    feed.heard_at = max(feed.heard_at, self._clock() - silent_ms / 1000)
            case protocol.Error(command="add_relay_source", id=source):
                if (feed := self._by_source.get(source)) and feed.state is FeedState.OPEN:
                    self._wait(feed)
            case _:
                pass

    def on_stream_changed(self, key: str, live: LiveStream | None) -> None:
        """The directory shows this now. Feeds whose parent or epoch is out of date are opened anew, after a short,
        random delay: every edge of the stream sees the change at the same time."""
        if live is None:
            return
        for feed in self.feeds_of(key):
            supply = self._supply(feed)
            if supply is None or feed.comes_from(supply):
                continue
            if feed.state is FeedState.OPEN:
                self._wait(feed)
            elif feed.state is FeedState.WAITING:
                feed.backoff.reset()
                feed.retry_at = min(feed.retry_at, self._clock() + feed.backoff.next_delay_s())

    def tick(self) -> None:
        """Let time pass. Call many times a second."""
        now = self._clock()
        for feed in tuple(self._by_source.values()):
            if feed.users == 0 and now - feed.idle_since >= self._linger_s and feed.state is not FeedState.OPENING:
                self._close(feed)
            elif feed.state is FeedState.WAITING and feed.users and now >= feed.retry_at:
                supply = self._supply(feed)
                if supply is not None:
                    self._begin(feed, supply)

    # ------------------------------------------------------------ inside

    def _supply(self, feed: Feed) -> TrackSupply | None:
        live = self._stream(feed.key)
        supply = live.supply(feed.track.track) if live is not None else None
        return supply if supply is not None and supply.track.codec == feed.track.codec else None

    def _new_feed(self, key: str, track: TrackRecord) -> Feed:
        self._last_source += 1
        feed = Feed(
            key,
            track,
            source=self._last_source,
            worker=self._load.least_loaded(),
            now=self._clock(),
            backoff=Backoff(rng=self._rng),
        )
        self._by_source[feed.source] = feed
        metrics.RELAYS.set(len(self._by_source))
        return feed

    def _outcome(self, feed: Feed) -> asyncio.Future[RillcastError | None]:
        if feed.outcome is None:
            feed.outcome = asyncio.get_running_loop().create_future()
        return feed.outcome

    def _settle(self, feed: Feed, refusal: RillcastError | None) -> None:
        if feed.outcome is not None and not feed.outcome.done():
            feed.outcome.set_result(refusal)
        feed.outcome = None

    def _begin(self, feed: Feed, supply: TrackSupply) -> None:
        feed.state = FeedState.OPENING
        feed.attempt += 1
        self._tasks.start(self._open(feed, supply, feed.attempt), f"relay of {feed.key} {feed.track.track}")

    async def _open(self, feed: Feed, supply: TrackSupply, attempt: int) -> None:
        relay = RelayId(secrets.token_hex(8))
        live = self._stream(feed.key)
        if live is None:
            self._failed(feed, attempt, RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is not live"))
            return
        request = RelayOpen(
            app=live.app,
            stream=live.stream,
            track=feed.track.track,
            epoch=supply.epoch,
            child=self._node,
            relay=relay,
            child_address=self._addresses.relay(feed.worker),
        )
        with tracer.start_as_current_span("edge.relay_open", attributes={"rillcast.parent": supply.node}):
            try:
                grant = await self._bus.request(
                    subjects.media_relay_open(supply.node), request, RelayGrant, timeout_s=OPEN_TIMEOUT_S
                )
                if grant.track.codec != feed.track.codec:
                    raise ValueError(f"it is {grant.track.codec}, not {feed.track.codec}")
                if self._feed_is(feed, attempt):
                    self._plane.execute(_relay_source(feed, grant))
            except RillcastError as refusal:
                self._failed(feed, attempt, refusal)
                return
            except ValueError as error:
                self._failed(feed, attempt, RillcastError(ErrorCode.SERVER_ERROR, f"the parent's grant: {error}"))
                return
        if not self._feed_is(feed, attempt):
            await self._tell_parent(supply.node, relay)
            return
        if feed.ever_open:
            metrics.RELAY_MOVES.inc()
        metrics.RELAY_OPENS.labels("ok").inc()
        feed.state, feed.ever_open = FeedState.OPEN, True
        feed.parent, feed.relay, feed.epoch, feed.track = supply.node, relay, grant.epoch, grant.track
        self._settle(feed, None)
        self.on_stream_changed(feed.key, self._stream(feed.key))

    def _feed_is(self, feed: Feed, attempt: int) -> bool:
        return self._by_source.get(feed.source) is feed and feed.attempt == attempt

    def _failed(self, feed: Feed, attempt: int, refusal: RillcastError) -> None:
        metrics.RELAY_OPENS.labels(refusal.code.value).inc()
        if not self._feed_is(feed, attempt):
            return
        self._wait(feed)
        self._settle(feed, refusal)

    def _wait(self, feed: Feed) -> None:
        feed.state = FeedState.WAITING
        feed.retry_at = self._clock() + feed.backoff.next_delay_s()

    def _close(self, feed: Feed) -> None:
        feeds = self._feeds[feed.key]
        del feeds[feed.track.track]
        if not feeds:
            del self._feeds[feed.key]
        del self._by_source[feed.source]
        metrics.RELAYS.set(len(self._by_source))
        self._settle(feed, RillcastError(ErrorCode.NO_STREAM_EXIST, "the relay was closed"))
        if feed.ever_open:
            self._plane.execute(protocol.RemoveSource(source=feed.source))
        if feed.relay is not None and feed.parent is not None:
            self._tasks.start(self._tell_parent(feed.parent, feed.relay), "closing a relay")

    async def _tell_parent(self, parent: NodeId, relay: RelayId) -> None:
        """Best effort: a parent that does not hear it notices the missing keep-alives."""
        try:
            await self._bus.request(subjects.media_relay_close(parent), RelayClose(relay=relay, child=self._node), Ack)
        except RillcastError as refusal:
            metrics.RELAY_OPENS.labels(f"close_{refusal.code.value}").inc()


def _relay_source(feed: Feed, grant: RelayGrant) -> protocol.AddRelaySource:
    return protocol.AddRelaySource(
        source=feed.source,
        worker=feed.worker,
        kind=grant.track.kind,
        codec=grant.track.codec,
        clock_rate=grant.track.clock_rate,
        parent=grant.parent_address,
        ssrc=grant.ssrc,
        srtp_key=grant.srtp_key,
        srtcp_key=grant.srtcp_key,
    )
