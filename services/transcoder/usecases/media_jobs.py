"""The node: which streams' ladder jobs it takes, and who gets which event, packet and request.

One task per stream of interest. It waits a little (longer the busier this node is, so that the idlest one wins the
claim), runs a `LadderJob` to its end and is started again by the next change, or by the periodic look at everything.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.ladder_wish import LadderWish
from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, stream_key
from rillcast.contracts.messages import Ack, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import (
    ClockSeen,
    Event,
    KeyframeWanted,
    RelayChildLost,
    RelayParentLost,
    RemoveRelay,
    SourceStats,
)
from rillcast.node.background import BackgroundTasks
from rillcast.node.load import MediaLoad
from rillcast.relay.parent import ParentRelays
from rillcast.runtime.logs import get_logger
from services.transcoder import metrics
from services.transcoder.domain.ladder import source_track
from services.transcoder.ports import Clock, Plane
from services.transcoder.usecases.media_job import LadderJob

log = get_logger(__name__)

LOOK_S = 5.0
CLAIM_SPREAD_S = 0.1
CLAIM_BUSY_S = 1.5
"""A node at full load lets others be faster by so much."""
AVOID_S = 30.0
"""After giving a job up, for so long it is somebody else's."""
CLAIM_AGAIN_S = 1.0
"""After a claim that failed. The next look at everything would be too late: a node's own view of a dead owner's record
may expire shortly before the store lets the record go."""

MakeJob = Callable[[LiveStream, TrackRecord, LadderWish, int], LadderJob]
"""From stream, source track, wish and plane worker."""


class Transcoder:
    """All ladder jobs of one node."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        watch: StreamWatch,
        wish_of: Callable[[AppName, StreamId], LadderWish],
        relays: ParentRelays,
        load: MediaLoad,
        make_job: MakeJob,
        clock: Clock,
        max_cpu: float,
    ) -> None:
        self._node = node
        self._plane = plane
        self._watch = watch
        self._wish_of = wish_of
        self._relays = relays
        self._load = load
        self._make_job = make_job
        self._clock = clock
        self._max_cpu = max_cpu
        self._tasks = BackgroundTasks()
        self._jobs: dict[str, LadderJob] = {}
        self._by_feed: dict[int, LadderJob] = {}
        self._busy_keys: set[str] = set()
        self._avoid: dict[str, float] = {}
        self._refused: set[tuple[str, int]] = set()
        self._cpu_before = (clock(), {0: 0.0})
        self._draining = False
        self.cpu = 0.0
        """Share of all processors that ladders took lately."""
        watch.on_change(self.look)

    # ---- requests

    async def open_relay(self, request: RelayOpen) -> RelayGrant:
        """Serve `subjects.media_relay_open`."""
        try:
            job = self._jobs.get(stream_key(request.app, request.stream))
            if job is None:
                raise RillcastError(ErrorCode.NO_STREAM_EXIST, "this node makes no renditions of the stream")
            grant = job.open_relay(request, self._too_busy())
        except RillcastError as refusal:
            metrics.RELAY_OPENS.labels(refusal.code.value).inc()
            raise
        metrics.RELAY_OPENS.labels("ok").inc()
        return grant

    async def close_relay(self, request: RelayClose) -> Ack:
        """Serve `subjects.media_relay_close`. Closing an unknown relay succeeds."""
        relay = self._relays.named(request.relay, request.child)
        if relay is not None:
            self._relays.forget(relay.plane_relay)
            self._plane.execute(RemoveRelay(relay=relay.plane_relay))
            metrics.RELAYS.set(len(self._relays))
        return Ack()

    # ---- the plane

    def on_packet(self, source: int, data: bytes) -> None:
        """A packet of a tapped source."""
        job = self._by_feed.get(source)
        if job is not None:
            job.on_packet(data)

    def on_event(self, event: Event) -> None:
        """An event of the plane."""
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
            case RelayChildLost():
                if self._relays.forget(event.relay) is not None:
                    metrics.CHILDREN_LOST.inc()
                    metrics.RELAYS.set(len(self._relays))
            case _:
                pass

    # ---- which jobs

    def look(self, key: str) -> None:
        """A stream may have changed: take, keep or end its job."""
        live = self._watch.directory.by_key(key)
        job = self._jobs.get(key)
        if job is not None:
            if live is None:
                job.stop("stream")
                return
            source, wish = self._wish(live)
            if not job.fits(live, source, wish):
                job.stop("settings" if live.epoch == job.epoch else "stream")
            elif source is not None:
                job.update(live, source)
        elif live is not None and key not in self._busy_keys and self._wanted(live):
            self._busy_keys.add(key)
            self._tasks.start(self._attend(key), f"ladder {key}")

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
            self._avoid = {key: until for key, until in self._avoid.items() if until > now}
            living = {(live.key, live.epoch) for live in self._watch.directory.all()}
            self._refused &= living
            for key, _ in living:
                self.look(key)

    def measure(self, now: float) -> None:
        """Take the ladders' CPU time of the time since the last call. Call about once a second."""
        before, seen = self._cpu_before
        used = {feed: job.cpu_s for feed, job in self._by_feed.items()}
        spent_s = sum(max(0.0, total - seen.get(feed, 0.0)) for feed, total in used.items())
        if now > before:
            self.cpu = spent_s / (now - before) / (os.cpu_count() or 1)
        self._cpu_before = (now, used)
        metrics.CPU.set(self.cpu)
        metrics.JOBS.set(self.jobs)
        metrics.ENCODERS.set(self.encoders)

    @property
    def encoders(self) -> int:
        """Rungs being encoded."""
        return sum(job.encoders for job in self._jobs.values())

    @property
    def jobs(self) -> int:
        """Ladder jobs held by lease. One that gave its lease back counts no more, although its codecs may still be
        ending."""
        return sum(job.held for job in self._jobs.values())

    def share(self) -> float:
        """How full this node's processors are of their limit."""
        return self.cpu / self._max_cpu

    async def drain(self) -> None:
        """Hand every job over to other transcoders; returns when nobody takes a rung from here."""
        self._draining = True
        async with asyncio.TaskGroup() as tasks:
            for job in self._jobs.values():
                tasks.create_task(job.hand_over())

    async def close(self) -> None:
        """End every job now."""
        self._draining = True
        for job in self._jobs.values():
            job.stop("drain")
        await self._tasks.settle()

    # ---- inside

    def _too_busy(self) -> str:
        return f"this node's processors are {self.cpu:.0%} busy with ladders" if self.cpu >= self._max_cpu else ""

    def _wish(self, live: LiveStream) -> tuple[TrackRecord | None, LadderWish]:
        wish = LadderWish(codecs=())
        try:
            wish = self._wish_of(live.app, live.stream)
            return source_track(live.record.tracks) if wish else None, wish
        except LadderRefused as refused:
            if (live.key, live.epoch) not in self._refused:
                self._refused.add((live.key, live.epoch))
                metrics.REFUSED.labels("source").inc()
                log.warning("No ladder for this stream", stream=live.key, reason=str(refused))
            return None, wish

    def _wanted(self, live: LiveStream) -> bool:
        if self._draining or not live.record.media_flowing or self._avoid.get(live.key, 0.0) > self._clock():
            return False
        if any(job.owner != self._node and live.since_epoch <= job.epoch <= live.epoch for job in live.renditions):
            return False
        return self._wish(live)[0] is not None

    async def _attend(self, key: str) -> None:
        again_s = 0.0
        try:
            await asyncio.sleep(random.uniform(0, CLAIM_SPREAD_S) + CLAIM_BUSY_S * min(1.0, self.share()))
            live = self._watch.directory.by_key(key)
            if live is None or not self._wanted(live):
                return
            source, wish = self._wish(live)
            if source is not None and not await self._work(live, source, wish):
                again_s = CLAIM_AGAIN_S
        finally:
            self._busy_keys.discard(key)
        asyncio.get_running_loop().call_later(again_s, self.look, key)

    async def _work(self, live: LiveStream, source: TrackRecord, wish: LadderWish) -> bool:
        """Whether it won the job and did it to its end."""
        key, worker = live.key, self._load.least_loaded()
        job = self._make_job(live, source, wish, worker)
        self._jobs[key] = self._by_feed[job.feed_source] = job
        self._load.joined(worker)
        try:
            won = await job.run()
        except RillcastError:
            metrics.CLAIMS.labels("unavailable").inc()
            return False
        except Exception:
            self._avoid[key] = self._clock() + AVOID_S
            metrics.JOBS_ENDED.labels("failed").inc()
            raise
        finally:
            del self._jobs[key], self._by_feed[job.feed_source]
            self._load.left(worker)
        metrics.CLAIMS.labels("won" if won else "lost").inc()
        if not won:
            return False
        metrics.JOBS_ENDED.labels(job.end_reason or "lease").inc()
        if job.end_reason == "overload":
            self._avoid[key] = self._clock() + AVOID_S
        return True
