"""What is live, as far as this node knows: the buckets of streams and renditions, seen through their change feed.

It decides without I/O: entries and the time go in, and the names of changed streams come out. `stream_watch` feeds it.

Of one key, what was written under a higher epoch is newer; of one epoch, what has a higher revision. A store that
returned to an earlier state shows older records and gives out revisions again, and for one lease nobody follows it
back. An owner whose record went back claims its key anew, with a higher epoch (`lease`).

The store expires keys silently, so the directory does it too: a key that its owner has not rewritten for one lease is
gone. This says something only while we hear the store, and while the store hears the owner. So nothing expires while
the bus is down or stalled, while no server of the store feeds us, nor within one lease after that, nor while the owner
lives and either says that the store takes no writes of it or is cut off from us: a part of a store that is cut in two
goes on feeding whoever is in it, and tells nothing of what is written elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.epochs import Epoch, epoch_of
from rillcast.contracts.ids import AppName, ClaimId, NodeId, StreamId, TrackId, stream_key
from rillcast.contracts.records import RenditionRecord, StreamRecord, TrackRecord
from rillcast.contracts.subjects import STREAM_LEASE_S
from rillcast.runtime.ports import Entry

MAX_ENTRIES = 200_000
"""The most entries of one bucket. A store that has more is broken or hostile; the rest is ignored and counted."""


LOST_S = 10.0
"""For so long after a stream's record has expired its publisher is waited for: an owner that ends a stream deletes the
record, so that one which expires has lost its owner. A client that publishes finds another origin in that time."""
MOST_LOST = 10_000
"""Streams without an owner that are remembered; beyond, the oldest are forgotten."""


class TrackSupply(msgspec.Struct, frozen=True):
    """A track and the node that serves it to children: the origin, or a transcoder for a rendition."""

    track: TrackRecord
    node: NodeId
    claim: ClaimId
    """The claim that `RelayOpen.claim` must name: of the stream, or of the job. Relays that this node granted under it
    are still valid."""


class LiveStream(msgspec.Struct, frozen=True):
    """One live stream as read from the store."""

    key: str
    record: StreamRecord
    epoch: Epoch
    renditions: tuple[RenditionRecord, ...]
    supplied: tuple[TrackSupply, ...]
    """What `supplies` answers. It is worked out once for each change."""

    @property
    def app(self) -> AppName:
        return self.record.app

    @property
    def stream(self) -> StreamId:
        return self.record.stream

    def supplies(self) -> tuple[TrackSupply, ...]:
        """All tracks: those of the publisher first, then the renditions of this claim. Of two with one track id, the
        first counts."""
        return self.supplied

    def supply(self, track: TrackId) -> TrackSupply | None:
        """The node that serves this track; None when there is none."""
        return next((supply for supply in self.supplied if supply.track.track == track), None)


def _live_stream(key: str, record: StreamRecord, revision: int, jobs: tuple[RenditionRecord, ...]) -> LiveStream:
    found: dict[TrackId, TrackSupply] = {}
    for track in record.tracks:
        found.setdefault(track.track, TrackSupply(track, record.owner, record.claim))
    for job in jobs:
        if job.stream_claim == record.claim:
            for track in job.tracks:
                found.setdefault(track.track, TrackSupply(track, job.owner, job.claim))
    return LiveStream(key, record, epoch_of(record, revision), jobs, tuple(found.values()))


Record = TypeVar("Record", StreamRecord, RenditionRecord)


def _lasting(record: Record) -> Record:
    """The record without its measurements: of a bit rate only whether there is any. It changes with every write, and
    whoever chooses by it looks anyway; what changes seldom is told."""
    tracks = tuple(msgspec.structs.replace(t, bitrate_bps=min(t.bitrate_bps, 1)) for t in record.tracks)
    return msgspec.structs.replace(record, tracks=tracks)


class _Seen(msgspec.Struct):
    epoch: Epoch
    revision: int
    written_at: float


class _SeenStream(_Seen):
    record: StreamRecord


class _SeenRendition(_Seen):
    record: RenditionRecord
    stream_key: str


def _written_at(entry: Entry, epoch: Epoch, known: _Seen | None, now: float) -> float:
    """When the entry was written, as far as this node knows. The same write shown again is no sign of life."""
    again = known is not None and (known.epoch, known.revision) == (epoch, entry.revision)
    return known.written_at if known is not None and again else now


class StreamDirectory:
    """The local view. Every mutating call returns the keys of streams whose `get` may answer differently now, apart
    from the magnitude of bit rates."""

    def __init__(self, lease_s: float = STREAM_LEASE_S) -> None:
        self._lease_s = lease_s
        self._streams: dict[str, _SeenStream] = {}
        self._renditions: dict[str, _SeenRendition] = {}
        self._by_stream: dict[str, set[str]] = {}
        self._live: dict[str, LiveStream] = {}
        self._lost_at: dict[str, float] = {}
        self._heard_in = 0
        self._heard_since = 0.0
        self.undecodable = 0
        """How many entries were ignored because they were no valid record, or were too many."""

    def get(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream with this id; None when it is not live."""
        return self.by_key(stream_key(app, stream))

    def by_key(self, key: str) -> LiveStream | None:
        """The stream with this `stream_key`; None when it is not live."""
        seen = self._streams.get(key)
        if seen is None:
            return None
        live = self._live.get(key)
        if live is None:
            jobs = tuple(self._renditions[name].record for name in sorted(self._by_stream.get(key, ())))
            live = self._live[key] = _live_stream(key, seen.record, seen.revision, jobs)
        return live

    def all(self) -> Iterator[LiveStream]:
        """Every live stream."""
        for key in tuple(self._streams):
            live = self.by_key(key)
            if live is not None:
                yield live

    def has_lost_owner(self, key: str, now: float) -> bool:
        """Whether the stream with this `stream_key` is not live since its owner fell silent a moment ago, or before the
        store did: its publisher is likely to return. False when it was ended."""
        lost_at = self._lost_at.get(key)
        return lost_at is not None and now - lost_at < LOST_S

    def apply_stream(self, entry: Entry, now: float) -> frozenset[str]:
        """Take in a change of the bucket of streams."""
        known = self._streams.get(entry.key)
        self._lost_at.pop(entry.key, None)
        if entry.value is None:
            return frozenset() if self._is_late(entry, None, known, now) else self._forget_stream(entry.key)
        try:
            record = decode_json(entry.value, StreamRecord)
        except Undecodable:
            self.undecodable += 1
            return frozenset()
        if stream_key(record.app, record.stream) != entry.key or (known is None and len(self._streams) >= MAX_ENTRIES):
            self.undecodable += 1
            return frozenset()
        epoch = epoch_of(record, entry.revision)
        if self._is_late(entry, epoch, known, now):
            return frozenset()
        written_at = _written_at(entry, epoch, known, now)
        self._streams[entry.key] = _SeenStream(epoch, entry.revision, written_at, record)
        self._live.pop(entry.key, None)
        same = known is not None and _lasting(known.record) == _lasting(record)
        return frozenset() if same else frozenset((entry.key,))

    def apply_rendition(self, entry: Entry, now: float) -> frozenset[str]:
        """Take in a change of the bucket of renditions."""
        known = self._renditions.get(entry.key)
        if entry.value is None:
            return frozenset() if self._is_late(entry, None, known, now) else self._forget_rendition(entry.key)
        try:
            record = decode_json(entry.value, RenditionRecord)
        except Undecodable:
            self.undecodable += 1
            return frozenset()
        key, slash, name = entry.key.rpartition("/")
        belongs = slash and name and stream_key(record.app, record.stream) == key
        if not belongs or (known is None and len(self._renditions) >= MAX_ENTRIES):
            self.undecodable += 1
            return frozenset()
        epoch = epoch_of(record, entry.revision)
        if self._is_late(entry, epoch, known, now):
            return frozenset()
        written_at = _written_at(entry, epoch, known, now)
        self._renditions[entry.key] = _SeenRendition(epoch, entry.revision, written_at, record, key)
        self._by_stream.setdefault(key, set()).add(entry.key)
        self._live.pop(key, None)
        same = known is not None and _lasting(known.record) == _lasting(record)
        return frozenset() if same else frozenset((key,))

    def expire(
        self,
        now: float,
        *,
        hearing: int,
        certain: bool = True,
        kept_from_writing: Callable[[NodeId], bool] = lambda _: False,
        flows: Callable[[str], bool] = lambda _: False,
    ) -> frozenset[str]:
        """Drop what was not rewritten in time. It is to be called a few times in each lease. `hearing`: see
        `Bus.hearing`. `certain`: whether the store has a leader; without one nobody knows what became of a stream whose
        owner was lost. `kept_from_writing`: whether a node lives and can't write, so that its records stay, and half a
        lease longer: by then it has written again, or it does not want to. `flows`: whether media of the stream with
        this key arrives here, which says the same of whoever owns it."""
        if hearing != self._heard_in:
            self._heard_in = hearing
            self._heard_since = now
        if not (hearing and certain):
            self._lost_at = dict.fromkeys(self._lost_at, now)
        if not hearing or now - self._heard_since < self._lease_s:
            return frozenset()
        stale = now - self._lease_s
        gone: set[str] = set()
        self._lost_at = {key: at for key, at in self._lost_at.items() if now - at < LOST_S}
        for key, seen in [(key, seen) for key, seen in self._streams.items() if seen.written_at <= stale]:
            if kept_from_writing(seen.record.owner) or flows(key):
                seen.written_at = now - self._lease_s / 2
            else:
                gone |= self._forget_stream(key)
                self._lose(key, now)
        for key, job in [(key, job) for key, job in self._renditions.items() if job.written_at <= stale]:
            if kept_from_writing(job.record.owner) or flows(job.stream_key):
                job.written_at = now - self._lease_s / 2
            else:
                gone |= self._forget_rendition(key)
        return frozenset(gone)

    def _is_late(self, entry: Entry, epoch: Epoch | None, known: _Seen | None, now: float) -> bool:
        """Whether the entry is older than what we have. `epoch`: of its record; None for a deletion, which belongs to
        whatever was there. No message is late by a whole lease, and no owner is silent for so long: what is lower after
        that comes from a store that lost its state, and whoever was higher is gone."""
        if known is None or now - known.written_at >= self._lease_s:
            return False
        return (known.epoch if epoch is None else epoch, entry.revision) < (known.epoch, known.revision)

    def _forget_stream(self, key: str) -> frozenset[str]:
        self._live.pop(key, None)
        return frozenset() if self._streams.pop(key, None) is None else frozenset((key,))

    def _lose(self, key: str, now: float) -> None:
        while self._lost_at and len(self._lost_at) >= MOST_LOST:
            del self._lost_at[next(iter(self._lost_at))]
        self._lost_at[key] = now

    def _forget_rendition(self, key: str) -> frozenset[str]:
        job = self._renditions.pop(key, None)
        if job is None:
            return frozenset()
        names = self._by_stream[job.stream_key]
        names.discard(key)
        if not names:
            del self._by_stream[job.stream_key]
        self._live.pop(job.stream_key, None)
        return frozenset((job.stream_key,))
