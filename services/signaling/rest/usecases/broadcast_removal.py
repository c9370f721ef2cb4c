"""Stopping and deleting broadcasts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, is_stream_id
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Reports
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.rest.domain.parameters import App, DeleteSubtracks, Ids, Stream
from services.signaling.rest.ports import KnownBroadcasts, PublishedStreams, Sessions

log = get_logger(__name__)

DELETED = Result(success=True, message="broadcast is deleted but could not stopped ")
"""Ant Media's words where there was nothing to stop."""
STOPPED = Result(success=True, message="broadcast is deleted and stopped successfully")
UNKNOWN = Result(success=False)
NO_IDS = Result(success=False, message="ids parameter is blank")
STOP_TRIES = 3
SUCCESSOR_WAIT_S = 1.0
"""How long the record of a stream may lag behind its origin, which does not know the session that the record names."""
MOST_IDS_BYTES = 4_000_000
"""Of a body with ids: some 100,000 of them."""


class BroadcastRemoval:
    """One per signaling instance."""

    def __init__(
        self,
        *,
        streams: PublishedStreams,
        known: KnownBroadcasts,
        store: BroadcastStore,
        sessions: Sessions,
        nodes: Reports,
    ) -> None:
        self._streams = streams
        self._known = known
        self._store = store
        self._sessions = sessions
        self._nodes = nodes

    async def delete(self, app: App, stream: Stream, delete_subtracks: DeleteSubtracks = "") -> Result:
        """Who publishes it is sent away, then what was set is forgotten, and so it goes with its subtracks, unless
        `delete_subtracks` is false. Raises `RillcastError`: when the publisher's origin does not answer, nothing is
        forgotten either."""
        if not is_stream_id(stream):
            return UNKNOWN
        subtracks = [] if delete_subtracks.lower() == "false" else list(self._known.subtracks(app, stream))
        result = await self._delete(app, stream)
        if result.success:
            for subtrack in subtracks:
                await self._delete(app, subtrack)
        return result

    async def delete_many(
        self, app: App, body: list[str] | None, ids: Ids = "", delete_subtracks: DeleteSubtracks = ""
    ) -> Result:
        """Delete those that are named, in their order, up to the first that is unknown. The names may stand in the body
        as well, where an address would be too long. Raises `RillcastError`."""
        named = [StreamId(one.strip()) for one in (ids.split(",") if ids.strip() else body or ())]
        if not named:
            return NO_IDS
        known = list(dict.fromkeys(self._up_to_unknown(app, named)))
        if delete_subtracks.lower() == "true":
            subtracks = (one for main in known for one in self._known.subtracks(app, main))
            known = list(dict.fromkeys([*known, *subtracks]))
        live = [stream for stream in known if self._streams.published(app, stream) is not None]
        stopped = [await self._stop(app, stream) for stream in live]
        await self._store.delete_all(app, [stream for stream in known if self._known.get(app, stream) is not None])
        if len(set(named)) > len(set(known) & set(named)):
            return UNKNOWN
        return STOPPED if any(stopped) else DELETED

    async def stop(self, app: AppName, stream: StreamId) -> bool:
        """Whether a publisher was sent away. One that has just come back, with another session, is sent away too."""
        return await self._stop(app, stream)

    def _up_to_unknown(self, app: AppName, streams: Iterable[StreamId]) -> Iterable[StreamId]:
        for stream in streams:
            live = is_stream_id(stream) and self._streams.published(app, stream) is not None
            if not live and self._known.get(app, stream) is None:
                return
            yield stream

    async def _delete(self, app: AppName, stream: StreamId) -> Result:
        stopped = await self._stop(app, stream)
        deleted = await self._store.delete(app, stream)
        if stopped:
            return STOPPED
        return DELETED if deleted else UNKNOWN

    async def _stop(self, app: AppName, stream: StreamId) -> bool:
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
