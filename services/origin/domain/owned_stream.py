"""One stream at its origin: who publishes it, its tracks and sources, and what follows from the passing of time.
Whatever protocol the media comes in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum, auto

import msgspec

from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.ingest_figures import IngestFigures
from rillcast.contracts.records import StreamRecord, TrackRecord
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import SourceId, SourceStats
from services.origin.domain.backup_cover import BackupCover
from services.origin.domain.incoming_loss import IncomingLoss
from services.origin.domain.publish_state import PublishEvent, PublishState, after
from services.origin.domain.publisher_media import PublisherMedia
from services.origin.domain.takeover import SILENT_S, Living, Marks, settled_at

_STOPPED_MS = 2_000
"""A track that was silent for so long is taken for stopped."""
_BITRATE_WEIGHT = 0.25
"""Of the newest second's figure in the average."""


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """Who publishes a stream, in one session."""

    app: AppName
    stream: StreamId
    session: SessionId
    marks: Marks
    start_timeout_s: float
    """From the beginning to the first media, and how long the stream waits for a session that was lost."""
    name: str = ""
    meta_data: str = ""
    subscriber_id: str = ""
    client: str = ""
    """Whose share of the places it takes while it connects; empty = nobody's."""
    movable: bool = False
    """As `PublishRequest.movable`."""
    ownerless_claim: str = ""
    """As `PublishRequest.ownerless_claim`."""
    publish_type: str = "WebRTC"
    """As `StreamRecord.publish_type`."""

    @property
    def key(self) -> str:
        """The key under which the store has the stream (`ids.stream_key`)."""
        return stream_key(self.app, self.stream)


class Due(Enum):
    """What has become due in the passing of time."""

    NOTHING = auto()
    GRACE_OVER = auto()
    """The publisher did not return."""


class StreamEnd(StrEnum):
    """How a stream ended at this origin: the labels of ``rillcast_origin_ended``."""

    STOPPED = "stopped"
    NOT_RETURNED = "not_returned"
    """Its publisher was gone for longer than the grace time."""
    HANDED_OVER = "handed_over"
    """Another origin has it."""
    STOOD_DOWN = "stood_down"
    """Another node has a higher epoch."""
    DRAINED = "drained"


class Grace(msgspec.Struct, frozen=True):
    """The time a stream waits for its publisher's return."""

    until: float
    reason: EndReason
    """Why the publisher is gone."""
    since: float
    """When it was gone."""


class OwnedStream:
    """Mutable; lives from the claim of the stream to its end here. Its publisher has sent media. `now` is always
    monotonic seconds."""

    def __init__(self, publisher: Publisher, tracks: Sequence[TrackRecord], *, node: NodeId, wall_ms: int) -> None:
        self.publisher = publisher
        self.node = node
        self.worker = 0
        """Of the plane: it has all of the stream's sources."""
        self.started_at_ms = wall_ms
        self.state = PublishState.FLOWING
        self.tracks: dict[TrackId, TrackRecord] = {track.track: track for track in tracks}
        self.sources: dict[TrackId, SourceId] = {}
        self.restored = False
        """Whether the stream lived before the present session: here, elsewhere, or in this node's previous process."""
        self.silent = False
        """Whether viewers get nothing new, as far as was noticed."""
        self.grace: Grace | None = None
        self.media = PublisherMedia(0.0)
        self.media.lay_out(tracks)
        self.cover = BackupCover()
        self.loss = IncomingLoss()
        self._settled_at = -math.inf
        self._repair: dict[TrackId, tuple[int, int]] = {}
        self._figures = IngestFigures()
        """Of former sessions, and the packets of the present one."""
        self._received_bytes = 0
        """In the present session."""
        self._counted: dict[SourceId, tuple[int, int]] = {}
        """Packets that have come and that were lost, as the plane told them last."""

    @property
    def key(self) -> str:
        """The key under which the store has the stream (`ids.stream_key`)."""
        return self.publisher.key

    # ---- what happens

    def inherit(self, record: StreamRecord) -> None:
        """The stream lived at another origin, or in this node's previous process, and goes on here."""
        self.restored = True
        self.started_at_ms = record.started_at_ms
        self._figures = record.figures

    def begin(self, publisher: Publisher, now: float) -> None:
        """The first session here has the stream. Its media has arrived."""
        self.publisher = publisher
        self._figures, self._received_bytes = self.figures, 0
        self.media.began(now)
        if self.restored:
            self._settled_at = settled_at(self._settled_at, now)

    def succeed(self, publisher: Publisher, now: float) -> None:
        """Another session takes over. Its media has arrived."""
        self._advance(PublishEvent.NEWCOMER)
        self.restored, self.grace = True, None
        self.begin(publisher, now)

    def lay_out(self, tracks: Sequence[TrackRecord], sources: Mapping[TrackId, SourceId], worker: int) -> None:
        """The stream has these tracks and sources from now on, instead of those before, on this worker of the
        plane."""
        self.tracks = {track.track: track for track in tracks}
        self.sources = dict(sources)
        self.worker = worker
        self.media.lay_out(tracks)
        self._counted = {source: self._counted[source] for source in sources.values() if source in self._counted}
        self._repair.clear()

    def renegotiated(self, tracks: Sequence[TrackRecord]) -> None:
        """The same tracks come with other format parameters, perhaps."""
        fresh = {track.track: track.fmtp for track in tracks}
        self.tracks = {name: msgspec.structs.replace(t, fmtp=fresh[name]) for name, t in self.tracks.items()}

    def describe(self, name: str, meta_data: str) -> None:
        """The publisher says this of its stream from now on."""
        self.publisher = msgspec.structs.replace(self.publisher, name=name, meta_data=meta_data)

    def gone(self, seconds: float, reason: EndReason, now: float) -> None:
        """The publisher is gone; keep the stream so long for its return. A grace time that runs already is not
        prolonged, and keeps its reason."""
        self._advance(PublishEvent.GONE)
        fresh = Grace(now + seconds, reason, now)
        before = self.grace or fresh
        self.grace = Grace(min(before.until, fresh.until), before.reason, before.since)

    def uncovered(self, now: float) -> None:
        """Viewers are no longer shown a backup. If the publisher is gone, the stream waits for it once more."""
        if self.grace is not None:
            again = now + self.publisher.start_timeout_s
            self.grace = msgspec.structs.replace(self.grace, until=max(self.grace.until, again))

    def over(self) -> None:
        """The stream is no longer here. Final."""
        self._advance(PublishEvent.OVER)

    def received(self, session: SessionId, received_bytes: int) -> None:
        """So much has come in a session since it began, which counts if the session has the stream."""
        if session == self.publisher.session:
            self._received_bytes = received_bytes

    def heard(self, track: TrackId, stats: SourceStats, now: float) -> tuple[int, int]:
        """The plane's figures of a source, once a second. Packets lost and recovered since the last ones."""
        self.media.heard(track, stats, now)
        known = self.tracks[track]
        self.tracks[track] = msgspec.structs.replace(
            known,
            width=stats.width or known.width,
            height=stats.height or known.height,
            bitrate_bps=_smoothed(known.bitrate_bps, stats),
        )
        lost, recovered = self._repair.get(track, (0, 0))
        self._repair[track] = (stats.lost, stats.recovered)
        self._count(stats)
        self.loss.counted(self._figures.packets, self._figures.packets_lost, now)
        return max(0, stats.lost - lost), max(0, stats.recovered - recovered)

    def notice_silence(self, now: float) -> bool:
        """Look whether media comes. Whether that is news."""
        before, self.silent = self.silent, now - self.media.heard_at > SILENT_S
        return self.silent is not before

    # ---- what follows

    def due(self, now: float) -> Due:
        """What the passing of time has brought. Call several times a second."""
        grace = self.grace
        over = grace is not None and now >= grace.until and not self.cover.keeps(grace.since, now)
        return Due.GRACE_OVER if over else Due.NOTHING

    def living(self, now: float, *, connected: bool) -> Living:
        """How the publisher looks to somebody who wants the stream. `connected`: whether its session is there."""
        return Living(
            marks=self.publisher.marks,
            last_heard_s=now - self.media.heard_at,
            connected=connected,
            settled_in_s=max(0.0, self._settled_at - now),
        )

    def record(self, epoch: Epoch) -> StreamRecord:
        """The record to write, under this epoch of the lease."""
        shown = self.cover.shown
        return StreamRecord(
            app=self.publisher.app,
            stream=self.publisher.stream,
            owner=self.node,
            publisher_session=self.publisher.session,
            tracks=tuple(self.tracks.values()),
            media_flowing=True,
            silent=self.silent,
            started_at_ms=self.started_at_ms,
            name=self.publisher.name,
            meta_data=self.publisher.meta_data,
            subscriber_id=self.publisher.subscriber_id,
            credential_digest=self.publisher.marks.verified,
            secret_digest=self.publisher.marks.secret,
            movable=self.publisher.movable,
            publish_type=self.publisher.publish_type,
            epoch=epoch.number,
            claim=epoch.claim,
            backup=shown.stream if shown is not None else None,
            backup_longest_s=shown.longest_s if shown is not None else 0,
            figures=self.figures,
        )

    @property
    def figures(self) -> IngestFigures:
        """What has come until now."""
        received_bytes = self._figures.received_bytes + self._received_bytes
        return msgspec.structs.replace(self._figures, received_bytes=received_bytes)

    def _count(self, stats: SourceStats) -> None:
        packets, lost = self._counted.get(stats.source, (0, 0))
        self._counted[stats.source] = (stats.packets, stats.lost)
        self._figures = msgspec.structs.replace(
            self._figures,
            packets=self._figures.packets + max(0, stats.packets - packets),
            packets_lost=self._figures.packets_lost + max(0, stats.lost - lost),
        )

    def _advance(self, event: PublishEvent) -> None:
        self.state = after(self.state, event)


def _smoothed(before_bps: int, stats: SourceStats) -> int:
    """An average over some seconds, so that keyframes don't show. 0 for a track that stopped: publishers stop sending
    layers their uplink can't carry, and viewers must not be led there."""
    if stats.silent_ms > _STOPPED_MS or not stats.packets:
        return 0
    if not before_bps:
        return stats.bitrate_bps
    return round(before_bps + (stats.bitrate_bps - before_bps) * _BITRATE_WEIGHT)
