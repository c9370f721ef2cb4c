"""Brings one keyframe of a stream to this node: from a job that has the stream here, or by a relay for this alone."""

from __future__ import annotations

import asyncio

from rillcast.cluster.stream_directory import TrackSupply
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.ids import LADDER
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import SourceId
from rillcast.node.load import MediaLoad
from services.transcoder.domain.depacketizer import Depacketizer
from services.transcoder.ports import Clock
from services.transcoder.usecases.media_job import MediaJob
from services.transcoder.usecases.running_jobs import RunningJobs
from services.transcoder.usecases.source_feed import SourceFeeds

LOOK_S = 0.2
"""How often it is looked whether the origin is to be asked again, and for a keyframe."""
ASK_S = 1.0
"""After so long without a keyframe, one is asked for."""


class _Taker:
    """Takes packets of one source until a keyframe is whole."""

    def __init__(self, codec: str, clock: Clock) -> None:
        self._codec = codec
        self._clock = clock
        self._depacketizer = Depacketizer(codec)
        self.keyframe: bytes | None = None
        self.came = asyncio.Event()
        """Set when the keyframe is there, or when the source has begun to come in."""

    def on_packet(self, data: bytes) -> None:
        if self.keyframe is not None:
            return
        for frame in self._depacketizer.add(data, self._clock()):
            if frame.keyframe:
                self.keyframe = frame.data
                self.came.set()
                return

    def begins(self) -> None:
        """Packets come from another parent now, with sequence numbers of their own."""
        self._depacketizer = Depacketizer(self._codec)
        self.came.set()


class KeyframeFeeds:
    """One per node. Everything on the event loop."""

    def __init__(
        self, *, watch: StreamWatch, running: RunningJobs, feeds: SourceFeeds, load: MediaLoad, clock: Clock
    ) -> None:
        self._watch = watch
        self._running = running
        self._feeds = feeds
        self._load = load
        self._clock = clock
        self._takers: dict[SourceId, _Taker] = {}

    def on_packet(self, source: SourceId, data: bytes) -> None:
        """A packet of a tapped source, which may be anybody's."""
        taker = self._takers.get(source)
        if taker is not None:
            taker.on_packet(data)

    async def keyframe(self, key: str, track: TrackRecord) -> bytes | None:
        """The next keyframe, as the decoder takes it: the newest one that the origin has kept, or one that it asks the
        publisher for. None when the stream is over. Waits for as long as it takes; whoever calls has a deadline."""
        taker = _Taker(track.codec, self._clock)
        job = self._job(key, track)
        return await (self._by_relay(key, track, taker) if job is None else self._from_job(key, job, taker))

    def _job(self, key: str, track: TrackRecord) -> MediaJob | None:
        job = self._running.get((key, LADDER))
        return job if job is not None and job.takes(track.track) else None

    async def _from_job(self, key: str, job: MediaJob, taker: _Taker) -> bytes | None:
        leave = job.listen(taker.on_packet)
        asked_at = self._clock()
        try:
            while taker.keyframe is None and job.held and self._watch.directory.by_key(key) is not None:
                await _soon(taker)
                if self._clock() - asked_at >= ASK_S:
                    asked_at = self._clock()
                    job.want_keyframe()
        finally:
            leave()
        return taker.keyframe

    async def _by_relay(self, key: str, track: TrackRecord, taker: _Taker) -> bytes | None:
        worker = self._load.least_loaded()
        feed = self._feeds.new(worker)
        self._load.joined(worker)
        self._takers[feed.source] = taker
        try:
            while taker.keyframe is None:
                live = self._watch.directory.by_key(key)
                if live is None:
                    return None
                if (job := self._job(key, track)) is not None:  # its relay takes the place of this one
                    return await self._from_job(key, job, taker)
                feed.bring(live, TrackSupply(track, live.record.owner, live.record.claim), taker.begins)
                feed.tap(True)
                await _soon(taker)
        finally:
            del self._takers[feed.source]
            self._load.left(worker)
            feed.close()
        return taker.keyframe


async def _soon(taker: _Taker) -> None:
    try:
        async with asyncio.timeout(LOOK_S):
            await taker.came.wait()
    except TimeoutError:
        return
    taker.came.clear()
