"""Joins: the play request and, if it was we who made the offer, the client's answer to it.

    WHEP:       play with an offer ──▶ begin ──▶ our answer
    WebSocket:  play ──▶ our offer … accept with an answer ──▶ begin

All streams of a request are joined or none is, and a join that fails leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, stream_key
from rillcast.contracts.messages import Ack, AnswerRequest, PlayRequest, PlaySubscription, SessionAnswer
from rillcast.contracts.words import EndReason
from rillcast.media.sdp import TooManyTracks, after_move, answer_play, before_viewer_moves, offer_play
from rillcast.runtime.tasks.together import together
from rillcast.runtime.telemetry.tracing import tracer
from services.edge import metrics
from services.edge.domain.join_parts import MAX_SUBSCRIPTIONS, Part, not_live, require_possible, sent
from services.edge.domain.negotiated import accept_answer
from services.edge.domain.stage import Stage, StageEvent
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Clock
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.session_start import SessionStart, require_going_on
from services.edge.usecases.viewer_associations import ViewerAssociations

trace = tracer("rillcast.edge")

RECORD_WAIT_S = 1.0
"""Signaling may have seen the stream a moment before us."""
CROWD_RETRY_S = 2.0
"""When it is worth asking again while too many viewers are connecting."""


class ViewerJoin:
    """Takes viewers in. One per edge."""

    def __init__(
        self,
        viewers: Viewers,
        start: SessionStart,
        session_end: SessionEnd,
        first_packets: FirstPackets,
        associations: ViewerAssociations,
        *,
        node: NodeId,
        room: Callable[[str], None],
        watch: StreamWatch,
        clock: Clock,
        max_connecting: int,
    ) -> None:
        """`room` raises when this node takes nobody more, or nobody of this client. `max_connecting`: sessions whose
        handshake isn't finished; more are refused."""
        self._node = node
        self._room = room
        self._watch = watch
        self._viewers = viewers
        self._start = start
        self._session_end = session_end
        self._first_packets = first_packets
        self._associations = associations
        self._clock = clock
        self._max_connecting = max_connecting

    async def play(self, request: PlayRequest) -> SessionAnswer:
        """Serve `subjects.edge_play`. The same session again gets the same answer. Raises every refusal of a join: the
        stream is not live, the edge is full or going away, no codec in common, a description that is broken."""
        said = {"rillcast.stream": _names(request), "rillcast.session": request.session}
        with trace.start_as_current_span("edge.play", attributes=said):
            try:
                answer = await self._play(request)
            except RillcastError as refusal:
                metrics.JOINS.labels(refusal.code.value).inc()
                raise
            metrics.JOINS.labels("ok").inc()
            return answer

    async def accept(self, request: AnswerRequest) -> Ack:
        """Serve `subjects.edge_accept`. An answer that is broken may be corrected; after any other refusal the session
        is over. The same answer again does nothing."""
        viewer = self._viewers.session(request.session)
        if viewer is None or viewer.offer is None or viewer.stage < Stage.OFFERED:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "no offer waits for this answer; it may have expired")
        if viewer.stage > Stage.OFFERED:
            return Ack()
        parts = self._offered(viewer)
        lives = {part.subscription.place: part.live for part in parts}
        negotiation = accept_answer(viewer.offer, request.sdp_answer, lives)
        self._viewers.advance(viewer, StageEvent.ANSWERED)
        try:
            await self._start.begin(viewer, parts, negotiation)
        finally:
            if viewer.stage < Stage.CONNECTING:
                self._session_end.forget(viewer, EndReason.REFUSED)
        return Ack()

    async def _play(self, request: PlayRequest) -> SessionAnswer:
        if (known := self._viewers.session(request.session)) is not None:
            return _answered(known)
        require_possible(request.subscriptions)
        self._admit(request.client)
        lives = await self._lives(request.subscriptions)
        if (known := self._viewers.session(request.session)) is not None:
            return _answered(known)
        self._admit(request.client)
        viewer = self._viewers.add(request, self._clock())
        self._first_packets.asked(viewer)
        parts = [self._part(viewer, place, live) for place, live in enumerate(lives)]
        metrics.count(self._viewers)
        try:
            viewer.answer = await self._opened(viewer, parts)
        finally:
            if viewer.answer is None:
                self._session_end.forget(viewer, EndReason.REFUSED)
        return viewer.answer

    async def _opened(self, viewer: Viewer, parts: Sequence[Part]) -> SessionAnswer:
        session, offer_sdp = viewer.session, viewer.request.sdp_offer
        if offer_sdp is not None:
            negotiation = answer_play(offer_sdp, [sent(part) for part in parts], viewer.local)
            await self._start.begin(viewer, parts, negotiation)
            return SessionAnswer(session=session, node=self._node, sdp=negotiation.sdp or "")
        try:
            offer = viewer.offer = offer_play([sent(part) for part in parts], viewer.local)
        except TooManyTracks as error:
            raise RillcastError(ErrorCode.BAD_REQUEST, str(error)) from None
        sdp, then = offer.sdp, ""
        preparing = [self._start.prepare(viewer, parts, offer)]
        if first := viewer.request.sdp_offered and before_viewer_moves(sdp, viewer.request.sdp_offered):
            sdp, then = first, after_move(sdp)
            preparing.append(self._associations.ready(viewer))
        await together(preparing)
        require_going_on(viewer)
        self._viewers.advance(viewer, StageEvent.OFFER_SENT)
        return SessionAnswer(
            session=session,
            node=self._node,
            sdp=sdp,
            sdp_then=then,
            keeps_association=viewer.takeover is not None,
            id_mapping=offer.id_mapping,
        )

    async def _lives(self, wanted: tuple[PlaySubscription, ...]) -> list[LiveStream]:
        """All streams as they are when the last one is there, or a refusal: one may go while another is waited for."""
        await together(self._watch.wait_for(one.app, one.stream, RECORD_WAIT_S) for one in wanted)
        lives = [live for one in wanted if (live := self._watch.get(one.app, one.stream)) is not None]
        if len(lives) < len(wanted):
            raise not_live()
        return lives

    def _part(self, viewer: Viewer, place: int, live: LiveStream) -> Part:
        wanted = viewer.request.subscriptions[place]
        subscription = self._viewers.subscribe(viewer, stream_key(wanted.app, wanted.stream), place)
        return Part(subscription, wanted, live)

    def _offered(self, viewer: Viewer) -> list[Part]:
        """The streams of a session that has been offered and has not begun, as they are now. Raises NO_STREAM_EXIST
        when the record of one is gone."""
        parts: list[Part] = []
        for subscription in viewer.subscriptions:
            live = self._watch.directory.by_key(subscription.key)
            if live is None:
                raise not_live()
            parts.append(Part(subscription, viewer.request.subscriptions[subscription.place], live))
        return parts

    def _admit(self, client: str) -> None:
        """Who has many handshakes under way is refused before others have to be: a client may begin one more as long as
        fewer are its own than may still begin (`rillcast.cluster.shares`)."""
        self._room(client)
        free = self._max_connecting - self._viewers.connecting
        if 0 < free <= self._viewers.connecting_of(client):
            metrics.CONNECTING_REFUSED.labels("address_full").inc()
            text = "too many viewers from your address are connecting to this edge"
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, text, CROWD_RETRY_S)
        if self._viewers.connecting >= self._max_connecting:
            metrics.CONNECTING_REFUSED.labels("full").inc()
            text = "too many viewers are connecting to this edge"
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, text, CROWD_RETRY_S)


def _names(request: PlayRequest) -> str:
    return ",".join(one.stream for one in request.subscriptions[:MAX_SUBSCRIPTIONS])


def _answered(viewer: Viewer) -> SessionAnswer:
    if viewer.answer is None:
        raise RillcastError(ErrorCode.ALREADY_PLAYING, "this session is being opened already")
    return viewer.answer
