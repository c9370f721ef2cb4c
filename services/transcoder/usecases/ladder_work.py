"""The ladder: a `work.Work` that decodes a source once and encodes the rungs that somebody watches.

(source height unknown: look at the source) ─▶ announce the rungs that fit ─▶ rest ⇄ encode
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.ladder_wish import LadderWish
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import LADDER, AppName, JobKind, TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import ClockSeen, SourceId
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.domain.ladder import Rung, plan, source_track, track_record
from services.transcoder.domain.overuse_detector import Withdrawn
from services.transcoder.ports import Clock, Outcome, Plane, StartCodecs
from services.transcoder.usecases.ladder_pipeline import LadderPipeline
from services.transcoder.usecases.ladder_wishes import LadderWishes
from services.transcoder.usecases.watched_rungs import WatchedRungs
from services.transcoder.usecases.work import Host, Intake, Order, OrderRefused

log = get_logger(__name__)


class LadderWork:
    """Makes the renditions of one stream that somebody takes. It is a `work.Work`."""

    def __init__(
        self,
        host: Host,
        live: LiveStream,
        source: TrackRecord,
        wish: LadderWish,
        *,
        rungs: WatchedRungs,
        codecs: StartCodecs,
        clock: Clock,
    ) -> None:
        self._host = host
        self._live = live
        self._source = source
        self._wish = wish
        self._watched = rungs
        self._codecs = codecs
        self._clock = clock
        self._size = (source.width, source.height)
        self._withdrawn = Withdrawn()
        self._pipeline: LadderPipeline | None = None
        self._plan = self._fitting()

    # ---- what its job asks: `work.Work`

    @property
    def tracks(self) -> tuple[TrackRecord, ...]:
        """See `Work.tracks`: the rungs that fit the source, highest first."""
        return tuple(self._track_record(rung) for rung in self._plan)

    @property
    def parts(self) -> int:
        """See `Work.parts`: rungs that are encoded."""
        return len(self._watched.rungs) if self._pipeline is not None else 0

    @property
    def cpu_s(self) -> float:
        """See `Work.cpu_s`."""
        return self._pipeline.cpu_s if self._pipeline is not None else 0.0

    def update(self, live: LiveStream, source: TrackRecord) -> None:
        """See `Work.update`."""
        self._live = live
        self._source = source
        self.on_size(source.width, source.height)
        self._replan()

    async def step(self, now: float) -> Intake:
        """See `Work.step`."""
        if self._withdrawn.back(now):
            self._replan()
        if self._pipeline is not None and self._pipeline.hopeless:
            self._give_up_source()
        self._watched.update(self._plan, begin_all=self._track_record if self._wish.always else None)
        self._watched.expire(now)
        rungs = self._watched.rungs
        if not rungs:
            await self._rest()
            return Intake.NOTHING if self._size_known() else Intake.LOOK
        if self._pipeline is None:
            self._pipeline = LadderPipeline(self._source.codec, self._codecs, self._deliver, self._clock)
            self._host.load_changed()
        self._pipeline.set_rungs(rungs)
        return Intake.PACKETS

    def progress(self) -> tuple[int, int]:
        """See `Work.progress`."""
        return self._pipeline.progress() if self._pipeline is not None else (0, 0)

    def shed(self, now: float) -> None:
        """See `Work.shed`: the top rung costs most."""
        track = self._watched.rungs[0].track
        self._withdrawn.for_a_while(track, now)
        self._drop(track, "overload")

    def makes(self, track: TrackId) -> bool:
        """See `Work.makes`."""
        return track in self._watched

    def source_of(self, track: TrackId) -> SourceId:
        """See `Work.source_of`."""
        rung = next(rung for rung in self._plan if rung.track == track)
        if track not in self._watched:
            self._host.load_changed()
            self._host.wake()
        return self._watched.source_of(rung, self._track_record(rung))

    async def close(self) -> None:
        """See `Work.close`."""
        self._watched.close()
        await self._rest()

    # ---- what the plane reports

    def on_packet(self, data: bytes) -> None:
        """See `Work.on_packet`."""
        if self._pipeline is not None and self._pipeline.on_packet(data):
            self._host.want_keyframe()

    def on_size(self, width: int, height: int) -> None:
        """See `Work.on_size`. Publishers begin small and dip when the network does: the largest size counts, unless the
        picture was turned."""
        turned = (width > height) != (self._size[0] > self._size[1])
        if height > 0 and width > 0 and (height > self._size[1] or (turned and (width, height) != self._size)):
            self._size = (width, height)
            self._replan()

    def on_clock(self, seen: ClockSeen) -> None:
        """See `Work.on_clock`."""
        self._watched.clock(seen)

    def on_feed_replaced(self) -> None:
        """See `Work.on_feed_replaced`."""
        if self._pipeline is not None:
            self._pipeline.feed_replaced()

    def on_keyframe_wanted(self, source: SourceId) -> None:
        """See `Work.on_keyframe_wanted`."""
        track = self._watched.track_of(source)
        if track is not None and self._pipeline is not None:
            self._pipeline.want_keyframe(track)

    # ---- inside

    async def _rest(self) -> None:
        if self._pipeline is not None:
            pipeline, self._pipeline = self._pipeline, None
            await pipeline.stop()

    def _deliver(self, outcome: Outcome) -> None:
        """What came of a frame, on the event loop."""
        for produced in outcome.produced:
            self._watched.push(produced.track, produced.packets)
        if outcome.size is not None:
            self.on_size(*outcome.size)
        if outcome.undecodable:
            self._host.want_keyframe()
        for track in outcome.failed:
            self._withdrawn.for_good(track)
            self._drop(track, "encoder")

    def _drop(self, track: TrackId, reason: str) -> None:
        log.warning("A rung is withdrawn", stream=self._live.key, track=track, reason=reason)
        metrics.RUNGS_DROPPED.labels(reason).inc()
        self._replan()

    def _give_up_source(self) -> None:
        log.warning("The source can't be decoded, no ladder for it", stream=self._live.key)
        metrics.REFUSED.labels("undecodable").inc()
        for rung in self._plan:
            self._withdrawn.for_good(rung.track)
        self._replan()

    def _size_known(self) -> bool:
        return self._size[1] > 0

    def _replan(self) -> None:
        rungs = self._fitting()
        if rungs != self._plan:
            self._plan = rungs
            self._host.announce()

    def _fitting(self) -> tuple[Rung, ...]:
        fitting = plan(self._wish, self._source, self._live.record.tracks, *self._size)
        return tuple(rung for rung in fitting if rung.track not in self._withdrawn)

    def _track_record(self, rung: Rung) -> TrackRecord:
        return track_record(rung, self._source)


class LadderKind:
    """`work.WorkKind`: ladders for streams of apps and broadcasts that ask for one."""

    def __init__(
        self,
        wishes: LadderWishes,
        codecs: StartCodecs,
        *,
        plane: Plane,
        sources: Iterator[SourceId],
        linger_s: float,
        clock: Clock,
    ) -> None:
        """`sources`: ids of the plane's sources, shared by everything that opens some on this node."""
        self._wishes = wishes
        self._codecs = codecs
        self._plane = plane
        self._sources = sources
        self._linger_s = linger_s
        self._clock = clock

    @property
    def kind(self) -> JobKind:
        """See `WorkKind.kind`."""
        return LADDER

    def order(self, live: LiveStream) -> Order | None:
        """See `WorkKind.order`."""
        wish = self._wishes.get(live.app, live.stream)
        try:
            source = source_track(live.record.tracks) if wish else None
        except LadderRefused as refused:
            raise OrderRefused(str(refused)) from refused
        return None if source is None else Order(source, wish)

    def start(self, host: Host, live: LiveStream, order: Order, worker: int) -> LadderWork:
        """See `WorkKind.start`."""
        assert isinstance(order.wish, LadderWish)
        rungs = WatchedRungs(host, worker=worker, plane=self._plane, sources=self._sources, linger_s=self._linger_s)
        return LadderWork(host, live, order.source, order.wish, rungs=rungs, codecs=self._codecs, clock=self._clock)

    def on_change(self, listener: Callable[[AppName], None]) -> None:
        """See `WorkKind.on_change`."""
        self._wishes.on_change(listener)
