"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) endpoints: sessions over plain HTTP.

``/{app}/whip/{streamId}`` publishes, ``/{app}/whep/{streamId}`` plays. The created resource's name is signed and says
where the session lives, so any instance of signaling can serve it (`http_whip_resource`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId, new_session_id
from rillcast.contracts.messages import (
    PlayRequest,
    PublishRequest,
    SessionAnswer,
    SessionChanged,
)
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import SessionState
from services.signaling.core.adapters.bus_joins import BusJoins
from services.signaling.core.adapters.bus_session_events import SessionEvents
from services.signaling.core.adapters.http_body import BodyRefused, media_type, read_body
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.admission import Admission, valid_stream_id
from services.signaling.core.domain.ice_servers import link_header
from services.signaling.core.domain.identity import Credentials, credential_digest
from services.signaling.core.ports import Streams, Tally
from services.signaling.websocket.domain.frames import MAX_META_DATA, MAX_NAME
from services.signaling.whip.adapters.http_answers import FRAGMENT, SDP, answer_by_method, credentials_of
from services.signaling.whip.adapters.http_resources import WhipResources
from services.signaling.whip.domain.resource_url import Resource, ResourceSigner

MAX_SDP_BYTES = 256 * 1024
WATCH_S = 30.0
"""How long a new session's events are watched, for the figures about joins."""


class HttpSessionServices(msgspec.Struct, frozen=True, kw_only=True):
    """Shared by both roles."""

    node: NodeId
    admission: Admission
    streams: Streams
    joins: BusJoins
    events: SessionEvents
    clients: ClientReader
    signer: ResourceSigner
    tally: Tally
    codecs_to_come: Callable[[AppName, StreamId], tuple[str, ...]]
    """See `LadderOutlook`."""
    wall_clock: Callable[[], float]
    """Unix time, for tokens."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One good POST."""

    request: Request
    app: AppName
    stream: StreamId
    credentials: Credentials
    settings: AppSettings
    offer: str


class HttpSessions(ABC):
    """The endpoint of one role."""

    role: str
    running: SessionState
    """When a session counts as started."""

    def __init__(self, services: HttpSessionServices) -> None:
        self._services = services
        self.resources = WhipResources(self.role, services.joins, services.events, services.signer)

    @abstractmethod
    def admit(self, app: AppName, stream: StreamId, credentials: Credentials) -> AppSettings:
        """Settings of the app, or the refusal raised."""

    @abstractmethod
    async def open(self, asked: Asked) -> SessionAnswer:
        """Open the session at a node."""

    async def serve(self, request: Request) -> Response:
        """``/{app}/{role}/{stream}``."""
        return await answer_by_method(self.role, request, {"POST": self._create, "OPTIONS": self._options})

    async def _options(self, request: Request) -> Response:
        return Response(headers={"Allow": "POST, OPTIONS", "Accept-Post": SDP})

    async def _create(self, request: Request) -> Response:
        began = asyncio.get_running_loop().time()
        app, stream = AppName(request.path_params["app"]), valid_stream_id(request.path_params["stream"])
        credentials = credentials_of(request)
        try:
            settings = self.admit(app, stream, credentials)
            asked = Asked(
                request=request,
                app=app,
                stream=stream,
                credentials=credentials,
                settings=settings,
                offer=await self._offer(request),
            )
            answer = await self.open(asked)
        except RillcastError as error:
            self._services.tally.joined(self.role, error.code.value)
            raise
        self._watch(answer, began)
        return self._created(asked, answer)

    async def _offer(self, request: Request) -> str:
        if media_type(request) != SDP:
            self._services.tally.refused_input("content_type")
            raise BodyRefused(415, f"the offer must be sent as {SDP}")
        body = await read_body(request, MAX_SDP_BYTES)
        try:
            offer = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "the offer is not UTF-8 text") from error
        if not offer.startswith("v=0"):
            self._services.tally.refused_input("not_sdp")
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "the body is no session description: no v=0 line")
        return offer

    def _created(self, asked: Asked, answer: SessionAnswer) -> Response:
        resource = Resource(
            role=self.role, app=asked.app, stream=asked.stream, session=answer.session, node=answer.node
        )
        name, tag = self.resources.created(resource)
        headers = {
            "Location": f"{asked.request.url.path.rstrip('/')}/{name}",
            "ETag": tag,
            "Accept-Patch": FRAGMENT,
        }
        link = link_header(asked.settings)
        if link is not None:
            headers["Link"] = link
        return Response(answer.sdp, 201, headers=headers, media_type=SDP)

    def _watch(self, answer: SessionAnswer, began: float) -> None:
        """Follow the session until it runs, for the figures only."""
        loop = asyncio.get_running_loop()
        services = self._services

        def changed(event: SessionChanged) -> None:
            if event.state is SessionState.CLOSED:
                services.tally.joined(self.role, "failed")
                services.joins.forget(event.session)
                services.events.forget(event.session)
                return
            if event.state is not None:
                services.joins.connected(event.session)
            if event.state in (self.running, SessionState.MEDIA):
                services.tally.joined(self.role, "ok", loop.time() - began)
                services.events.forget(event.session)

        services.events.want(answer.session, changed)
        loop.call_later(WATCH_S, services.events.forget, answer.session)


class Whip(HttpSessions):
    """Publishing."""

    role = "whip"
    running = SessionState.MEDIA

    def admit(self, app: AppName, stream: StreamId, credentials: Credentials) -> AppSettings:
        return self._services.admission.publish(app, stream, credentials, self._services.wall_clock())

    async def open(self, asked: Asked) -> SessionAnswer:
        client, query = self._services.clients.read(asked.request), asked.request.query_params
        request = PublishRequest(
            app=asked.app,
            stream=asked.stream,
            session=new_session_id(),
            signaling=self._services.node,
            sdp_offer=asked.offer,
            credential_digest=credential_digest(asked.app, asked.stream, asked.credentials, client),
            has_credentials=asked.credentials.shown,
            name=query.get("streamName", "")[:MAX_NAME],
            meta_data=query.get("metaData", "")[:MAX_META_DATA],
            max_bitrate_bps=asked.settings.max_ingest_bitrate_bps,
            keyframe_interval_ms=asked.settings.web_rtc_keyframe_time,
            start_timeout_ms=asked.settings.web_rtc_client_start_timeout_ms,
        )
        return await self._services.joins.publish(request, client.place)


class Whep(HttpSessions):
    """Playing."""

    role = "whep"
    running = SessionState.CONNECTED

    def admit(self, app: AppName, stream: StreamId, credentials: Credentials) -> AppSettings:
        settings = self._services.admission.play(app, stream, credentials, self._services.wall_clock())
        if self._services.streams.live(app, stream) is None:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, f"the stream {stream} is not live")
        return settings

    async def open(self, asked: Asked) -> SessionAnswer:
        client = self._services.clients.read(asked.request)
        request = PlayRequest(
            app=asked.app,
            stream=asked.stream,
            session=new_session_id(),
            signaling=self._services.node,
            sdp_offer=asked.offer,
            start_timeout_ms=asked.settings.web_rtc_client_start_timeout_ms,
            abr=asked.settings.abr,
            codecs_to_come=self._services.codecs_to_come(asked.app, asked.stream),
        )
        return await self._services.joins.play(request, client.place)
