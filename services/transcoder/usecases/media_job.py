"""One media job: holds the lease on one kind of work for one stream, and brings the work its source.

    claim ─▶ announce ─▶ rest ⇄ work        What the work is, the job does not know: see `work.Work`.

Everything runs on the event loop. `work` ends when the lease is lost or `stop` is called; whatever was opened is closed
by then. States: `domain.job_state`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.subjects import STREAM_LEASE_S
from rillcast.media.protocol import ClockSeen, SourceId, SourceStats
from rillcast.relay.parent import RelayOffer, RelayParent
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder.domain.job_state import JobEnd, JobEvent, JobState, advance
from services.transcoder.domain.overuse_detector import OveruseDetector, Verdict
from services.transcoder.ports import Clock, KeyValue, Peers, WallClock
from services.transcoder.usecases.job_lease import JobLease
from services.transcoder.usecases.source_feed import SourceFeed
from services.transcoder.usecases.start_span import StartSpan
from services.transcoder.usecases.work import Intake, Order, WorkKind

log = get_logger(__name__)

TICK_S = 1.0
KEYFRAME_EVERY_S = 0.5
FLOWING_MS = 1000
"""A source counts as flowing if its last packet came less than this ago."""


class MediaJob:
    """From its creation to the end of `work`. Is the `work.Host` of its work."""

    def __init__(
        self,
        kind: WorkKind,
        *,
        node: NodeId,
        live: LiveStream,
        order: Order,
        worker: int,
        store: KeyValue,
        feed: SourceFeed,
        relays: RelayParent,
        peers: Peers,
        clock: Clock,
        wall_ms: WallClock,
        lease_s: float = STREAM_LEASE_S,
    ) -> None:
        self.job_id = (live.key, kind.kind)
        """The key of the stream, and the kind of work."""
        self._live = live
        self._order = order
        self._feed = feed
        self.worker = worker
        """The plane's worker that has the source and whatever the work opens."""
        self._relays = relays
        self._peers = peers
        self._clock = clock
        self._lease = JobLease(
            store,
            kind=kind.kind,
            node=node,
            live=live,
            tracks=self._tracks,
            clock=clock,
            wall_ms=wall_ms,
            lease_s=lease_s,
        )
        self._state = JobState.CLAIMING
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._overuse = OveruseDetector(clock())
        self._keyframe_asked = -KEYFRAME_EVERY_S
        self.end_reason: JobEnd | None = None
        """Why it ended; None while it runs or if it never held the lease."""
        self._listeners: list[Callable[[bytes], None]] = []
        self._start = StartSpan(kind.kind, live.app, live.stream)
        self._work = kind.start(self, live, order, worker)

    # ---- what the node asks of it

    @property
    def feed_source(self) -> SourceId:
        """The plane's id of the source that comes in. It is the same for the whole life of the job."""
        return self._feed.source

    @property
    def stream_claim(self) -> ClaimId:
        """The claim of the stream for which the job is done."""
        return self._lease.stream_claim

    @property
    def held(self) -> bool:
        """Whether the lease is this node's, and is to stay so."""
        return self._state is JobState.HELD and self._lease.held

    @property
    def parts(self) -> int:
        """See `Work.parts`."""
        return self._work.parts

    @property
    def parent(self) -> NodeId | None:
        """Who feeds the job now; None when nobody does."""
        return self._feed.parent

    @property
    def slow(self) -> bool:
        """See `OveruseDetector.slow`."""
        return self._overuse.slow and self._work.parts > 0

    @property
    def cpu_s(self) -> float:
        """See `Work.cpu_s`."""
        return self._work.cpu_s

    def fits(self, live: LiveStream, order: Order | None) -> bool:
        """Whether the job may go on for this state of the stream: same owner, claim, source and wish."""
        return (
            live.record.owner == self._live.record.owner
            and live.epoch.claim == self.stream_claim
            and order is not None
            and (order.source.track, order.source.codec) == (self._order.source.track, self._order.source.codec)
            and order.wish == self._order.wish
        )

    def update(self, live: LiveStream, order: Order) -> None:
        """The stream's record changed in a way that `fits`."""
        self._live, self._order = live, order
        self._work.update(live, order.source)

    def stop(self, reason: JobEnd) -> None:
        """End soon. The first reason counts."""
        self.end_reason = self.end_reason or reason
        self._advance(JobEvent.STOP)

    def offer(self, track: TrackId, busy: str) -> RelayOffer | None:
        """What another node may have of a track; None if it isn't from here. `busy`: why this node begins nothing new
        now, or empty. Raises HIGH_RESOURCE_USAGE if the track isn't made yet and the node is busy."""
        record = next((record for record in self._work.tracks if record.track == track), None)
        if record is None or not self.held:
            return None
        if busy and not self._work.makes(track):
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, busy, retry_after_s=5.0)
        return RelayOffer(
            key=self._lease.key,
            track=record,
            worker=self.worker,
            claim=self._lease.epoch.claim,
            source=partial(self._work.source_of, track),
        )

    def listen(self, listener: Callable[[bytes], None]) -> Callable[[], None]:
        """Tell `listener` of every packet of the source as well, until what is returned is called. The source comes in
        meanwhile, also while the work rests. A node has at most one relay of a track, so whoever else wants packets of
        this source gets them here."""
        self._listeners.append(listener)
        self._changed.set()

        def leave() -> None:
            self._listeners.remove(listener)
            self._changed.set()

        return leave

    def takes(self, track: TrackId) -> bool:
        """Whether this is the track that comes in, and the job is at work."""
        return self.held and self._order.source.track == track

    # ---- what the work tells it

    def announce(self) -> None:
        """See `Host.announce`."""
        self._lease.announce()
        self._changed.set()

    def wake(self) -> None:
        """See `Host.wake`."""
        self._changed.set()

    def load_changed(self) -> None:
        """See `Host.load_changed`."""
        self._overuse.disturbed(self._clock())

    def taken(self) -> set[TrackId]:
        """See `Host.taken`."""
        return self._relays.tracks(self._lease.key)

    def end_relays(self, track: TrackId) -> None:
        """See `Host.end_relays`."""
        self._relays.end(self._lease.key, track)

    def want_keyframe(self) -> None:
        """See `Host.want_keyframe`."""
        now = self._clock()
        if now - self._keyframe_asked >= KEYFRAME_EVERY_S:
            self._keyframe_asked = now
            self._feed.want_keyframe()

    # ---- what the plane reports

    def on_packet(self, data: bytes) -> None:
        """A whole RTP packet of the source."""
        self._work.on_packet(data)
        for listener in tuple(self._listeners):
            listener(data)

    def on_stats(self, stats: SourceStats) -> None:
        """The figures of the source, which the plane reports once a second."""
        if stats.silent_ms < FLOWING_MS:
            self._feed.flows()
        self._work.on_size(stats.width, stats.height)

    def on_clock(self, seen: ClockSeen) -> None:
        """A sender report of the source."""
        if self._feed.believes_clock():
            self._work.on_clock(seen)

    def on_keyframe_wanted(self, source: SourceId) -> None:
        """See `Work.on_keyframe_wanted`."""
        self._work.on_keyframe_wanted(source)

    def on_feed_lost(self) -> None:
        """The plane has heard nothing from the origin for a while. It is asked again."""
        self._feed.lost()
        self._changed.set()

    # ---- its life

    async def claim(self) -> bool:
        """Take the lease: False when another node has the job. Raises STORE_UNAVAILABLE. Call once; `work` comes next
        if it was won."""
        won = False
        try:
            won = await self._lease.claim()
        finally:
            self._advance(JobEvent.WON if won else JobEvent.LOST)
            if not won:
                self._start.lost()
        return won

    async def work(self) -> None:
        """Work until the job ends. Whatever was opened is closed by then, also if this is cancelled or raises."""
        log.info("Media job taken", stream=self._live.key, job=self.job_id[1], claim=self._lease.epoch.claim)
        self._lease.keep(self._lease_lost)
        try:
            while self._state is not JobState.ENDING:
                self._changed.clear()
                if self._state is JobState.HANDING_OVER:
                    await self._let_go()
                await self._step()
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):  # not wait_for: in Python 3.11 it can swallow a cancellation
                        await self._changed.wait()
        finally:
            self._advance(JobEvent.STOP)
            self._start.over(self.end_reason.value if self.end_reason is not None else "cancelled")
            try:
                await self._close()
            finally:
                self._advance(JobEvent.CLOSED)

    async def hand_over(self) -> None:
        """Give the lease back but go on until nobody takes anything from here. For an orderly end."""
        self._advance(JobEvent.DRAIN)
        await self._ended.wait()

    async def _let_go(self) -> None:
        await self._lease.release()
        if not self.taken():
            self.end_reason = self.end_reason or JobEnd.DRAIN
            self._advance(JobEvent.UNWATCHED)

    def _lease_lost(self) -> None:
        self.end_reason = self.end_reason or JobEnd.LEASE
        self._advance(JobEvent.LEASE_LOST)

    async def _close(self) -> None:
        """The lease first, so that another node can begin. Whatever raises or is cancelled here, the rest is closed."""
        try:
            await self._lease.release()
        finally:
            self._relays.end(self._lease.key)
            self._feed.close()
            await self._work.close()

    async def _step(self) -> None:
        now = self._clock()
        with self._start.within():
            intake = await self._work.step(now)
            self._judge(now)
            if intake is Intake.NOTHING and not self._listeners:
                self._feed.close()
            else:
                supply = TrackSupply(self._order.source, self._live.record.owner, self.stream_claim)
                self._feed.bring(self._live, supply, self._fed)
            self._feed.tap(intake is Intake.PACKETS or bool(self._listeners))
        if tracks := len(self._work.tracks):
            self._start.made(tracks)

    def _fed(self) -> None:
        self._work.on_feed_replaced()
        self.want_keyframe()
        self._changed.set()

    def _judge(self, now: float) -> None:
        if not self._work.parts:
            return
        made, left_out = self._work.progress()
        match self._overuse.observe(made, left_out, self._work.parts, now):
            case Verdict.SHED:
                self._work.shed(now)
            case Verdict.GIVE_UP if self._peers.have_room():
                log.warning("Too much for this node, the job is given up", stream=self._live.key, job=self.job_id[1])
                self.stop(JobEnd.OVERLOAD)
            case Verdict.GIVE_UP | Verdict.KEEP:
                pass  # few pictures are better than none: nobody else would make the last part

    def _tracks(self) -> tuple[TrackRecord, ...]:
        return self._work.tracks

    def _advance(self, event: JobEvent) -> None:
        self._state = advance(self._state, event)
        self._changed.set()
        if self._state is JobState.ENDED:
            self._ended.set()


NewJob = Callable[[WorkKind, LiveStream, Order], MediaJob]
"""Makes the job of one kind for one stream; see `job_factory`."""
