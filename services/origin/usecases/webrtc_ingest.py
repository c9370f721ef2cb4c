"""Publishers that send by WebRTC: their descriptions, their sessions in the plane, what their signaling is told."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, TrackId
from rillcast.contracts.messages import (
    Ack,
    AnswerRequest,
    PublishRequest,
    ReofferRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SessionAnswer,
    SessionChanged,
)
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason, MediaKind, SessionState
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SourceId
from rillcast.media.sdp import LocalTransport, PublishNegotiation, accept_move, after_move, before_move, later_version
from rillcast.node.addresses import MediaAddresses
from rillcast.node.association_taker import Takeover
from rillcast.node.ice import ice_parameters, restart_ice
from rillcast.node.outbox import Outbox
from services.origin import metrics
from services.origin.domain.owned_stream import Publisher
from services.origin.domain.publish_negotiation import (
    choice_of,
    negotiated,
    negotiated_again,
    offered,
    publisher_of,
    same_media,
)
from services.origin.domain.track_layout import onto_sources
from services.origin.ports import Plane
from services.origin.usecases.publish_spans import PublishSpans
from services.origin.usecases.publisher_association import PublisherAssociation, PublisherAssociations
from services.origin.usecases.stream_owner import StreamOwner


class WebRtcIngest:
    """All WebRTC publishers of one origin."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        addresses: MediaAddresses,
        owner: StreamOwner,
        outbox: Outbox,
        associations: PublisherAssociations,
    ) -> None:
        self.node = node
        self.plane = plane
        self.addresses = addresses
        self.owner = owner
        self.associations = associations
        self._outbox = outbox
        self._spans = PublishSpans()
        self._sessions: dict[SessionId, WebRtcSession] = {}
        self._by_plane: dict[PlaneSession, WebRtcSession] = {}
        self._plane_sessions = map(PlaneSession, itertools.count(1))

    # ------------------------------------------------------------ requests

    async def publish(self, request: PublishRequest) -> SessionAnswer:
        """Serve `subjects.origin_publish`. The same session again gets the same answer."""
        with self._spans.of("origin.publish", request):
            return await self._begun(WebRtcSession(self, request))

    async def move_in(self, request: PublishRequest) -> SessionAnswer:
        """Serve `subjects.origin_move_in`. Nothing reaches the plane before the client has answered (`accept`)."""
        with self._spans.of("origin.move_in", request):
            takeover = await self.associations.taker.ready(request.former if request.sdp_answered else None)
            return await self._begun(WebRtcSession(self, request, takeover, moves_in=True))

    async def accept(self, request: AnswerRequest) -> Ack:
        """Serve `subjects.origin_accept`. The same answer again does nothing. Raises UNKNOWN_SESSION, and
        BAD_REMOTE_DESCRIPTION for an answer with which the publisher cannot go on here; the session waits for a better
        one then, as long as it may."""
        self._session(request.session).answered(request.sdp_answer)
        return Ack()

    async def _begun(self, session: WebRtcSession) -> SessionAnswer:
        try:
            await self.owner.publish(session)
        except RillcastError as refusal:
            session.association.ended()
            metrics.PUBLISHES.labels(refusal.code.value).inc()
            raise
        metrics.PUBLISHES.labels("ok").inc()
        return self._session(session.publisher.session).answer

    async def restart_ice(self, request: RestartIceRequest) -> RestartIceAnswer:
        """Serve `subjects.session_restart_ice`."""
        session = self._session(request.session)
        if session.plane_session is None:
            raise _unknown()
        return restart_ice(self.plane, session.plane_session, self.addresses.transport(session.worker), request)

    async def reoffer(self, request: ReofferRequest) -> SessionAnswer:
        """Serve `subjects.origin_reoffer`."""
        return self._session(request.session).reoffered(request.sdp_offer)

    # ------------------------------------------------------------ what happens

    def on_event(self, event: protocol.Event) -> None:
        """Take in an event of the plane about a session of a publisher."""
        match event:
            case protocol.SessionConnected(session=number):
                if session := self._by_plane.get(number):
                    session.connected()
            case protocol.SessionNominated(session=number):
                if session := self._by_plane.get(number):
                    session.reached()
            case protocol.SessionMedia(session=number):
                if session := self._by_plane.get(number):
                    session.media_began()
            case protocol.SessionClosed(session=number, reason=reason):
                self._gone_from_plane(number, EndReason(reason))
            case protocol.Error(command="continue_session", id=number):
                if (session := self._by_plane.get(PlaneSession(number))) and session.association.failed():
                    self.tell_reached(session)
            case protocol.Error(command="add_session", id=number):
                self._gone_from_plane(PlaneSession(number), EndReason.PLANE_ERROR)
            case _:
                pass

    def on_figures(self, event: protocol.SessionStats) -> None:
        """Once a second for each session."""
        if session := self._by_plane.get(event.session):
            self.owner.received(session.publisher.session, event.bytes_received)

    # ------------------------------------------------------------ for sessions

    def new_plane_session(self) -> PlaneSession:
        """A number that no session of the plane has had."""
        return next(self._plane_sessions)

    def register(self, session: WebRtcSession) -> None:
        """The session may be asked for by its id."""
        self._sessions[session.publisher.session] = session
        self._spans.begun(session.publisher.session)

    def opened(self, session: WebRtcSession, number: PlaneSession) -> None:
        """The session is in the plane, under this number."""
        self._by_plane[number] = session

    def want_picture(self, source: SourceId) -> None:
        """Ask for a keyframe as soon as that can be asked for. The encoder of a publisher that moves goes on, and
        viewers can show nothing of it before its next keyframe. Once they ask themselves, one is under way."""
        with suppress(RillcastError):  # the plane is behind: the relays will ask
            self.plane.execute(protocol.RequestKeyframe(source=source))

    def unregister(self, session: WebRtcSession) -> None:
        """Nobody may ask for the session any more."""
        self._sessions.pop(session.publisher.session, None)
        if session.plane_session is not None:
            self._by_plane.pop(session.plane_session, None)

    def tell(
        self, session: WebRtcSession, state: SessionState, reason: EndReason | None = None, association: str = ""
    ) -> None:
        """What the session's signaling instance must know."""
        change = SessionChanged(
            session=session.publisher.session, node=self.node, state=state, reason=reason, association=association
        )
        self._spans.told(session.publisher.session, state, reason)
        self._outbox.put(subjects.session_changed(session.signaling), change, again=state is SessionState.CLOSED)

    def tell_reached(self, session: WebRtcSession) -> None:
        """It is time for the second offer."""
        change = SessionChanged(session=session.publisher.session, node=self.node, reached=True)
        self._outbox.put(subjects.session_changed(session.signaling), change, again=True)

    def _session(self, session: SessionId) -> WebRtcSession:
        found = self._sessions.get(session)
        if found is None:
            raise _unknown()
        return found

    def _gone_from_plane(self, number: PlaneSession, reason: EndReason) -> None:
        session = self._by_plane.pop(number, None)
        if session is not None:
            session.plane_session = None
            session.association.over(session.publisher.session)
            if self.owner.lost(session.publisher.session, reason):
                session.say_closed(reason)


class WebRtcSession:
    """One publisher's session; an `Ingest`. Its plane session lives from `begin` to `end`, or until the plane closes
    it. That of a publisher that moves in begins later, with `answered`, since only then its ICE credentials are
    known."""

    answer: SessionAnswer
    worker: int

    def __init__(
        self,
        ingest: WebRtcIngest,
        request: PublishRequest,
        takeover: Takeover | None = None,
        *,
        moves_in: bool = False,
    ) -> None:
        """`moves_in`: the offer of the request was answered by another origin, and we make one. `takeover`: of the
        association that the publisher has there."""
        self._ingest = ingest
        self.association = PublisherAssociation(ingest.associations, takeover)
        self._request = request
        self._awaits_answer = moves_in
        self._sources: Mapping[TrackId, SourceId] = {}
        self._negotiation: PublishNegotiation
        self._local: LocalTransport
        self._told_closed = False
        self._sent_away = False
        self._flows = False
        self._early = False
        """Whether media came before it was known how the session goes on with its association."""
        self._is_live = False
        """Whether it has its stream, of which signaling hears when its media comes."""
        self.plane_session: PlaneSession | None = None
        self._publisher = publisher_of(request)

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
        negotiate = offered if self._awaits_answer else negotiated
        self._negotiation = negotiate(self._request.sdp_offer, self._local, choice_of(self._request))
        return self._negotiation.tracks

    def begin(self, sources: Mapping[TrackId, SourceId], *, restored: bool) -> None:
        """See `Ingest`: open the session in the plane, unless our offer is to be answered first."""
        self._sources = sources
        self.answer = self._described(restored)
        if not self._awaits_answer:
            self._open()
        self._ingest.register(self)

    def _described(self, restored: bool) -> SessionAnswer:
        """While a publisher that moves in is still heard elsewhere, it looks for its way to us first."""
        sdp, then = self._negotiation.answer_sdp, ""
        if self._awaits_answer and self._request.sdp_answered:
            sdp, then = before_move(sdp, self._request.sdp_answered), after_move(sdp)
        return SessionAnswer(
            session=self._request.session,
            node=self._ingest.node,
            sdp=sdp,
            sdp_then=then,
            keeps_association=self.association.promised,
            restored=restored,
        )

    def answered(self, answer: str) -> None:
        """The publisher that moves in has answered our offer. Nothing happens if it had before. Raises
        BAD_REMOTE_DESCRIPTION."""
        if not self._awaits_answer:
            return
        self._negotiation = accept_move(self._negotiation, answer)
        self._open()
        self._awaits_answer = False
        for source in self._videos():
            self._ingest.want_picture(source)

    def reached(self) -> None:
        """The client's ICE has chosen this node. Who moves in with one offer has nothing to wait for. The media of one
        with two goes nowhere else any more, so it gets its stream now: edges have their relays by the time at which it
        can be read here."""
        if self.association.awaited:
            self.association.reached(self._goes_on)  # asked first: the former origin forgets what it gives up
        elif self.answer.sdp_then:
            self._ingest.tell_reached(self)
        else:
            return
        self._ingest.owner.media_is_due(self.publisher.session)

    def _goes_on(self) -> None:
        """Its former origin sends nothing any more, or is to be done without."""
        if not self.association.kept:
            self._ingest.tell_reached(self)
        elif self._early:
            self.media_began()

    def connected(self) -> None:
        """ICE and DTLS are up."""
        self.association.connected()
        self._ingest.tell(self, SessionState.CONNECTED)
        if self._early:
            self.media_began()

    def media_began(self) -> None:
        """The first packet has come."""
        if self.association.awaited:
            self._early = True
            return
        self._early = False
        if self._flows:
            return
        self._flows = True
        self._ingest.owner.media_began(self.publisher.session)
        if self._is_live:
            self._ingest.tell(self, SessionState.MEDIA)

    def _open(self) -> None:
        negotiation, request = self._negotiation, self._request
        number = self._ingest.new_plane_session()
        session = protocol.AddSession(
            session=number,
            worker=self.worker,
            ice=ice_parameters(self._local, negotiation.ice_remote),
            dtls=negotiation.dtls,
            extensions=negotiation.extensions,
            recv=onto_sources(negotiation, self._sources),
            keyframe_interval_ms=request.keyframe_interval_ms,
            max_bitrate_bps=request.max_bitrate_bps,
        )
        self.association.begin(session)
        self.plane_session = number
        self._ingest.opened(self, number)

    def reoffered(self, offer: str) -> SessionAnswer:
        """The publisher's next offer. M-lines that it adds are refused by port 0; the same offer has the same answer.
        Raises UNKNOWN_SESSION, and BAD_REMOTE_DESCRIPTION when its media or its certificate are others."""
        if self.plane_session is None:
            raise _unknown()
        again = negotiated_again(offer, self._local, self._negotiation)
        if not same_media(again, self._negotiation):
            message = "a living session takes an offer that restarts ICE, and no other change; stop and publish again"
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, message)
        if again.ice_remote != self._negotiation.ice_remote:
            self._local = self._ingest.addresses.transport(self.worker)
            self._negotiation = again = negotiated_again(offer, self._local, self._negotiation)
            ice = ice_parameters(self._local, again.ice_remote)
            self._ingest.plane.execute(protocol.RestartIce(session=self.plane_session, ice=ice))
        former = self.answer.sdp
        sdp = before_move(again.answer_sdp, former) if self.association.kept else again.answer_sdp
        self.answer = msgspec.structs.replace(self.answer, sdp=later_version(sdp, former))
        return self.answer

    def went_live(self, sources: Mapping[TrackId, SourceId]) -> None:
        """See `Ingest`: the plane knows already which sources the session feeds."""
        if self._flows:
            self._ingest.tell(self, SessionState.MEDIA)
        else:
            self._is_live = True

    def send_away(self) -> None:
        """See `Ingest`: signaling asks the client to come back. Clients of WHIP can't be asked; they return when their
        session ends."""
        self._sent_away = True
        association = ""
        if self._request.movable:
            association = self.association.offer(self.publisher.session, self.plane_session)
        self._ingest.tell(self, SessionState.CLOSED, EndReason.DRAINING, association)

    def end(self, reason: EndReason) -> None:
        """See `Ingest`: the plane session ends, and its sources stay."""
        self._ingest.unregister(self)
        self.association.over(self.publisher.session)
        self.say_closed(reason)
        if self.plane_session is not None:
            session, self.plane_session = self.plane_session, None
            # Who goes on elsewhere may still have this association, and would take a goodbye for its end.
            silent = self.association.stopped or (self._sent_away and reason is EndReason.REPLACED)
            self._ingest.plane.execute(protocol.RemoveSession(session=session, keep_sources=True, silent=silent))

    def _videos(self) -> list[SourceId]:
        return [self._sources[t.track] for t in self._negotiation.tracks if t.kind is MediaKind.VIDEO]

    def say_closed(self, reason: EndReason) -> None:
        """Tell signaling that the session is over, unless it was told so before."""
        if not self._told_closed:
            self._told_closed = True
            self._ingest.tell(self, SessionState.CLOSED, reason)


def _unknown() -> RillcastError:
    return RillcastError(ErrorCode.UNKNOWN_SESSION, "no such publisher session at this node")
