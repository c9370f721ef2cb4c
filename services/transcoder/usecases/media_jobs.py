"""Which streams this node works on.

There is one task per stream and kind of work that is asked for. It waits a little (longer the busier this node is, so
that the idlest one wins the claim), runs a `MediaJob` to its end and is started again by the next change, or by the
periodic look at everything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, ClaimId, NodeId
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.domain.job_state import JobEnd
from services.transcoder.ports import Clock
from services.transcoder.usecases.media_job import MediaJob, NewJob
from services.transcoder.usecases.running_jobs import JobId, RunningJobs
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


_AVOIDED = frozenset({JobEnd.OVERLOAD, JobEnd.FAILED})
"""Ends after which another node may do better."""


class MediaJobs:
    """Begins and ends the media jobs of one node. Everything is called on the event loop."""

    def __init__(
        self,
        kinds: Sequence[WorkKind],
        *,
        node: NodeId,
        watch: StreamWatch,
        tasks: BackgroundTasks,
        running: RunningJobs,
        new_job: NewJob,
        clock: Clock,
    ) -> None:
        """`kinds`: what may be asked for of streams. `new_job`: `JobFactory`."""
        self._kinds = {kind.kind: kind for kind in kinds}
        self._node = node
        self._watch = watch
        self._tasks = tasks
        self._running = running
        self._new_job = new_job
        self._clock = clock
        self._attended: set[JobId] = set()
        self._avoid: dict[JobId, float] = {}
        self._refused: set[tuple[JobId, ClaimId]] = set()
        self._draining = False
        watch.on_change(self.look)
        for kind in kinds:
            kind.on_change(self.look_at_app)

    # ---- which jobs

    def look(self, key: str) -> None:
        """A stream may have changed: take, keep or end its jobs."""
        live = self._watch.directory.by_key(key)
        for kind in self._kinds.values():
            job = self._running.get((key, kind.kind))
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
            living = {(live.key, live.epoch.claim) for live in self._watch.directory.all()}
            self._refused = {(job, claim) for job, claim in self._refused if (job[0], claim) in living}
            for key, _ in living:
                self.look(key)

    async def drain(self) -> None:
        """Hand every job over to other transcoders; returns when nobody takes anything from here."""
        self._draining = True
        async with asyncio.TaskGroup() as tasks:
            for job in self._running:
                tasks.create_task(job.hand_over())

    def stay(self) -> None:
        """Take new jobs again after a drain that was taken back."""
        self._draining = False

    async def close(self) -> None:
        """End every job without waiting for those who still take something. Returns when all have ended, or after
        `CLOSE_S`."""
        self._draining = True
        for job in self._running:
            job.stop(JobEnd.DRAIN)
        await self._tasks.settle(CLOSE_S)

    # ---- inside

    def _look_at_job(self, job: MediaJob, kind: WorkKind, live: LiveStream | None) -> None:
        if live is None:
            job.stop(JobEnd.STREAM)
            return
        order = self._order(kind, live)
        if order is None or not job.fits(live, order):
            job.stop(JobEnd.SETTINGS if live.epoch.claim == job.stream_claim else JobEnd.STREAM)
        else:
            job.update(live, order)

    def _order(self, kind: WorkKind, live: LiveStream) -> Order | None:
        try:
            return kind.order(live)
        except OrderRefused as refused:
            mark = ((live.key, kind.kind), live.epoch.claim)
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
        if any(job.stream_claim == live.epoch.claim for job in others):
            return None
        return self._order(kind, live)

    def _attend_to(self, key: str, kind: WorkKind) -> None:
        job_id = (key, kind.kind)
        try:
            task = self._tasks.start(self._attend(key, kind), f"{kind.kind} {key}")
        except RillcastError:
            return  # this node does too much on the side already, which is counted there; the next look tries again
        self._attended.add(job_id)
        # A task that is cancelled before it began runs no line of its own, so that it can't take itself out.
        task.add_done_callback(lambda _: self._attended.discard(job_id))

    async def _attend(self, key: str, kind: WorkKind) -> None:
        await asyncio.sleep(random.uniform(0, CLAIM_SPREAD_S) + CLAIM_BUSY_S * min(1.0, self._running.share()))
        live = self._watch.directory.by_key(key)
        order = self._wanted(kind, live) if live is not None else None
        if live is not None and order is not None:
            won = await self._work(kind, live, order)
            asyncio.get_running_loop().call_later(0.0 if won else CLAIM_AGAIN_S, self.look, key)

    async def _work(self, kind: WorkKind, live: LiveStream, order: Order) -> bool:
        """Whether it won the job and did it to its end."""
        job = self._new_job(kind, live, order)
        self._running.add(job)
        try:
            if not await self._claim(job):
                return False
            await job.work()
        except Exception:
            self._ended(job, JobEnd.FAILED)
            raise
        finally:
            self._running.remove(job)
        self._ended(job, job.end_reason or JobEnd.LEASE)
        return True

    async def _claim(self, job: MediaJob) -> bool:
        try:
            won = await job.claim()
        except RillcastError:
            metrics.CLAIMS.labels("unavailable").inc()
            return False
        metrics.CLAIMS.labels("won" if won else "lost").inc()
        return won

    def _ended(self, job: MediaJob, reason: JobEnd) -> None:
        metrics.JOBS_ENDED.labels(reason).inc()
        if reason in _AVOIDED:
            self._avoid[job.job_id] = self._clock() + AVOID_S
