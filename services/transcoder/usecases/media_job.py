"""One ladder job: holds the lease on a stream's renditions, and while somebody watches a rung, decodes and encodes.

    claim ─▶ (source height unknown: get the source, look) ─▶ announce rungs ─▶ idle ⇄ working
    idle: lease and record only. working: source relay, tap, thread, push sources and relays of the watched rungs.

Everything runs on the event loop but the codecs (`adapters.thread_ladder`). `run` ends when the lease is lost or
`stop` is called; whatever was opened is closed by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from rillcast.apps.ladder_wish import LadderWish
from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, TrackId
from rillcast.contracts.messages import RelayGrant, RelayOpen
from rillcast.contracts.records import RenditionRecord, TrackRecord
from rillcast.contracts.subjects import STREAM_LEASE_S
from rillcast.media.protocol import ClockSeen, SourceStats
from rillcast.runtime.cancel import cancelled
from rillcast.runtime.logs import get_logger
from services.transcoder import metrics
from services.transcoder.adapters.pyav_ladder import Outcome
from services.transcoder.domain.ladder import Rung, plan, track_record
from services.transcoder.domain.overuse_detector import Withdrawn
from services.transcoder.ports import Clock, KeyValue
from services.transcoder.usecases.ladder_pipeline import Encoding, Finding, LadderPipeline
from services.transcoder.usecases.source_feed import SourceFeed
from services.transcoder.usecases.watched_rungs import WatchedRungs

log = get_logger(__name__)

TICK_S = 1.0
KEYFRAME_EVERY_S = 0.5


def job_key(stream_key: str) -> str:
    """Where a stream's ladder job lies in BUCKET_RENDITIONS."""
    return f"{stream_key}/ladder"


class LadderJob:
    """From its creation to the end of `run`."""

    def __init__(
        self,
        *,
        node: NodeId,
        live: LiveStream,
        source: TrackRecord,
        wish: LadderWish,
        store: KeyValue,
        feed: SourceFeed,
        rungs: WatchedRungs,
        encoding: Encoding,
        clock: Clock,
        others_have_room: Callable[[], bool],
        lease_s: float = STREAM_LEASE_S,
    ) -> None:
        """`others_have_room`: whether another node could take the job over."""
        self._node = node
        self._others_have_room = others_have_room
        self._live = live
        self._source = source
        self._wish = wish
        self._feed = feed
        self._watched = rungs
        self._encoding = encoding
        self._clock = clock
        self._keeper = LeaseKeeper(
            store,
            job_key(live.key),
            Lease(lease_s, clock()),
            record_of=lambda _epoch, _since: self._record(),
            is_ours=self._is_ours,
            clock=clock,
        )
        self._size = (source.width, source.height)
        self._plan: tuple[Rung, ...] = ()
        self._withdrawn = Withdrawn()
        self._work: LadderPipeline | None = None
        self._keyframe_asked = -KEYFRAME_EVERY_S
        self._changed = asyncio.Event()
        self._stopping = False
        self._handing_over = False
        self._ended = asyncio.Event()
        self.epoch = live.epoch
        self.end_reason = ""
        """Why it ended, a label of `metrics.JOBS_ENDED`; empty while it runs or if it never held the lease."""
        self._replan()

    # ---- what the node asks of it

    @property
    def feed_source(self) -> int:
        """Id of the source that comes in."""
        return self._feed.source

    @property
    def held(self) -> bool:
        """Whether the lease is this node's, and is to stay so."""
        return self._keeper.lease.held and not self._stopping and not self._handing_over

    @property
    def encoders(self) -> int:
        """How many rungs are encoded now."""
        return len(self._watched.rungs) if self._work is not None else 0

    @property
    def cpu_s(self) -> float:
        """CPU time the present work has used."""
        return self._work.cpu_s if self._work is not None else 0.0

    @property
    def watched(self) -> bool:
        """Whether any node takes a rung."""
        return self._watched.relayed

    def fits(self, live: LiveStream, source: TrackRecord | None, wish: LadderWish) -> bool:
        """Whether the job may go on for this state of the stream: same owner, epoch, source and settings."""
        return (
            live.record.owner == self._live.record.owner
            and live.since_epoch <= self.epoch <= live.epoch
            and source is not None
            and (source.track, source.codec) == (self._source.track, self._source.codec)
            and wish == self._wish
        )

    def update(self, live: LiveStream, source: TrackRecord) -> None:
        """The stream's record changed in a way that `fits`."""
        self._live = live
        self._source = source
        self._look(source.width, source.height)
        self._replan()

    def stop(self, reason: str) -> None:
        """End soon."""
        self.end_reason = self.end_reason or reason
        self._stopping = True
        self._changed.set()

    def open_relay(self, request: RelayOpen, busy: str) -> RelayGrant:
        """Give a rung away. `busy`: why this node begins no rung now, or empty. Raises RillcastError."""
        rung = next((rung for rung in self._plan if rung.track == request.track), None)
        if rung is None or not self.held:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "this node doesn't make that rendition")
        if request.epoch != self.epoch:
            raise RillcastError(
                ErrorCode.NO_STREAM_EXIST, f"the rendition has epoch {self.epoch} here, not {request.epoch}"
            )
        new = rung.track not in self._watched
        if new and busy:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, busy, retry_after_s=5.0)
        grant = self._watched.open(request, rung, self._track_record(rung), self.epoch)
        if new:
            self._changed.set()
        if new and self._work is not None:
            self._work.rung_added()
        return grant

    # ---- what the plane reports

    def on_packet(self, data: bytes) -> None:
        """A packet of the source."""
        if self._work is not None and self._work.on_packet(data):
            self._want_keyframe(self._clock())

    def on_stats(self, stats: SourceStats) -> None:
        """Each second, of the source."""
        if stats.silent_ms < 1000:
            self._feed.flowing()
        self._look(stats.width, stats.height)

    def on_clock(self, seen: ClockSeen) -> None:
        """A sender report of the source."""
        if self._feed.believes_clock():
            self._watched.clock(seen)

    def on_keyframe_wanted(self, source: int) -> None:
        """A viewer of a rung needs one."""
        track = self._watched.track_of(source)
        if track is not None and self._work is not None:
            self._work.want_keyframe(track)

    def on_feed_lost(self) -> None:
        """The origin fell silent."""
        self._feed.lost(self._clock())
        self._changed.set()

    # ---- its life

    async def run(self) -> bool:
        """Claim and work until it ends. False when another node had the job. Raises STORE_UNAVAILABLE from the
        claim."""
        try:
            if not await self._keeper.claim():
                return False
        finally:
            if not self._keeper.lease.held:
                self._ended.set()
        log.info("Ladder job taken", stream=self._live.key, epoch=self.epoch, rungs=len(self._plan))
        keeping = asyncio.create_task(self._keep())
        try:
            while not self._stopping:
                self._changed.clear()
                if self._handing_over:
                    await self._let_go(keeping)
                await self._reconcile()
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):  # not wait_for: in Python 3.11 it can swallow a cancellation
                        await self._changed.wait()
        finally:
            self._stopping = True
            await cancelled(keeping)
            await self._close()
            self._ended.set()
        return True

    async def hand_over(self) -> None:
        """Give the lease back but go on encoding, until nobody takes a rung from here. For an orderly end."""
        self._handing_over = True
        self._changed.set()
        await self._ended.wait()

    async def _let_go(self, keeping: asyncio.Task[None]) -> None:
        if not keeping.done():
            await cancelled(keeping)
            await self._keeper.release()
        if not self._watched.relayed:
            self.stop("drain")

    async def _keep(self) -> None:
        await self._keeper.keep()
        self.stop("lease")

    async def _reconcile(self) -> None:
        now = self._clock()
        if self._withdrawn.back(now):
            self._replan()
        self._watched.update(self._plan, begin_all=self._track_record if self._wish.always else None)
        self._watched.expire(now)
        rungs = self._watched.rungs
        if not rungs:
            await self._rest()
        elif self._work is None:
            self._work = LadderPipeline(self._source.codec, self._encoding, self._deliver, self._clock)
            self._work.set_rungs(rungs)
        else:
            self._work.set_rungs(rungs)
            self._judge(self._work.judge(len(rungs)))
        if (rungs or not self._plan_known()) and not self._feed.fed and now >= self._feed.due:
            await self._open_feed(now)
        self._feed.tap(bool(rungs))

    async def _open_feed(self, now: float) -> None:
        supply = TrackSupply(self._source, self._live.record.owner, self.epoch, self._live.since_epoch)
        if await self._feed.open(self._live, supply, now):
            if self._work is not None:
                self._work.feed_replaced()
            self._want_keyframe(now)

    async def _rest(self) -> None:
        """Nobody watches: keep the lease only."""
        await self._stop_work()
        if self._plan_known():
            await self._feed.close()

    async def _close(self) -> None:
        await self._keeper.release()
        self._watched.close()
        await self._stop_work()
        await self._feed.close()

    async def _stop_work(self) -> None:
        if self._work is not None:
            work, self._work = self._work, None
            await work.stop()

    def _deliver(self, outcome: Outcome) -> None:
        """The thread's results, on the event loop."""
        for produced in outcome.produced:
            self._watched.push(produced.track, produced.packets)
        if outcome.size is not None:
            self._look(*outcome.size)
        if outcome.undecodable:
            self._want_keyframe(self._clock())
        for track in outcome.failed:
            self._drop(track, "encoder", for_good=True)

    def _judge(self, finding: Finding) -> None:
        match finding:
            case Finding.DROP_TOP:
                self._drop(self._watched.rungs[0].track, "overload", for_good=False)
            case Finding.GIVE_UP if self._others_have_room():
                log.warning("Too much for this node, the ladder job is given up", stream=self._live.key)
                self.stop("overload")
            case Finding.HOPELESS:
                log.warning("The source can't be decoded, no ladder for it", stream=self._live.key)
                metrics.REFUSED.labels("undecodable").inc()
                for rung in self._plan:
                    self._withdrawn.for_good(rung.track)
                self._replan()
            case Finding.GIVE_UP | Finding.WELL:
                pass  # few pictures are better than none: nobody else would make the last rung

    def _drop(self, track: TrackId, reason: str, *, for_good: bool) -> None:
        log.warning("A rung is withdrawn", stream=self._live.key, track=track, reason=reason)
        metrics.RUNGS_DROPPED.labels(reason).inc()
        if for_good:
            self._withdrawn.for_good(track)
        else:
            self._withdrawn.for_a_while(track, self._clock())
        self._replan()

    def _want_keyframe(self, now: float) -> None:
        if now - self._keyframe_asked >= KEYFRAME_EVERY_S:
            self._keyframe_asked = now
            self._feed.want_keyframe()

    def _plan_known(self) -> bool:
        return self._size[1] > 0

    def _look(self, width: int, height: int) -> None:
        """The source has this size now. Publishers begin small and dip when the network does: the largest size counts,
        unless the picture was turned."""
        turned = (width > height) != (self._size[0] > self._size[1])
        if height > 0 and width > 0 and (height > self._size[1] or (turned and (width, height) != self._size)):
            self._size = (width, height)
            self._replan()

    def _replan(self) -> None:
        fitting = plan(self._wish, self._source, self._live.record.tracks, *self._size)
        rungs = tuple(rung for rung in fitting if rung.track not in self._withdrawn)
        if rungs != self._plan:
            self._plan = rungs
            self._keeper.hurry()
            self._changed.set()

    def _track_record(self, rung: Rung) -> TrackRecord:
        return track_record(rung, self._source)

    def _record(self) -> bytes:
        record = RenditionRecord(
            app=self._live.app,
            stream=self._live.stream,
            epoch=self.epoch,
            owner=self._node,
            tracks=tuple(self._track_record(rung) for rung in self._plan),
        )
        return msgspec.json.encode(record)

    def _is_ours(self, value: bytes) -> bool:
        try:
            record = msgspec.json.decode(value, type=RenditionRecord)
        except msgspec.MsgspecError:
            return False
        return record.owner == self._node and record.epoch == self.epoch
