"""The node's media jobs: which streams it works on, and who gets which event, packet and request.

There is one task per stream and kind of work that is asked for. It waits a little (longer the busier this node is, so
that the idlest one wins the claim), runs a `MediaJob` to its end and is started again by the next change, or by the
periodic look at everything.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence

from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, JobKind, NodeId, stream_key
from rillcast.contracts.messages import RelayOpen
from rillcast.media.protocol import (
    ClockSeen,
    Event,
    KeyframeWanted,
    RelayParentLost,
    SourceStats,
)
from rillcast.node.background import BackgroundTasks
from rillcast.node.load import MediaLoad
from rillcast.relay.parent import RelayOffer
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.ports import Clock
from services.transcoder.usecases.media_job import MakeJob, MediaJob
from services.transcoder.usecases.work import Order, OrderRefused, WorkKind

log = get_logger(__name__)

LOOK_S = 5.0
CLAIM_SPREAD_S = 0.1
CLAIM_BUSY_S = 1.5
"""A node at full load waits so much longer before it claims a job, so that others are faster."""
AVOID_S = 30.0
"""For so long after it gave a job up, a node does not claim that job again."""
CLAIM_AGAIN_S = 1.0
"""After a claim that failed. The next look at everything would be too late: a node's own view of a dead owner's record
may expire shortly before the store lets the record go."""

CLOSE_S = 8.0
"""More than the 5 s that a codec's thread has to end, and the 2 s in which an origin is told that it is not needed."""

JobId = tuple[str, JobKind]
"""The key of the stream, and the kind of work."""


class MediaJobs:
    """All media jobs of one node. Everything is called on the event loop."""

    def __init__(
        self,
        kinds: Sequence[WorkKind],
        *,
        node: NodeId,
        watch: StreamWatch,
        load: MediaLoad,
        tasks: BackgroundTasks,
        make_job: MakeJob,
        clock: Clock,
        max_cpu: float,
    ) -> None:
        """`kinds`: what may be asked for of streams."""
        self._kinds = {kind.kind: kind for kind in kinds}
        self._node = node
        self._watch = watch
        self._load = load
        self._tasks = tasks
        self._make_job = make_job
        self._clock = clock
        self._max_cpu = max_cpu
        self._jobs: dict[JobId, MediaJob] = {}
        self._by_feed: dict[int, MediaJob] = {}
        self._attended: set[JobId] = set()
        self._avoid: dict[JobId, float] = {}
        self._refused: set[tuple[JobId, int]] = set()
        self._cpu_before = (clock(), {0: 0.0})
        self._draining = False
        self.cpu = 0.0
        """The share of all processors that jobs took in the last second, 0 to 1."""
        watch.on_change(self.look)
        for kind in kinds:
            kind.on_change(self.look_at_app)

    # ---- requests

    def offer(self, request: RelayOpen) -> RelayOffer:
        """What another node may have of the track that it asks for. Raises NO_STREAM_EXIST, and HIGH_RESOURCE_USAGE
        while this node begins nothing new."""
        key = stream_key(request.app, request.stream)
        for kind in self._kinds:
            job = self._jobs.get((key, kind))
            offer = job.offer(request.track, self._too_busy()) if job is not None else None
            if offer is not None:
                return offer
        raise RillcastError(ErrorCode.NO_STREAM_EXIST, "this node doesn't make that rendition")

    # ---- the plane

    def on_packet(self, source: int, data: bytes) -> None:
        """A packet of a tapped source. The plane calls it for every packet, so it is cheap for sources of no job."""
        job = self._by_feed.get(source)
        if job is not None:
            job.on_packet(data)

    def on_event(self, event: Event) -> None:
        """An event of the plane. Most of them concern no job."""
        match event:
            case SourceStats() if event.source in self._by_feed:
                self._by_feed[event.source].on_stats(event)
            case ClockSeen() if event.source in self._by_feed:
                self._by_feed[event.source].on_clock(event)
            case RelayParentLost() if event.source in self._by_feed:
                self._by_feed[event.source].on_feed_lost()
            case KeyframeWanted():
                for job in self._jobs.values():
                    job.on_keyframe_wanted(event.source)
            case _:
                pass

    # ---- which jobs

    def look(self, key: str) -> None:
        """A stream may have changed: take, keep or end its jobs."""
        live = self._watch.directory.by_key(key)
        for kind in self._kinds.values():
            job = self._jobs.get((key, kind.kind))
            if job is not None:
                self._look_at_job(job, kind, live)
            elif live is not None and (key, kind.kind) not in self._attended and self._wanted(kind, live) is not None:
                self._attend_to(key, kind)

    def look_at_app(self, app: AppName) -> None:
        """What is asked for of an app's streams changed."""
        for live in self._watch.directory.all():
            if live.app == app:
                self.look(live.key)

    async def look_around(self) -> None:
        """Look at everything now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            now = self._clock()
            self._avoid = {job: until for job, until in self._avoid.items() if until > now}
            living = {(live.key, live.epoch) for live in self._watch.directory.all()}
            self._refused = {(job, epoch) for job, epoch in self._refused if (job[0], epoch) in living}
            for key, _ in living:
                self.look(key)

    def measure(self, now: float) -> None:
        """Take the jobs' CPU time of the time since the last call. Call about once a second."""
        before, seen = self._cpu_before
        used = {job.feed_source: job.cpu_s for job in self._jobs.values()}
        spent_s = sum(max(0.0, total - seen.get(feed, 0.0)) for feed, total in used.items())
        if now > before:
            self.cpu = spent_s / (now - before) / (os.cpu_count() or 1)
        self._cpu_before = (now, used)
        metrics.CPU.set(self.cpu)
        metrics.JOBS.set(self.held)
        metrics.ENCODERS.set(self.encoders)

    @property
    def encoders(self) -> int:
        """Things being made now, e.g. rungs encoded."""
        return sum(job.parts for job in self._jobs.values())

    @property
    def held(self) -> int:
        """Jobs held by lease. One that gave its lease back counts no more, although its codecs may still be ending."""
        return sum(job.held for job in self._jobs.values())

    def share(self) -> float:
        """How much of the processor time that jobs may take is taken; 1 = all of it."""
        return self.cpu / self._max_cpu

    async def drain(self) -> None:
        """Hand every job over to other transcoders; returns when nobody takes anything from here."""
        self._draining = True
        async with asyncio.TaskGroup() as tasks:
            for job in self._jobs.values():
                tasks.create_task(job.hand_over())

    async def close(self) -> None:
        """End every job without waiting for those who still take something. Returns when all have ended, or after
        `CLOSE_S`."""
        self._draining = True
        for job in self._jobs.values():
            job.stop("drain")
        await self._tasks.settle(CLOSE_S)

    # ---- inside

    def _too_busy(self) -> str:
        return f"this node's processors are {self.cpu:.0%} busy with media jobs" if self.cpu >= self._max_cpu else ""

    def _look_at_job(self, job: MediaJob, kind: WorkKind, live: LiveStream | None) -> None:
        if live is None:
            job.stop("stream")
            return
        order = self._order(kind, live)
        if order is None or not job.fits(live, order):
            job.stop("settings" if live.epoch == job.epoch else "stream")
        else:
            job.update(live, order)

    def _order(self, kind: WorkKind, live: LiveStream) -> Order | None:
        try:
            return kind.order(live)
        except OrderRefused as refused:
            mark = ((live.key, kind.kind), live.epoch)
            if mark not in self._refused:
                self._refused.add(mark)
                metrics.REFUSED.labels("source").inc()
                log.warning("A stream can't be worked on", stream=live.key, job=kind.kind, reason=str(refused))
            return None

    def _wanted(self, kind: WorkKind, live: LiveStream) -> Order | None:
        """What is to be done for the stream by this node; None if nothing, or not now."""
        if self._draining or not live.record.media_flowing:
            return None
        if self._avoid.get((live.key, kind.kind), 0.0) > self._clock():
            return None
        others = (job for job in live.renditions if job.kind == kind.kind and job.owner != self._node)
        if any(live.since_epoch <= job.epoch <= live.epoch for job in others):
            return None
        return self._order(kind, live)

    def _attend_to(self, key: str, kind: WorkKind) -> None:
        try:
            self._tasks.start(self._attend(key, kind), f"{kind.kind} {key}")
        except RillcastError:
            return  # this node does too much on the side already, which is counted there; the next look tries again
        self._attended.add((key, kind.kind))

    async def _attend(self, key: str, kind: WorkKind) -> None:
        again_s = 0.0
        try:
            await asyncio.sleep(random.uniform(0, CLAIM_SPREAD_S) + CLAIM_BUSY_S * min(1.0, self.share()))
            live = self._watch.directory.by_key(key)
            order = self._wanted(kind, live) if live is not None else None
            if live is None or order is None:
                return
            if not await self._work(kind, live, order):
                again_s = CLAIM_AGAIN_S
        finally:
            self._attended.discard((key, kind.kind))
        asyncio.get_running_loop().call_later(again_s, self.look, key)

    async def _work(self, kind: WorkKind, live: LiveStream, order: Order) -> bool:
        """Whether it won the job and did it to its end."""
        job_id, worker = (live.key, kind.kind), self._load.least_loaded()
        job = self._make_job(kind, live, order, worker)
        self._jobs[job_id] = self._by_feed[job.feed_source] = job
        self._load.joined(worker)
        try:
            if not await self._claim(job):
                return False
            await job.work()
        except Exception:
            self._ended(job_id, "failed")
            raise
        finally:
            del self._jobs[job_id], self._by_feed[job.feed_source]
            self._load.left(worker)
        self._ended(job_id, job.end_reason)
        return True

    async def _claim(self, job: MediaJob) -> bool:
        try:
            won = await job.claim()
        except RillcastError:
            metrics.CLAIMS.labels("unavailable").inc()
            return False
        metrics.CLAIMS.labels("won" if won else "lost").inc()
        return won

    def _ended(self, job_id: JobId, reason: str) -> None:
        metrics.JOBS_ENDED.labels(reason or "lease").inc()
        if reason in ("overload", "failed"):
            self._avoid[job_id] = self._clock() + AVOID_S
