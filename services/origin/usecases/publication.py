"""One living stream at its origin: the publisher's session, its tracks, and what follows from the passing of time."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

import msgspec

from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.contracts.ids import NodeId, SessionId, TrackId
from rillcast.contracts.messages import PublishRequest, SessionAnswer
from rillcast.contracts.records import StreamRecord, TrackRecord
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import RecvTrack, SourceStats
from rillcast.media.sdp import PublishNegotiation
from services.origin.domain.takeover import Living

_SESSIONS_REMEMBERED = 8
_STOPPED_MS = 2_000
_BITRATE_WEIGHT = 0.25
"""Of the newest second's figure."""


class Due(Enum):
    """What the passing of time brings."""

    NOTHING = auto()
    START_TIMEOUT = auto()
    """No media in the time the publisher had for it."""
    GRACE_OVER = auto()
    """The publisher did not return."""


class Publication:
    """Mutable; lives from the claim of the stream to its end here."""

    def __init__(self, key: str, node: NodeId, worker: int, wall_ms: int) -> None:
        self.key = key
        self.node = node
        self.worker = worker
        self.started_at_ms = wall_ms
        self.request: PublishRequest
        self.answer: SessionAnswer
        self.keeper: LeaseKeeper
        self.plane_session: int | None = None
        """None once the publisher's session is gone; its sources may live on."""
        self.tracks: dict[TrackId, TrackRecord] = {}
        self.sources: dict[TrackId, int] = {}
        self.restored = False
        self.media_flowing = False
        self.grace_until: float | None = None
        self.grace_reason: EndReason | None = None
        self._media_at: float | None = None
        self._opened_at = 0.0
        self._heard_at = 0.0
        self._repair: dict[TrackId, tuple[int, int]] = {}
        self._own_sessions: deque[SessionId] = deque(maxlen=_SESSIONS_REMEMBERED)

    def begin_session(
        self, request: PublishRequest, answer: SessionAnswer, plane_session: int, *, restored: bool, now: float
    ) -> None:
        """A publisher session starts, the first or one that takes over."""
        self.request, self.answer, self.plane_session, self.restored = request, answer, plane_session, restored
        self.grace_until, self.grace_reason = None, None
        self._media_at, self._opened_at, self._heard_at = None, now, now

    def inherit(self, record: StreamRecord) -> None:
        """The stream lived at another origin, or at this node's previous process, and goes on here."""
        self.media_flowing = record.media_flowing
        self.started_at_ms = record.started_at_ms

    def expect(self, session: SessionId) -> None:
        """Records written for this session from now on are ours."""
        self._own_sessions.append(session)

    def media_began(self, now: float) -> float:
        """First packet of the session; how long it took in seconds."""
        self._media_at = self._heard_at = now
        self.media_flowing = True
        return now - self._opened_at

    def begin_grace(self, seconds: float, reason: EndReason, now: float) -> None:
        """The publisher is gone; keep the stream for its return. A grace time that runs already is not prolonged."""
        until = now + seconds
        self.grace_until = until if self.grace_until is None else min(until, self.grace_until)
        self.grace_reason = self.grace_reason or reason

    def due(self, now: float) -> Due:
        """What time it is. Call several times a second."""
        if self.grace_until is not None:
            return Due.GRACE_OVER if now >= self.grace_until else Due.NOTHING
        if self._media_at is None and now - self._opened_at >= self.request.start_timeout_ms / 1000:
            return Due.START_TIMEOUT
        return Due.NOTHING

    def living(self, now: float) -> Living:
        """How the publisher looks to somebody who wants the stream."""
        return Living(
            credential_digest=self.request.credential_digest,
            has_credentials=self.request.has_credentials,
            in_grace=self.grace_until is not None,
            last_heard_s=now - self._heard_at,
        )

    def heard(self, track: TrackId, stats: SourceStats, now: float) -> tuple[int, int]:
        """The plane's figures of a source, once a second. Packets lost and recovered since the last ones."""
        if stats.packets:
            self._heard_at = max(self._heard_at, now - stats.silent_ms / 1000)
        known = self.tracks[track]
        self.tracks[track] = msgspec.structs.replace(
            known,
            width=stats.width or known.width,
            height=stats.height or known.height,
            bitrate_bps=_smoothed(known.bitrate_bps, stats),
        )
        lost, recovered = self._repair.get(track, (0, 0))
        self._repair[track] = (stats.lost, stats.recovered)
        return max(0, stats.lost - lost), max(0, stats.recovered - recovered)

    def record(self, epoch: int, since_epoch: int) -> StreamRecord:
        """What the store shall say."""
        return StreamRecord(
            app=self.request.app,
            stream=self.request.stream,
            owner=self.node,
            publisher_session=self.request.session,
            tracks=tuple(self.tracks.values()),
            media_flowing=self.media_flowing,
            started_at_ms=self.started_at_ms,
            name=self.request.name,
            meta_data=self.request.meta_data,
            credential_digest=self.request.credential_digest,
            epoch=epoch,
            since_epoch=since_epoch,
        )

    def is_ours(self, record: StreamRecord) -> bool:
        """Whether a record found in the store was written for this publication."""
        return record.owner == self.node and record.publisher_session in self._own_sessions


def _smoothed(before_bps: int, stats: SourceStats) -> int:
    """An average over some seconds, so that keyframes don't show. 0 for a track that stopped: publishers stop sending
    layers their uplink can't carry, and viewers must not be led there."""
    if stats.silent_ms > _STOPPED_MS or not stats.packets:
        return 0
    if not before_bps:
        return stats.bitrate_bps
    return round(before_bps + (stats.bitrate_bps - before_bps) * _BITRATE_WEIGHT)


def same_layout(living: dict[TrackId, TrackRecord], offered: tuple[TrackRecord, ...]) -> bool:
    """Whether a returning publisher's tracks can feed the living sources: the same tracks in the same codecs. Format
    parameters may differ; a change of profile within a stream is the decoders' daily bread."""

    def shape(track: TrackRecord) -> tuple[str, str, str, int, int]:
        return (track.kind, track.codec, track.rid, track.clock_rate, track.channels)

    return {t: shape(r) for t, r in living.items()} == {r.track: shape(r) for r in offered}


def onto_sources(negotiation: PublishNegotiation, sources: dict[TrackId, int]) -> tuple[RecvTrack, ...]:
    """The negotiated tracks, feeding these sources instead of newly allocated ones."""
    living = {fresh: sources[track] for track, fresh in negotiation.sources.items()}
    return tuple(
        msgspec.structs.replace(
            track,
            encodings=tuple(msgspec.structs.replace(e, source=living[e.source]) for e in track.encodings),
        )
        for track in negotiation.recv
    )
