"""Broadcasts: those that are live, and those for which something was set.

Of what a client sets, the keys of `BroadcastRecord` count; other keys of Ant Media's broadcast are ignored.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import msgspec

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, is_stream_id
from rillcast.contracts.records import BroadcastRecord
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain import stream_info
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Audience, Reports
from services.signaling.core.ports import Broadcasts as KnownBroadcasts
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.rest.domain.paging import page
from services.signaling.rest.domain.parameters import App, Offset, Size, Stream
from services.signaling.rest.domain.refusal import NOT_FOUND, BadInput, Refused
from services.signaling.rest.domain.shapes import BasicStreamInfo, ShownBroadcast, basic_stream_info, shown_broadcast
from services.signaling.rest.ports import PublishedStreams, Sessions

log = get_logger(__name__)

UNKNOWN = Result(success=False, message="there is no such broadcast")
NO_SUCH_BROADCAST = NOT_FOUND
DELETED = Result(success=True, message="broadcast is deleted but could not stopped ")
"""Ant Media's words where there was nothing to stop."""
STOPPED = Result(success=True, message="broadcast is deleted and stopped successfully")
STOP_TRIES = 3
SUCCESSOR_WAIT_S = 1.0
"""How long the record of a stream may lag behind its origin, which does not know the session that the record names."""
NO_BODY = Result(success=False, message="there is no body that says what is to change")


class Broadcasts:
    """One per signaling instance."""

    def __init__(
        self,
        *,
        streams: PublishedStreams,
        known: KnownBroadcasts,
        store: BroadcastStore,
        audience: Audience,
        sessions: Sessions,
        nodes: Reports,
        address_of: Callable[[NodeId], str],
    ) -> None:
        """`address_of`: a node's address, for ``originAdress``."""
        self._streams = streams
        self._known = known
        self._store = store
        self._audience = audience
        self._sessions = sessions
        self._nodes = nodes
        self._address_of = address_of

    async def create(self, app: App, body: Patch[BroadcastRecord] | None) -> ShownBroadcast:
        """Create a broadcast that is not live yet. Without a ``streamId`` it gets one. Raises `BadInput` for an id
        that is impossible or taken, and `RillcastError`: STORE_UNAVAILABLE, HIGH_RESOURCE_USAGE."""
        patch: Patch[BroadcastRecord] = Patch({}) if body is None else body
        try:
            stream = StreamId(patch.read(_Named).stream_id or secrets.token_hex(8))
            if not is_stream_id(stream):
                raise BadInput("Stream id is not valid.")
            taken = self._streams.published(app, stream) is not None
            record = None if taken else await self._store.create(app, stream, patch)
        except (PatchRefused, LadderRefused) as error:
            raise BadInput(str(error)) from error
        if record is None:
            raise BadInput("Stream id is already being used.")
        return shown_broadcast(stream_info.created(record), record, None)

    async def get(self, app: App, stream: Stream) -> ShownBroadcast:
        """The broadcast with this id, whether it is live or was only created."""
        shown = self._shown(app, stream)
        if shown is None:
            raise Refused(NO_SUCH_BROADCAST)
        return shown

    async def change(self, app: App, stream: Stream, body: Patch[BroadcastRecord] | None) -> Result:
        """Keys that are given change. An unknown broadcast is answered 200 and ``success: false``, as the original
        does. Raises `RillcastError`."""
        if not is_stream_id(stream):
            return UNKNOWN
        live = self._streams.published(app, stream) is not None
        if body is None:
            return NO_BODY if live or self._known.get(app, stream) is not None else UNKNOWN
        try:
            found = await self._store.change(app, stream, body, live=live)
        except (PatchRefused, LadderRefused) as error:
            raise BadInput(str(error)) from error
        return Result(success=True) if found else UNKNOWN

    async def delete(self, app: App, stream: Stream) -> Result:
        """Who publishes it is sent away, then what was set is forgotten. Raises `RillcastError`: when the publisher's
        origin does not answer, nothing is forgotten either."""
        if not is_stream_id(stream):
            return UNKNOWN
        stopped = await self._stop(app, stream)
        deleted = await self._store.delete(app, stream)
        if stopped:
            return STOPPED
        return DELETED if deleted else UNKNOWN

    async def list_page(self, app: App, offset: Offset, size: Size) -> list[ShownBroadcast]:
        """One page of the app's broadcasts, in the order of their ids."""
        live = {stream.stream for stream in self._streams.all() if stream.app == app}
        known = {StreamId(record.stream_id) for record in self._known.of_app(app)}
        shown = (self._shown(app, stream) for stream in page(sorted(live | known), offset, size))
        return [broadcast for broadcast in shown if broadcast is not None]

    async def renditions(self, app: App, stream: Stream) -> list[BasicStreamInfo]:
        """What a viewer may be sent; empty while it isn't live."""
        live = self._streams.published(app, stream) if is_stream_id(stream) else None
        return [] if live is None else basic_stream_info(live)

    async def _stop(self, app: AppName, stream: StreamId) -> bool:
        """Whether a publisher was sent away. One that has just come back, with another session, is sent away too."""
        waited = await self._turn_away(app, stream)
        return await self._end_publisher(app, stream) or waited

    async def _turn_away(self, app: AppName, stream: StreamId) -> bool:
        """Whether somebody waited for the stream, at whichever origin: they would have it as soon as it is free. An
        origin that does not answer is left alone; whoever is there may publish anew, like everybody."""

        async def ask(origin: NodeId) -> bool:
            try:
                return await self._sessions.turn_away(origin, app, stream)
            except RillcastError as error:
                log.info("An origin does not say whether anybody waits for a stream", target=origin, reason=str(error))
                return False

        return any(await asyncio.gather(*map(ask, self._nodes.nodes(NodeKind.ORIGIN))))

    async def _end_publisher(self, app: AppName, stream: StreamId) -> bool:
        live = self._streams.published(app, stream)
        for _ in range(STOP_TRIES):
            if live is None:
                break
            session = live.record.publisher_session
            if await self._sessions.close(session, live.record.owner, EndReason.STOPPED):
                return True
            live = await self._streams.successor(app, stream, session, SUCCESSOR_WAIT_S)
        return False

    def _shown(self, app: AppName, stream: StreamId) -> ShownBroadcast | None:
        if not is_stream_id(stream):
            return None
        record, live = self._known.get(app, stream), self._streams.published(app, stream)
        if live is not None:
            viewers = self._audience.viewers(app, stream)
            shown = stream_info.broadcast(live, viewers, self._address_of(live.record.owner), record)
            return shown_broadcast(shown, record, live)
        return None if record is None else shown_broadcast(stream_info.created(record), record, None)


class _Named(msgspec.Struct, rename="camel"):
    stream_id: str | None = None
