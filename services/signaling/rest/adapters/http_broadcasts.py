"""REST about broadcasts, in Ant Media's shapes: those that are live, and those for which something was set.

Of what a client sets, ``encoderSettingsList`` counts; other keys of Ant Media's broadcast are ignored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, is_stream_id
from rillcast.contracts.words import EndReason
from services.signaling.core.adapters.bus_joins import BusJoins
from services.signaling.core.adapters.directory_streams import DirectoryStreams
from services.signaling.core.adapters.http_body import read_body
from services.signaling.core.domain.result import Result
from services.signaling.core.domain.stream_info import Broadcast, basic_stream_info, broadcast, created
from services.signaling.core.ports import Apps, Audience, Broadcasts, Tally
from services.signaling.core.usecases.broadcast_store import KvBroadcasts
from services.signaling.rest.adapters.http_answers import MAX_BODY_BYTES, answered, page

UNKNOWN = Result(success=False, message="there is no such broadcast")
BAD_BODY = (msgspec.MsgspecError, UnicodeDecodeError, LadderRefused)


class BroadcastRest:
    """One per signaling instance."""

    def __init__(
        self,
        *,
        apps: Apps,
        streams: DirectoryStreams,
        broadcasts: Broadcasts,
        kv_broadcasts: KvBroadcasts,
        audience: Audience,
        joins: BusJoins,
        address_of: Callable[[NodeId], str],
        tally: Tally,
    ) -> None:
        """`address_of`: a node's address, for ``originAdress``."""
        self._apps = apps
        self._streams = streams
        self._broadcasts = broadcasts
        self._kv_broadcasts = kv_broadcasts
        self._audience = audience
        self._joins = joins
        self._address_of = address_of
        self._tally = tally

    async def create(self, request: Request) -> Response:
        """POST ``/{app}/rest/v2/broadcasts/create``; without a ``streamId`` it gets one."""
        app = self._app(request)
        body = await read_body(request, MAX_BODY_BYTES) or b"{}"
        try:
            stream = msgspec.json.decode(body, type=_Named).stream_id or secrets.token_hex(8)
            if not is_stream_id(stream):
                return self._bad("Stream id is not valid.")
            if self._streams.published(app, StreamId(stream)) is not None:
                return self._bad("Stream id is already being used.")
            record = await self._kv_broadcasts.create(app, StreamId(stream), body)
        except BAD_BODY as error:
            return self._bad(str(error))
        return answered(created(record)) if record is not None else self._bad("Stream id is already being used.")

    async def one(self, request: Request) -> Response:
        """GET ``/{app}/rest/v2/broadcasts/{id}``"""
        app, stream = self._named(request)
        shown = self._shown(app, stream)
        return PlainTextResponse(UNKNOWN.message, 404) if shown is None else answered(shown)

    async def change(self, request: Request) -> Response:
        """PUT of the same: keys that are given change. An unknown one: 200, ``success: false``, as the original."""
        app, stream = self._named(request)
        body = await read_body(request, MAX_BODY_BYTES)
        live = self._streams.published(app, stream) is not None
        try:
            found = is_stream_id(stream) and await self._kv_broadcasts.change(app, stream, body, live=live)
        except BAD_BODY as error:
            return self._bad(str(error))
        return answered(Result(success=True) if found else UNKNOWN)

    async def delete(self, request: Request) -> Response:
        """DELETE of the same: what was set is forgotten, and who publishes it is sent away."""
        app, stream = self._named(request)
        live = self._streams.published(app, stream) if is_stream_id(stream) else None
        deleted = is_stream_id(stream) and await self._kv_broadcasts.delete(app, stream)
        if live is None:
            text = "broadcast is deleted but could not stopped "
            return answered(Result(success=True, message=text) if deleted else UNKNOWN)
        await self._joins.close(live.record.publisher_session, live.record.owner, EndReason.STOPPED)
        return answered(Result(success=True, message="broadcast is deleted and stopped successfully"))

    async def listed(self, request: Request) -> Response:
        """GET ``/{app}/rest/v2/broadcasts/list/{offset}/{size}``, by stream id."""
        app = AppName(request.path_params["app"])
        live = {stream.stream for stream in self._streams.all() if stream.app == app}
        known = {StreamId(record.stream_id) for record in self._broadcasts.of_app(app)}
        shown = (self._shown(app, stream) for stream in page(request, sorted(live | known)))
        return answered([broadcast for broadcast in shown if broadcast is not None])

    async def renditions(self, request: Request) -> Response:
        """GET ``/{app}/rest/v2/broadcasts/{id}/stream-info``: what a viewer may be sent; empty while it isn't live."""
        app, stream = self._named(request)
        live = self._streams.published(app, stream) if is_stream_id(stream) else None
        return answered([] if live is None else basic_stream_info(live))

    def _shown(self, app: AppName, stream: StreamId) -> Broadcast | None:
        if not is_stream_id(stream):
            return None
        record, live = self._broadcasts.get(app, stream), self._streams.published(app, stream)
        if live is not None:
            viewers = self._audience.viewers(app, stream)
            return broadcast(live, viewers, self._address_of(live.record.owner), record)
        return None if record is None else created(record)

    def _app(self, request: Request) -> AppName:
        app = AppName(request.path_params["app"])
        if self._apps.settings(app) is None:
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        return app

    def _named(self, request: Request) -> tuple[AppName, StreamId]:
        return self._app(request), StreamId(request.path_params["stream"])

    def _bad(self, message: str) -> Response:
        self._tally.refused_input("broadcast")
        return answered(Result(success=False, message=message), 400)


class _Named(msgspec.Struct, rename="camel"):
    stream_id: str | None = None
