"""The rungs of one job that somebody watches, with their push sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.plane import PlaneBusy
from rillcast.media.protocol import AddPushSource, ClockSeen, RemoveSource, SetClock, SourceId
from services.transcoder import metrics
from services.transcoder.domain.ladder import Rung
from services.transcoder.ports import Plane
from services.transcoder.usecases.attempt import attempted
from services.transcoder.usecases.work import Host


class _Watched(msgspec.Struct):
    rung: Rung
    source: SourceId
    idle_since: float | None = None


class WatchedRungs:
    """The watched rungs of one job. A rung begins with its first relay and ends `linger_s` after its last one."""

    def __init__(
        self,
        host: Host,
        *,
        worker: int,
        plane: Plane,
        sources: Iterator[SourceId],
        linger_s: float,
    ) -> None:
        """`sources` gives ids for the plane. `linger_s`: how many seconds a rung goes on without a watcher."""
        self._host = host
        self._worker = worker
        self._plane = plane
        self._sources = sources
        self._linger_s = linger_s
        self._watched: dict[TrackId, _Watched] = {}
        self._clock: ClockSeen | None = None
        self._all = False

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """Those that are encoded now, highest first."""
        return tuple(sorted((watched.rung for watched in self._watched.values()), key=lambda rung: -rung.height))

    def __contains__(self, track: TrackId) -> bool:
        return track in self._watched

    def source_of(self, rung: Rung, record: TrackRecord) -> SourceId:
        """The source of a rung that a node is about to take. The rung begins if nobody has watched it."""
        watched = self._watched.get(rung.track)
        if watched is None:
            return self._begin(rung, record)
        watched.idle_since = None
        return watched.source

    def push(self, track: TrackId, packets: Sequence[bytes]) -> None:
        """Hand over the packets that an encoder made. Those of a rung that has ended are dropped."""
        watched = self._watched.get(track)
        if watched is not None:
            try:
                self._plane.push_rtp(watched.source, packets)
            except PlaneBusy:  # as if lost on the way: viewers ask for a keyframe
                metrics.ERRORS.labels("plane_busy").inc()

    def track_of(self, source: SourceId) -> TrackId | None:
        """The rung whose push source this is; None if it is the source of something else."""
        return next((track for track, watched in self._watched.items() if watched.source == source), None)

    def clock(self, seen: ClockSeen) -> None:
        """A sender report of the source. It holds for every rung, because rungs keep the timestamps of the source."""
        self._clock = seen
        for watched in self._watched.values():
            attempted(self._plane, SetClock(source=watched.source, ntp=seen.ntp, rtp_ts=seen.rtp_ts))

    def expire(self, now: float) -> None:
        """End rungs that nobody has watched for long enough. Call about once a second."""
        taken = self._host.taken()
        for track, watched in tuple(self._watched.items()):
            if track in taken or self._all:
                watched.idle_since = None
            elif watched.idle_since is None:
                watched.idle_since = now
            if watched.idle_since is not None and now - watched.idle_since >= self._linger_s:
                self.end(track)

    def update(self, rungs: Sequence[Rung], *, begin_all: Callable[[Rung], TrackRecord] | None = None) -> None:
        """Follow the plan: end rungs that are no longer in it; with `begin_all`, which says how a rung is known, begin
        those that nobody watches too."""
        planned = {rung.track: rung for rung in rungs}
        self._all = begin_all is not None
        for track, watched in tuple(self._watched.items()):
            if track in planned:
                watched.rung = planned[track]
            else:
                self.end(track)
        if begin_all is not None:
            with suppress(PlaneBusy):  # the next call begins the rest
                for rung in rungs:
                    if rung.track not in self._watched:
                        self._begin(rung, begin_all(rung))

    def end(self, track: TrackId) -> None:
        """End a rung and its relays."""
        watched = self._watched.pop(track, None)
        if watched is None:
            return
        self._host.end_relays(track)
        self._plane.execute(RemoveSource(source=watched.source))

    def close(self) -> None:
        """End all rungs, with their relays and sources."""
        for track in tuple(self._watched):
            self.end(track)

    def _begin(self, rung: Rung, record: TrackRecord) -> SourceId:
        """Raises PlaneBusy; then nothing has begun."""
        source = next(self._sources)
        self._plane.execute(
            AddPushSource(
                source=source,
                worker=self._worker,
                kind=MediaKind.VIDEO,
                codec=record.codec,
                clock_rate=record.clock_rate,
            )
        )
        self._watched[rung.track] = _Watched(rung, source)
        if self._clock is not None:
            attempted(self._plane, SetClock(source=source, ntp=self._clock.ntp, rtp_ts=self._clock.rtp_ts))
        return source
