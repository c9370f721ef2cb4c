"""Publishers that send by WebRTC: their descriptions, their sessions in the plane, what their signaling is told."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, TrackId
from rillcast.contracts.messages import (
    PublishRequest,
    ReofferRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SessionAnswer,
    SessionChanged,
)
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SourceId
from rillcast.media.sdp import LocalTransport, PublishNegotiation, answer_publish
from rillcast.node.addresses import MediaAddresses
from rillcast.node.ice import ice_parameters, restart_ice
from rillcast.node.outbox import Outbox
from rillcast.runtime.telemetry.tracing import tracer
from services.origin import metrics
from services.origin.domain.owned_stream import Publisher
from services.origin.domain.takeover import Marks
from services.origin.domain.track_layout import onto_sources
from services.origin.ports import Plane
from services.origin.usecases.stream_owner import StreamOwner

trace = tracer("rillcast.origin")


class WebRtcIngest:
    """All WebRTC publishers of one origin."""

    def __init__(
        self, *, node: NodeId, plane: Plane, addresses: MediaAddresses, owner: StreamOwner, outbox: Outbox
    ) -> None:
        self.node = node
        self.plane = plane
        self.addresses = addresses
        self._owner = owner
        self._outbox = outbox
        self._sessions: dict[SessionId, WebRtcSession] = {}
        self._by_plane: dict[PlaneSession, WebRtcSession] = {}
        self._plane_sessions = map(PlaneSession, itertools.count(1))

    # ------------------------------------------------------------ requests

    async def publish(self, request: PublishRequest) -> SessionAnswer:
        """Serve `subjects.origin_publish`. The same session again gets the same answer."""
        with trace.start_as_current_span("origin.publish", attributes={"rillcast.stream": request.stream}):
            try:
                await self._owner.publish(WebRtcSession(self, request))
            except RillcastError as refusal:
                metrics.PUBLISHES.labels(refusal.code.value).inc()
                raise
            metrics.PUBLISHES.labels("ok").inc()
            return self._session(request.session).answer

    async def restart_ice(self, request: RestartIceRequest) -> RestartIceAnswer:
        """Serve `subjects.session_restart_ice`."""
        session = self._session(request.session)
        if session.plane_session is None:
            raise _unknown()
        local = self.addresses.transport(session.worker)
        return restart_ice(self.plane, session.plane_session, local, request)

    async def reoffer(self, request: ReofferRequest) -> SessionAnswer:
        """Serve `subjects.origin_reoffer`."""
        return self._session(request.session).reoffered(request.sdp_offer)

    # ------------------------------------------------------------ what happens

    def on_event(self, event: protocol.Event) -> None:
        """Take in an event of the plane about a session of a publisher."""
        match event:
            case protocol.SessionConnected(session=number):
                if session := self._by_plane.get(number):
                    self.tell(session, SessionState.CONNECTED)
            case protocol.SessionMedia(session=number):
                if session := self._by_plane.get(number):
                    self._owner.media_began(session.publisher.session)
            case protocol.SessionClosed(session=number, reason=reason):
                self._gone_from_plane(number, EndReason(reason))
            case protocol.Error(command="add_session", id=number):
                self._gone_from_plane(PlaneSession(number), EndReason.PLANE_ERROR)
            case _:
                pass

    # ------------------------------------------------------------ for sessions

    def new_plane_session(self) -> PlaneSession:
        """A number that no session of the plane has had."""
        return next(self._plane_sessions)

    def register(self, session: WebRtcSession, number: PlaneSession) -> None:
        """The session has begun, under this number in the plane."""
        self._sessions[session.publisher.session] = session
        self._by_plane[number] = session

    def unregister(self, session: WebRtcSession) -> None:
        """Nobody may ask for the session any more."""
        self._sessions.pop(session.publisher.session, None)
        if session.plane_session is not None:
            self._by_plane.pop(session.plane_session, None)

    def tell(self, session: WebRtcSession, state: SessionState, reason: EndReason | None = None) -> None:
        """What the session's signaling instance must know."""
        self._outbox.put(
            subjects.session_changed(session.signaling),
            SessionChanged(session=session.publisher.session, node=self.node, state=state, reason=reason),
            again=state is SessionState.CLOSED,
        )

    def _session(self, session: SessionId) -> WebRtcSession:
        found = self._sessions.get(session)
        if found is None:
            raise _unknown()
        return found

    def _gone_from_plane(self, number: PlaneSession, reason: EndReason) -> None:
        session = self._by_plane.pop(number, None)
        if session is not None:
            session.plane_session = None
            if self._owner.lost(session.publisher.session, reason):
                session.say_closed(reason)


class WebRtcSession:
    """One publisher's session; an `Ingest`. Its plane session lives from `begin` to `end`, or until the plane closes
    it."""

    answer: SessionAnswer
    worker: int

    def __init__(self, ingest: WebRtcIngest, request: PublishRequest) -> None:
        self._ingest = ingest
        self._request = request
        self._negotiation: PublishNegotiation
        self._local: LocalTransport
        self._told_closed = False
        self.plane_session: PlaneSession | None = None
        self._publisher = Publisher(
            app=request.app,
            stream=request.stream,
            session=request.session,
            marks=Marks(
                verified=request.credential_digest if request.has_credentials else "", secret=request.secret_digest
            ),
            start_timeout_s=request.start_timeout_ms / 1000,
            name=request.name,
            meta_data=request.meta_data,
        )

    @property
    def publisher(self) -> Publisher:
        """See `Ingest.publisher`."""
        return self._publisher

    @property
    def signaling(self) -> NodeId:
        """The instance that opened the session."""
        return self._request.signaling

    def tracks(self, worker: int) -> Sequence[TrackRecord]:
        """See `Ingest`: what the offer and our answer agree on."""
        self.worker = worker
        self._local = self._ingest.addresses.transport(worker)
        self._negotiation = _negotiated(self._request.sdp_offer, self._local)
        return self._negotiation.tracks

    def begin(self, sources: Mapping[TrackId, SourceId], *, restored: bool) -> None:
        """See `Ingest`: open the session in the plane."""
        negotiation, request = self._negotiation, self._request
        self.answer = SessionAnswer(
            session=request.session, node=self._ingest.node, sdp=negotiation.answer_sdp, restored=restored
        )
        number = self._ingest.new_plane_session()
        self._ingest.plane.execute(
            protocol.AddSession(
                session=number,
                worker=self.worker,
                ice=ice_parameters(self._local, negotiation.ice_remote),
                dtls=negotiation.dtls,
                extensions=negotiation.extensions,
                recv=onto_sources(negotiation, sources),
                keyframe_interval_ms=request.keyframe_interval_ms,
                max_bitrate_bps=request.max_bitrate_bps,
            )
        )
        self.plane_session = number
        self._ingest.register(self, number)

    def reoffered(self, offer: str) -> SessionAnswer:
        """The publisher's next offer. Without other ICE credentials it has the same answer as before. Raises
        UNKNOWN_SESSION, and BAD_REMOTE_DESCRIPTION when anything else has changed."""
        if self.plane_session is None:
            raise _unknown()
        local = self._ingest.addresses.transport(self.worker)
        again = _negotiated(offer, local)
        if _media(again) != _media(self._negotiation):
            message = "a living session takes an offer that restarts ICE, and no other change; stop and publish again"
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, message)
        if again.ice_remote != self._negotiation.ice_remote:
            ice = ice_parameters(local, again.ice_remote)
            self._ingest.plane.execute(protocol.RestartIce(session=self.plane_session, ice=ice))
            self._negotiation = again
            self.answer = msgspec.structs.replace(self.answer, sdp=again.answer_sdp)
        return self.answer

    def went_live(self, sources: Mapping[TrackId, SourceId]) -> None:
        """See `Ingest`: the plane knows already which sources the session feeds."""
        self._ingest.tell(self, SessionState.MEDIA)

    def send_away(self) -> None:
        """See `Ingest`: signaling asks the client to come back. Clients of WHIP can't be asked; they return when their
        session ends."""
        self._ingest.tell(self, SessionState.CLOSED, EndReason.DRAINING)

    def end(self, reason: EndReason) -> None:
        """See `Ingest`: the plane session ends, and its sources stay."""
        self._ingest.unregister(self)
        self.say_closed(reason)
        if self.plane_session is not None:
            session, self.plane_session = self.plane_session, None
            self._ingest.plane.execute(protocol.RemoveSession(session=session, keep_sources=True))

    def say_closed(self, reason: EndReason) -> None:
        """Tell signaling that the session is over, unless it was told so before."""
        if not self._told_closed:
            self._told_closed = True
            self._ingest.tell(self, SessionState.CLOSED, reason)


def _negotiated(offer: str, local: LocalTransport) -> PublishNegotiation:
    """With numbers in place of the sources."""
    placeholders = map(SourceId, itertools.count(1))
    return answer_publish(offer, local, allocate_source=lambda: next(placeholders))


def _media(negotiation: PublishNegotiation) -> tuple[object, ...]:
    """What a session has to keep as long as it lives."""
    return negotiation.recv, negotiation.extensions, negotiation.dtls


def _unknown() -> RillcastError:
    return RillcastError(ErrorCode.UNKNOWN_SESSION, "no such publisher session at this node")
