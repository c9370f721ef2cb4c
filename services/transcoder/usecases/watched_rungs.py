"""The rungs of one job that somebody watches: their push sources, and their relays to other nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.messages import RelayGrant, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import AddPushSource, ClockSeen, RemoveRelay, RemoveSource, SetClock
from rillcast.node.addresses import MediaAddresses
from rillcast.relay.parent import ParentRelays
from services.transcoder import metrics
from services.transcoder.domain.ladder import Rung
from services.transcoder.ports import Plane


class _Watched(msgspec.Struct):
    rung: Rung
    source: int
    idle_since: float | None = None


class WatchedRungs:
    """Of one job. A rung begins with its first relay and ends `linger_s` after its last one."""

    def __init__(
        self,
        *,
        key: str,
        worker: int,
        plane: Plane,
        addresses: MediaAddresses,
        relays: ParentRelays,
        sources: Iterator[int],
        linger_s: float,
    ) -> None:
        """`key` names the job among the node's `relays`; `sources` are ids for the plane."""
        self._key = key
        self._worker = worker
        self._plane = plane
        self._addresses = addresses
        self._relays = relays
        self._sources = sources
        self._linger_s = linger_s
        self._watched: dict[TrackId, _Watched] = {}
        self._clock: ClockSeen | None = None
        self._all = False

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """Highest first."""
        return tuple(sorted((watched.rung for watched in self._watched.values()), key=lambda rung: -rung.height))

    @property
    def relayed(self) -> bool:
        """Whether any node still takes a rung."""
        return bool(self._relays.of(self._key))

    def __contains__(self, track: TrackId) -> bool:
        return track in self._watched

    def open(self, request: RelayOpen, rung: Rung, record: TrackRecord, epoch: int) -> RelayGrant:
        """Give a rung to a child. Raises HIGH_RESOURCE_USAGE at the child limit."""
        watched = self._watched.get(rung.track)
        source = watched.source if watched is not None else next(self._sources)
        relay, before = self._relays.open(
            key=self._key, track=rung.track, source=source, child=request.child, relay=request.relay
        )
        if watched is None:
            self._begin(rung, source, record)
        else:
            watched.idle_since = None
        if before is not None:
            self._plane.execute(RemoveRelay(relay=before.plane_relay))
        self._plane.execute(relay.command())
        metrics.RELAYS.set(len(self._relays))
        return relay.grant(self._addresses.relay(self._worker), epoch, record)

    def push(self, track: TrackId, packets: Sequence[bytes]) -> None:
        """Packets the encoder made."""
        watched = self._watched.get(track)
        if watched is not None:
            self._plane.push_rtp(watched.source, packets)

    def track_of(self, source: int) -> TrackId | None:
        """The rung of a push source."""
        return next((track for track, watched in self._watched.items() if watched.source == source), None)

    def clock(self, seen: ClockSeen) -> None:
        """The source's sender report holds for every rung: they live on the source's timeline."""
        self._clock = seen
        for watched in self._watched.values():
            self._plane.execute(SetClock(source=watched.source, ntp=seen.ntp, rtp_ts=seen.rtp_ts))

    def expire(self, now: float) -> None:
        """End rungs that nobody has watched for long enough. Call about once a second."""
        taken = {relay.track for relay in self._relays.of(self._key)}
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
            for rung in rungs:
                if rung.track not in self._watched:
                    self._begin(rung, next(self._sources), begin_all(rung))

    def end(self, track: TrackId) -> None:
        """Stop a rung, with its relays."""
        watched = self._watched.pop(track, None)
        if watched is None:
            return
        for relay in self._relays.of(self._key):
            if relay.track == track:
                self._relays.forget(relay.plane_relay)
                self._plane.execute(RemoveRelay(relay=relay.plane_relay))
        self._plane.execute(RemoveSource(source=watched.source))
        metrics.RELAYS.set(len(self._relays))

    def close(self) -> None:
        """Stop them all."""
        for track in tuple(self._watched):
            self.end(track)

    def _begin(self, rung: Rung, source: int, record: TrackRecord) -> None:
        self._watched[rung.track] = _Watched(rung, source)
        self._plane.execute(
            AddPushSource(
                source=source, worker=self._worker, kind="video", codec=record.codec, clock_rate=record.clock_rate
            )
        )
        if self._clock is not None:
            self._plane.execute(SetClock(source=source, ntp=self._clock.ntp, rtp_ts=self._clock.rtp_ts))
