"""Joins: from the play request to the plane session. Either the client offers (WHEP) or we do and await its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from opentelemetry import trace

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, stream_key
from rillcast.contracts.messages import Ack, AnswerRequest, PlayRequest, SessionAnswer
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from rillcast.media.sdp import PlayNegotiation, answer_play, offer_play
from rillcast.node.ice import ice_parameters
from services.edge import metrics
from services.edge.domain.feed import Feed, FeedSlot
from services.edge.domain.negotiated import accept_answer
from services.edge.domain.rendition_selector import RenditionSelector, first_choice, nearest
from services.edge.domain.stage import Stage, StageEvent
from services.edge.domain.subscription import SubscribedTrack, Subscription
from services.edge.domain.supply import options_of, supplies_for, tracks_to_come
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Clock, Plane
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.rung_wait import RungWait
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays

tracer = trace.get_tracer("rillcast.edge")

RECORD_WAIT_S = 1.0
"""Signaling may have seen the stream a moment before us."""


class JoinLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on joining."""

    max_connecting: int
    """Sessions whose handshake isn't finished; more are refused."""
    first_budget_bps: int
    """Bit rate the first rendition may have, before anything is known about the viewer's link. 0 = no bound."""


class ViewerJoin:
    """Takes viewers in."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        room: Callable[[], None],
        watch: StreamWatch,
        relays: UpstreamRelays,
        viewers: Viewers,
        session_end: SessionEnd,
        first_packets: FirstPackets,
        begun: Callable[[Viewer], None],
        limits: JoinLimits,
        clock: Clock,
    ) -> None:
        """`room` raises when this node takes nobody more. `begun` hears of viewers that the plane has."""
        self._node = node
        self._plane = plane
        self._room = room
        self._watch = watch
        self._relays = relays
        self._viewers = viewers
        self._session_end = session_end
        self._first_packets = first_packets
        self._begun = begun
        self._limits = limits
        self._clock = clock
        self._rungs = RungWait(watch)

    async def play(self, request: PlayRequest) -> SessionAnswer:
        """Serve `subjects.edge_play`. The same session again gets the same answer."""
        with tracer.start_as_current_span("edge.play", attributes={"rillcast.stream": request.stream}):
            try:
                answer = await self._play(request)
            except RillcastError as refusal:
                metrics.JOINS.labels(refusal.code.value).inc()
                raise
            metrics.JOINS.labels("ok").inc()
            return answer

    async def accept(self, request: AnswerRequest) -> Ack:
        """Serve `subjects.edge_accept`."""
        viewer = self._viewers.session(request.session)
        if viewer is None or viewer.offer is None or viewer.stage < Stage.OFFERED:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "no offer waits for this answer; it may have expired")
        if viewer.stage > Stage.OFFERED:
            return Ack()
        (subscription,) = viewer.subscriptions
        live = self._watch.directory.by_key(subscription.key)
        if live is None:
            raise _not_live()
        negotiation = accept_answer(viewer.offer, request.sdp_answer, live)
        self._viewers.advance(viewer, StageEvent.ANSWERED)
        try:
            await self._begin(viewer, subscription, live, negotiation)
        finally:
            if viewer.stage < Stage.CONNECTING:
                self._session_end.forget(viewer, EndReason.REFUSED)
        return Ack()

    async def _play(self, request: PlayRequest) -> SessionAnswer:
        if (known := self._viewers.session(request.session)) is not None:
            return _answered(known)
        self._admit()
        live = await self._watch.wait_for(request.app, request.stream, RECORD_WAIT_S)
        if live is None:
            raise _not_live()
        if (known := self._viewers.session(request.session)) is not None:
            return _answered(known)
        self._admit()
        viewer = self._viewers.add(request, self._clock())
        self._first_packets.asked(viewer)
        subscription = self._viewers.subscribe(viewer, stream_key(request.app, request.stream))
        metrics.count(self._viewers)
        try:
            if request.sdp_offer is None:
                return await self._offer(viewer, subscription, live)
            return await self._answer(viewer, subscription, live, request.sdp_offer)
        finally:
            if viewer.answer is None:
                self._session_end.forget(viewer, EndReason.REFUSED)

    def _admit(self) -> None:
        self._room()
        if self._viewers.connecting >= self._limits.max_connecting:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too many viewers are connecting to this edge", 2.0)

    async def _offer(self, viewer: Viewer, subscription: Subscription, live: LiveStream) -> SessionAnswer:
        """Offer everything, and open the relays of what will probably be taken."""
        tracks = [supply.track for supply in live.supplies()]
        if not tracks:
            raise _not_live()
        request = viewer.request
        tracks += tracks_to_come(live, request.codecs_to_come)
        viewer.offer = offer_play(tracks, viewer.local, stream=request.stream, label=request.stream)
        lines = [line for line in viewer.offer.lines if line.payloads]
        likely = [self._first_supply(live, line.group, line.payloads[0].codec, 0) for line in lines]
        await self._open(viewer, live, ((subscription.offer(), supply) for supply in likely if supply is not None))
        self._viewers.advance(viewer, StageEvent.OFFER_SENT)
        viewer.answer = SessionAnswer(
            session=request.session, node=self._node, sdp=viewer.offer.sdp, id_mapping=viewer.offer.id_mapping
        )
        return viewer.answer

    async def _answer(
        self, viewer: Viewer, subscription: Subscription, live: LiveStream, sdp_offer: str
    ) -> SessionAnswer:
        request = viewer.request
        tracks = [supply.track for supply in live.supplies()]
        tracks += tracks_to_come(live, request.codecs_to_come)
        negotiation = answer_play(sdp_offer, tracks, viewer.local, stream=request.stream, label=request.stream)
        await self._begin(viewer, subscription, live, negotiation)
        viewer.answer = SessionAnswer(session=request.session, node=self._node, sdp=negotiation.sdp or "")
        return viewer.answer

    async def _begin(
        self, viewer: Viewer, subscription: Subscription, live: LiveStream, negotiation: PlayNegotiation
    ) -> None:
        """Agreed: open what relays it needs, then the plane session."""
        live = await self._rungs.settle(live, viewer.request, negotiation.codecs_by_mid)
        chosen = self._supplies(live, negotiation, viewer.wishes.height)
        tracks = _add_tracks(viewer, subscription, negotiation)
        await self._open(viewer, live, ((track.shown, chosen[track.group]) for track in tracks))
        for track in tracks:
            track.muted = track.kind in viewer.wishes.muted
            track.selector.force(viewer.wishes.height)
        self._plane.execute(_session(viewer, negotiation))
        subscription.give_offered_back()
        self._viewers.advance(viewer, StageEvent.BEGUN)
        self._first_packets.begun(viewer)
        self._begun(viewer)

    def _supplies(self, live: LiveStream, negotiation: PlayNegotiation, height: int) -> dict[str, TrackSupply]:
        """What to begin with, by group."""
        found: dict[str, TrackSupply] = {}
        for group in negotiation.track_groups:
            supply = self._first_supply(live, group, negotiation.codecs_by_mid[group], height)
            if supply is None:
                raise RillcastError(ErrorCode.NO_COMMON_CODEC, "the stream changed its codec during the join", 1.0)
            found[group] = supply
        return found

    def _first_supply(self, live: LiveStream, group: str, codec: str, height: int) -> TrackSupply | None:
        """`height`: what the viewer chose; 0 = automatic."""
        supplies = supplies_for(live, group, codec)
        if not supplies:
            return None
        options = options_of(supplies)
        chosen = nearest(options, height).track if height else first_choice(options, self._limits.first_budget_bps)
        return next(supply for supply in supplies if supply.track.track == chosen)

    async def _open(self, viewer: Viewer, live: LiveStream, wanted: Iterable[tuple[FeedSlot, TrackSupply]]) -> None:
        """Feeds for all, at once. Raises the first refusal, or why the session is over if it ended meanwhile."""
        _require_going_on(viewer)
        feeds: list[Feed] = []
        for slot, supply in wanted:
            use = self._relays.use(live, supply)
            slot.put(use)
            feeds.append(use.feed)
        try:
            await self._relays.opened(feeds)
        except RillcastError:
            _require_going_on(viewer)
            raise
        _require_going_on(viewer)


def _add_tracks(
    viewer: Viewer, subscription: Subscription, negotiation: PlayNegotiation
) -> tuple[SubscribedTrack, ...]:
    sent = {track.track: track for track in negotiation.send}
    videos = sum(track.kind == MediaKind.VIDEO for track in negotiation.send)
    return tuple(
        subscription.add_track(
            index,
            group,
            kind=MediaKind(sent[index].kind),
            codec=negotiation.codecs_by_mid[group],
            selector=RenditionSelector(viewer.request.abr, can_probe=bool(sent[index].rtx_ssrc) and videos == 1),
        )
        for group, index in negotiation.track_groups.items()
    )


def _session(viewer: Viewer, negotiation: PlayNegotiation) -> protocol.AddSession:
    sources = {track.index: track.shown.feed.source for track in viewer.tracks if track.shown.feed and not track.muted}
    return protocol.AddSession(
        session=viewer.plane_session,
        worker=viewer.worker,
        ice=ice_parameters(viewer.local, negotiation.ice_remote),
        dtls=negotiation.dtls,
        extensions=negotiation.extensions,
        send=tuple(msgspec.structs.replace(track, source=sources.get(track.track)) for track in negotiation.send),
    )


def _answered(viewer: Viewer) -> SessionAnswer:
    if viewer.answer is None:
        raise RillcastError(ErrorCode.ALREADY_PLAYING, "this session is being opened already")
    return viewer.answer


def _require_going_on(viewer: Viewer) -> None:
    if viewer.ended is EndReason.DRAINING:
        raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "this edge is going away", 1.0)
    if viewer.ended is not None:
        raise RillcastError(ErrorCode.UNKNOWN_SESSION, "the session was closed during the join")


def _not_live() -> RillcastError:
    return RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is not live")
