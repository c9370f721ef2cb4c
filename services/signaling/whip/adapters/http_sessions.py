"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) endpoints: sessions over plain HTTP.

``/{app}/whip/{streamId}`` publishes, ``/{app}/whep/{streamId}`` plays. The created resource's name is signed and says
where the session lives, so any instance of signaling can serve it (`http_resources`).
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId, new_session_id
from rillcast.contracts.messages import SessionAnswer
from rillcast.contracts.words import EndReason, NodeKind, Role, SessionState
from services.signaling.core.adapters.http_body import BodyRefused, media_type, read_body
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.admission_rules import Admitted, Applicant
from services.signaling.core.domain.codec_switches import codec_rule
from services.signaling.core.domain.doors import open_doors
from services.signaling.core.domain.ice_servers import ice_server, link_header, link_to, without_relay
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.join_requests import MAX_META_DATA, MAX_NAME, PublisherJoin, ViewerJoin
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.domain.publisher_secret import PublisherSecrets
from services.signaling.core.domain.stream_name import valid_stream_id
from services.signaling.core.domain.webhook_question import java_map
from services.signaling.core.ports import Apps, MediaNodes, Reports, SessionEvents, Tally, WatchedStreams
from services.signaling.core.usecases.admission import Admission
from services.signaling.core.usecases.change_rate import ChangeRate
from services.signaling.core.usecases.joins import Joins
from services.signaling.core.usecases.not_live import not_live, not_seen
from services.signaling.whip.adapters.http_answers import FRAGMENT, SDP, answer_by_method, credentials_of
from services.signaling.whip.adapters.http_resources import WhipResources
from services.signaling.whip.domain.resource_url import Resource, ResourceSigner
from services.signaling.whip.usecases.join_watch import JoinWatch

MAX_SDP_BYTES = 256 * 1024
_BEFORE_SDP = "\ufeff \t\r\n"
"""What programs that keep descriptions in files put before them."""

_LONGEST = {"streamName": MAX_NAME, "metaData": MAX_META_DATA, "mainTrack": MAX_NAME}


class HttpSessionServices(msgspec.Struct, frozen=True, kw_only=True):
    """What the endpoints of both roles share. One per signaling instance."""

    apps: Apps
    admission: Admission
    streams: WatchedStreams
    joins: Joins
    nodes: MediaNodes
    reports: Reports
    events: SessionEvents
    clients: ClientReader
    signer: ResourceSigner
    secrets: PublisherSecrets
    tally: Tally
    changes: ChangeRate


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One good POST of a client that was let in."""

    request: Request
    applicant: Applicant
    admitted: Admitted
    offer: str


class HttpSessions(ABC):
    """The endpoint of one role."""

    role: str
    """``whip`` or ``whep``: in paths, names of resources and metrics."""
    does: Role
    kind: NodeKind
    """Of the nodes that have such sessions."""
    running: SessionState
    """When a session counts as started."""

    def __init__(self, services: HttpSessionServices) -> None:
        self._services = services
        self.resources = WhipResources(
            self.role,
            self.kind,
            joins=services.joins,
            nodes=services.nodes,
            reports=services.reports,
            events=services.events,
            signer=services.signer,
            allowed=lambda request: services.changes.check(services.clients.counted(request)[0]),
            link=self._link,
            more={"POST": self._create} if self.does is Role.PUBLISH else {},
        )
        self._watch = JoinWatch(self.role, self.running, services.joins, services.events, services.tally)

    @abstractmethod
    def check(self, applicant: Applicant, admitted: Admitted) -> None:
        """Refuse, by `RillcastError`, somebody who was let in in vain."""

    @abstractmethod
    async def open(self, asked: Asked, left: asyncio.Event) -> SessionAnswer:
        """Open the session at a node. `left`: set when the client has gone."""

    async def serve(self, request: Request) -> Response:
        """Answers every method of ``/{app}/{role}/{stream}``."""
        return await answer_by_method(self.role, request, {"POST": self._create, "OPTIONS": self._options})

    async def _options(self, request: Request) -> Response:
        """RFC 9725 §4.6 lets a client ask for ICE servers before it offers. Some look nowhere else."""
        headers = {"Allow": "POST, OPTIONS", "Accept-Post": SDP}
        link = self._link(request, admitted=False)
        return Response(headers=headers if link is None else headers | {"Link": link})

    def _link(self, request: Request, *, admitted: bool) -> str | None:
        """The same rule as on a WebSocket: where everybody must be let in first, only who was, or shows what lets it
        in, is told of the relay."""
        settings = self._services.apps.settings(AppName(request.path_params["app"]))
        if settings is None:
            return None
        server = ice_server(settings, time.time())
        if server.relays and not (admitted or open_doors(settings) or self._shows_its_right(request)):
            server = without_relay(server)
        return link_to(server)

    def _shows_its_right(self, request: Request) -> bool:
        credentials = credentials_of(request)
        return credentials.shown and self._services.admission.would_let_in(
            Applicant(
                role=self.does,
                app=AppName(request.path_params["app"]),
                stream=StreamId(request.path_params["stream"]),
                credentials=credentials,
                client=self._services.clients.read(request),
                room=request.query_params.get("mainTrack", "")[:MAX_NAME],
            )
        )

    async def _create(self, request: Request) -> Response:
        """Also at the URL of a publisher's resource: whoever has that is its publisher, and publishes anew."""
        began = asyncio.get_running_loop().time()
        _check_lengths(request)
        applicant = Applicant(
            role=self.does,
            app=AppName(request.path_params["app"]),
            stream=valid_stream_id(request.path_params["stream"]),
            credentials=credentials_of(request),
            client=self._client(request),
            session=new_session_id(),
            room=request.query_params.get("mainTrack", ""),
            meta_data=request.query_params.get("metaData", ""),
            query=java_map(request.query_params.multi_items()),
        )
        stage, traces, session = JoinStage.ADMISSION, self._services.joins.traces, _session(applicant)
        traces.begin(session, self.does, applicant.app, applicant.stream, self.role)
        try:
            with traces.within(session):
                self._services.admission.knock(applicant)
                body = await read_body(request, MAX_SDP_BYTES) if media_type(request) == SDP else b""
                admitted = await self._services.admission.admit(applicant, knocked=True)
                self.check(applicant, admitted)
                stage = JoinStage.DESCRIPTION
                offer = self._offer(request, body)
                stage = JoinStage.NODE
                asked = Asked(request=request, applicant=applicant, admitted=admitted, offer=offer)
                left = asyncio.Event()
                watching = asyncio.create_task(_watch_client(request, left))
                try:
                    answer = await self.open(asked, left)
                finally:
                    watching.cancel()
        except RillcastError as error:
            self._services.tally.joined(self.role, error.code.value, stage)
            traces.refused(session, error.code.value)
            self._services.joins.forget(session)
            raise
        except BaseException:
            self._services.joins.forget(session)
            raise
        if left.is_set():
            self._services.joins.end(answer.session, answer.node, EndReason.ABANDONED)
        else:
            self._watch.follow(answer.session, answer.node, began)
        return self._created(asked, answer)

    def _client(self, request: Request) -> Client:
        client = self._services.clients.read(request)
        if self.does is not Role.PUBLISH:
            return client
        again = "resource" in request.path_params
        holder = self.resources.holder(request) if again else ""
        return msgspec.structs.replace(client, holder=holder or self._services.secrets.new_holder())

    def _offer(self, request: Request, body: bytes) -> str:
        if media_type(request) != SDP:
            self._services.tally.refused_input("content_type")
            raise BodyRefused(415, f"the offer must be sent as {SDP}")
        try:
            offer = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "the offer is not UTF-8 text") from error
        offer = offer.lstrip(_BEFORE_SDP)
        if not offer.startswith("v=0"):
            self._services.tally.refused_input("not_sdp")
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "the body is no session description: no v=0 line")
        return offer

    def _created(self, asked: Asked, answer: SessionAnswer) -> Response:
        resource = Resource(
            role=self.role,
            app=asked.applicant.app,
            stream=asked.applicant.stream,
            session=answer.session,
            node=answer.node,
            holder=asked.applicant.client.holder,
            ice=self._services.signer.ice_marks(answer.session, asked.offer),
        )
        name, tag = self.resources.created(resource)
        headers = {
            "Location": f"{self._services.clients.prefix(asked.request)}{_endpoint(asked.request)}/{name}",
            "ETag": tag,
            "Accept-Patch": FRAGMENT,
        }
        link = link_header(asked.admitted.settings, time.time())
        if link is not None:
            headers["Link"] = link
        return Response(answer.sdp, 201, headers=headers, media_type=SDP)


class Whip(HttpSessions):
    """WHIP: sessions of clients that publish."""

    role = "whip"
    does = Role.PUBLISH
    kind = NodeKind.ORIGIN
    running = SessionState.MEDIA

    def check(self, applicant: Applicant, admitted: Admitted) -> None:
        """Whoever was let in may try; the origin decides who has the stream. Raises ROOMS_NOT_SUPPORTED for a stream
        that is to belong to a main track: its publisher would see nobody else."""
        if applicant.room:
            message = "no stream belongs to a main track, since conference rooms are not served here"
            raise RillcastError(ErrorCode.ROOMS_NOT_SUPPORTED, message)

    async def open(self, asked: Asked, left: asyncio.Event) -> SessionAnswer:
        applicant, query = asked.applicant, asked.request.query_params
        join = PublisherJoin(
            app=applicant.app,
            stream=applicant.stream,
            session=_session(applicant),
            client=applicant.client,
            credentials=applicant.credentials,
            identity=asked.admitted.identity,
            sdp_offer=asked.offer,
            name=query.get("streamName", ""),
            meta_data=applicant.meta_data,
            codecs=codec_rule(asked.admitted.settings).as_offered(),
        )
        return await self._services.joins.publish(join, left)


class Whep(HttpSessions):
    """WHEP: sessions of clients that play."""

    role = "whep"
    does = Role.PLAY
    kind = NodeKind.EDGE
    running = SessionState.CONNECTED

    def check(self, applicant: Applicant, admitted: Admitted) -> None:
        streams, app, stream = self._services.streams, applicant.app, applicant.stream
        if admitted.waits or streams.live(app, stream) is None:
            raise not_live(streams, app, stream)

    async def open(self, asked: Asked, left: asyncio.Event) -> SessionAnswer:
        applicant = asked.applicant
        join = ViewerJoin(
            app=applicant.app,
            stream=applicant.stream,
            session=_session(applicant),
            client=applicant.client,
            sdp_offer=asked.offer,
            codecs=codec_rule(asked.admitted.settings),
        )
        try:
            return await self._services.joins.play(join, left)
        except RillcastError as refusal:
            raise not_seen(self._services.streams, join.app, join.stream, refusal) from refusal


def _check_lengths(request: Request) -> None:
    """Raises PARAMETER_TOO_LONG for what a client says of its stream and nobody would keep."""
    for name, most in _LONGEST.items():
        if len(request.query_params.get(name, "")) > most:
            raise RillcastError(ErrorCode.PARAMETER_TOO_LONG, f"{name} may have {most} characters")


def _endpoint(request: Request) -> str:
    """The path to which a client first posts."""
    path = request.url.path.rstrip("/")
    return path.rpartition("/")[0] if "resource" in request.path_params else path


def _session(applicant: Applicant) -> SessionId:
    """Chosen before it was let in."""
    assert applicant.session is not None
    return applicant.session


async def _watch_client(request: Request, left: asyncio.Event) -> None:
    """Set `left` when the client breaks the request off. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    left.set()
