"""A second kind of ingest, for tests only: media that Python pushes into the plane, as RTMP or SRT would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from origin_harness import APP, STREAM, RunningOrigin, until

from rillcast.contracts.ids import SessionId, TrackId, new_session_id
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import SourceId
from services.origin.domain.owned_stream import Publisher
from services.origin.domain.takeover import Marks

VP8 = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
H264 = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000)
OPUS = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)


class PushIngest:
    """One publisher; see `services.origin.ports.Ingest`."""

    def __init__(self, at: RunningOrigin, digest: str = "mine", records: Sequence[TrackRecord] = (VP8, OPUS)) -> None:
        self._at = at
        self._records = records
        self._sources: dict[TrackId, SourceId] = {}
        self._worker = 0
        self._publisher = Publisher(
            app=APP,
            stream=STREAM,
            session=new_session_id(),
            marks=Marks(verified=digest),
            start_timeout_s=10.0,
            publish_type="RTMP",
        )
        self.restored: bool | None = None
        self.live = False
        self.sent_away = False
        self.ends: list[EndReason] = []

    @property
    def publisher(self) -> Publisher:
        return self._publisher

    @property
    def session(self) -> SessionId:
        return self._publisher.session

    def tracks(self, worker: int) -> Sequence[TrackRecord]:
        self._worker = worker
        return self._records

    def begin(self, sources: Mapping[TrackId, SourceId], *, restored: bool) -> None:
        self._sources, self.restored = dict(sources), restored
        for record in self._records:
            self._at.plane.execute(
                protocol.AddPushSource(
                    source=sources[record.track],
                    worker=self._worker,
                    kind=record.kind,
                    codec=record.codec,
                    clock_rate=record.clock_rate,
                )
            )

    def went_live(self, sources: Mapping[TrackId, SourceId]) -> None:
        self._sources, self.live = dict(sources), True

    def send_away(self) -> None:
        self.sent_away = True

    def end(self, reason: EndReason) -> None:
        self.ends.append(reason)

    async def publish(self) -> None:
        """Ask for the stream."""
        await self._at.origin.owner.publish(self)

    async def go_live(self) -> None:
        """Ask for the stream, and bring the media."""
        await self.publish()
        self.media()
        await until(lambda: self.live)

    def media(self) -> None:
        """The first packet."""
        self._at.plane.push_rtp(self._sources[TrackId("v0")], [b"packet"])
        self._at.origin.owner.media_began(self.session)

    def cut(self) -> None:
        """The publisher's connection broke."""
        self._at.origin.owner.lost(self.session, EndReason.SOCKET_CLOSED)
