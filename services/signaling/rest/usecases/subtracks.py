"""Broadcasts that belong to another one, their main track."""

from __future__ import annotations

import msgspec

from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, StreamId, is_stream_id
from services.signaling.core.domain.result import Result
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.core.domain.subtrack_seats import SubtracksFull
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.rest.domain.paging import page
from services.signaling.rest.domain.parameters import App, Offset, Size, Stream, SubtrackId, WithRole
from services.signaling.rest.domain.refusal import Refusal, Refused
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.ports import KnownBroadcasts, PublishedStreams
from services.signaling.rest.usecases.main_tracks import no_main_track
from services.signaling.rest.usecases.shown_broadcasts import ShownBroadcasts

NO_MAIN_TRACK = "Broadcast not found with id: {stream}"
NO_ID = Refusal(400, "id parameter is blank. Please give the id of the subtrack")


class Subtracks:
    """One per signaling instance."""

    def __init__(
        self, *, streams: PublishedStreams, known: KnownBroadcasts, shown: ShownBroadcasts, store: BroadcastStore
    ) -> None:
        self._streams = streams
        self._known = known
        self._shown = shown
        self._store = store

    async def add(self, app: App, stream: Stream, subtrack: SubtrackId = "") -> Result:
        """Make a broadcast one of this one's. Raises `RillcastError`."""
        if not subtrack.strip():
            raise Refused(NO_ID)
        none = Result(
            success=False, message=f"There is no stream with id:{subtrack} as subtrack or {stream} as mainTrack"
        )
        if self._shown.one(app, stream) is None or not is_stream_id(subtrack):
            return none
        live = self._streams.published(app, StreamId(subtrack)) is not None
        exists = live or self._known.get(app, StreamId(subtrack)) is not None
        if exists and (why := no_main_track(self._known, app, stream, StreamId(subtrack))):
            return Result(success=False, message=why)

        def attached(record: KeptBroadcast | None) -> KeptBroadcast | None:
            if record is None and live:
                record = KeptBroadcast(stream_id=StreamId(subtrack))
            return None if record is None else msgspec.structs.replace(record, main_track_stream_id=stream)

        try:
            return Result(success=True) if await self._store.rewrite(app, StreamId(subtrack), attached) else none
        except SubtracksFull as full:
            return Result(success=False, message=str(full))

    async def remove(self, app: App, stream: Stream, subtrack: SubtrackId = "") -> Result:
        """Have a broadcast belong to this one no more. Raises `RillcastError`."""
        if not subtrack.strip():
            raise Refused(NO_ID)

        def detached(record: KeptBroadcast | None) -> KeptBroadcast | None:
            if record is None or record.main_track_stream_id != stream:
                return None
            return msgspec.structs.replace(record, main_track_stream_id=None)

        if is_stream_id(subtrack) and await self._store.rewrite(app, StreamId(subtrack), detached):
            return Result(success=True)
        return Result(success=False, message=f"Main track of the stream {subtrack} which is {stream} cannot be updated")

    async def list_page(
        self, app: App, stream: Stream, offset: Offset, size: Size, role: WithRole = ""
    ) -> list[Broadcast]:
        """One page of this one's subtracks, by their ids."""
        return self._shown.all(app, page(self._of(app, stream, role), offset, size))

    async def list_live(
        self, app: App, stream: Stream, offset: Offset, size: Size, role: WithRole = ""
    ) -> list[Broadcast]:
        """One page of those that are live."""
        return self._shown.all(app, page(self._live(app, stream, role), offset, size))

    async def count_live(self, app: App, stream: Stream, role: WithRole = "") -> SimpleStat:
        """How many are live."""
        return SimpleStat(len(self._live(app, stream, role)))

    def _live(self, app: AppName, main: StreamId, role: str) -> list[StreamId]:
        def is_live(stream: StreamId) -> bool:
            live = self._streams.published(app, stream)
            return live is not None and live.record.media_flowing

        return [stream for stream in self._of(app, main, role) if is_live(stream)]

    def _of(self, app: AppName, main: StreamId, role: str) -> list[StreamId]:
        """Raises `Refused` where there is no such main track."""
        found = sorted(self._known.subtracks(app, main))
        if not found and self._shown.one(app, main) is None:
            raise Refused(Refusal(404, NO_MAIN_TRACK.format(stream=main)))
        return [stream for stream in found if not role or self._role(app, stream) == role]

    def _role(self, app: AppName, stream: StreamId) -> str | None:
        record = self._known.get(app, stream)
        return None if record is None else record.role
