"""All jobs of one transcoder, found by whatever names them, and what they cost together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import JobKind, split_stream_key, stream_key
from rillcast.contracts.messages import Condition, NodeLoad, RelayLink, RelayOpen, StreamTrouble
from rillcast.contracts.messages.nodes import MOST_LINKS, MOST_TROUBLES
from rillcast.media.protocol import ClockSeen, Event, KeyframeWanted, RelayParentLost, SourceId, SourceStats
from rillcast.node.load import MediaLoad
from rillcast.relay.parent import RelayOffer
from services.transcoder import metrics
from services.transcoder.ports import Clock
from services.transcoder.usecases.media_job import MediaJob

JobId = tuple[str, JobKind]
"""The key of the stream, and the kind of work."""


class RunningJobs:
    """Found by stream and kind, by the source that comes in, by a track that another node asks for."""

    def __init__(self, *, load: MediaLoad, clock: Clock, max_cpu: float) -> None:
        """`max_cpu`: the share of all processors that the jobs may take, 0 to 1."""
        self._load = load
        self._clock = clock
        self._max_cpu = max_cpu
        self._jobs: dict[JobId, MediaJob] = {}
        self._by_feed: dict[SourceId, MediaJob] = {}
        self._cpu_before = (clock(), {SourceId(0): 0.0})
        self.cpu = 0.0
        """The share of all processors that jobs took in the last second, 0 to 1."""

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[MediaJob]:
        return iter(tuple(self._jobs.values()))

    def get(self, job_id: JobId) -> MediaJob | None:
        """The job of this kind for this stream; None when this node has none."""
        return self._jobs.get(job_id)

    def add(self, job: MediaJob) -> None:
        """The job begins: it is about to be claimed."""
        self._jobs[job.job_id] = self._by_feed[job.feed_source] = job
        self._load.joined(job.worker)

    def remove(self, job: MediaJob) -> None:
        """The job has ended, or was never won."""
        del self._jobs[job.job_id], self._by_feed[job.feed_source]
        self._load.left(job.worker)

    # ---- requests

    def relay_offer(self, request: RelayOpen) -> RelayOffer:
        """What another node may have of the track that it asks for. Raises NO_STREAM_EXIST, and HIGH_RESOURCE_USAGE
        while this node begins nothing new."""
        key = stream_key(request.app, request.stream)
        for (stream, _), job in self._jobs.items():
            offer = job.offer(request.track, self._too_busy()) if stream == key else None
            if offer is not None:
                return offer
        raise RillcastError(ErrorCode.NO_STREAM_EXIST, "this node doesn't make that rendition")

    # ---- the plane

    def on_packet(self, source: SourceId, data: bytes) -> None:
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

    # ---- what they cost

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

    def report(self) -> NodeLoad:
        """The figures for the heartbeat. Call about once a second: the processor time is that since the last call."""
        self.measure(self._clock())
        load = self._load.report(self.held)
        cpu = max(load.cpu, self.share())
        return msgspec.structs.replace(load, cpu=cpu, sessions=0, encoders=self.encoders)

    def condition(self) -> Condition:
        """By whom the jobs are fed, and which are too slow."""
        parents = Counter(job.parent for job in self._jobs.values() if job.parent is not None)
        troubles: list[StreamTrouble] = []
        for (key, _), job in self._jobs.items():
            if job.slow and len(troubles) < MOST_TROUBLES:
                app, stream = split_stream_key(key)
                troubles.append(StreamTrouble(app=app, stream=stream, trouble=Trouble.ENCODER_SLOW))
        links = (RelayLink(parent=node, tracks=n, streams=n) for node, n in parents.most_common(MOST_LINKS))
        return Condition(links=tuple(links), troubles=tuple(troubles))

    def measure(self, now: float) -> None:
        """Take the jobs' processor time of the time since the last call."""
        before, seen = self._cpu_before
        used = {job.feed_source: job.cpu_s for job in self._jobs.values()}
        spent_s = sum(max(0.0, total - seen.get(feed, 0.0)) for feed, total in used.items())
        if now > before:
            self.cpu = spent_s / (now - before) / (os.cpu_count() or 1)
        self._cpu_before = (now, used)
        metrics.CPU.set(self.cpu)
        metrics.JOBS.set(self.held)
        metrics.ENCODERS.set(self.encoders)

    def _too_busy(self) -> str:
        return f"this node's processors are {self.cpu:.0%} busy with media jobs" if self.cpu >= self._max_cpu else ""
