"""Joins: from the play request to the plane session. Either the client offers (WHEP) or we do and await its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from opentelemetry import trace

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, stream_key
from rillcast.contracts.messages import Ack, AnswerRequest, PlayRequest, PlaySubscription, SessionAnswer
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from rillcast.media.sdp import PlayNegotiation, SentStream, TooManyTracks, answer_play, offer_play
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


MAX_SUBSCRIPTIONS = 8
"""Of one session; more are refused."""


class Part(NamedTuple):
    """One stream of a join."""

    subscription: Subscription
    wanted: PlaySubscription
    live: LiveStream


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
        with tracer.start_as_current_span("edge.play", attributes={"rillcast.stream": _names(request)}):
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
        parts = self._offered(viewer)
        lives = {part.subscription.place: part.live for part in parts}
        negotiation = accept_answer(viewer.offer, request.sdp_answer, lives)
        self._viewers.advance(viewer, StageEvent.ANSWERED)
        try:
            await self._begin(viewer, parts, negotiation)
        finally:
            if viewer.stage < Stage.CONNECTING:
                self._session_end.forget(viewer, EndReason.REFUSED)
        return Ack()

    async def _play(self, request: PlayRequest) -> SessionAnswer:
        if (known := self._viewers.session(request.session)) is not None:
            return _answered(known)
        _require_possible(request.subscriptions)
        self._admit()
        lives = await self._lives(request.subscriptions)
        if (known := self._viewers.session(request.session)) is not None:
            return _answered(known)
        self._admit()
        viewer = self._viewers.add(request, self._clock())
        self._first_packets.asked(viewer)
        parts = [self._part(viewer, place, live) for place, live in enumerate(lives)]
        metrics.count(self._viewers)
        try:
            if request.sdp_offer is None:
                return await self._offer(viewer, parts)
            return await self._answer(viewer, parts, request.sdp_offer)
        finally:
            if viewer.answer is None:
                self._session_end.forget(viewer, EndReason.REFUSED)

    async def _lives(self, wanted: tuple[PlaySubscription, ...]) -> list[LiveStream]:
        """All streams, or a refusal."""
        waits = (self._watch.wait_for(one.app, one.stream, RECORD_WAIT_S) for one in wanted)
        lives = [live for live in await asyncio.gather(*waits) if live is not None]
        if len(lives) < len(wanted):
            raise _not_live()
        return lives

    def _part(self, viewer: Viewer, place: int, live: LiveStream) -> Part:
        wanted = viewer.request.subscriptions[place]
        subscription = self._viewers.subscribe(viewer, stream_key(wanted.app, wanted.stream), place)
        return Part(subscription, wanted, live)

    def _offered(self, viewer: Viewer) -> list[Part]:
        """The streams of a session that has been offered and has not begun, as they are now. Those that have ended
        meanwhile are missing."""
        parts: list[Part] = []
        for subscription in viewer.subscriptions:
            live = self._watch.directory.by_key(subscription.key)
            if live is None:
                raise _not_live()
            parts.append(Part(subscription, viewer.request.subscriptions[subscription.place], live))
        return parts

    def _admit(self) -> None:
        self._room()
        if self._viewers.connecting >= self._limits.max_connecting:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too many viewers are connecting to this edge", 2.0)

    async def _offer(self, viewer: Viewer, parts: list[Part]) -> SessionAnswer:
        """Offer everything, and open the relays of what will probably be taken."""
        try:
            viewer.offer = offer_play([_sent(part) for part in parts], viewer.local)
        except TooManyTracks as error:
            raise RillcastError(ErrorCode.BAD_REQUEST, str(error)) from None
        budget_bps = self._budget_bps(parts)
        likely: list[tuple[LiveStream, FeedSlot, TrackSupply]] = []
        for line in viewer.offer.lines:
            subscription, _, live = parts[line.subscription]
            codecs = [payload.codec for payload in line.payloads[:1]]
            supplies = [self._first_supply(live, line.group, codec, 0, budget_bps) for codec in codecs]
            likely += [(live, subscription.offer(), supply) for supply in supplies if supply is not None]
        await self._open(viewer, likely)
        self._viewers.advance(viewer, StageEvent.OFFER_SENT)
        viewer.answer = SessionAnswer(
            session=viewer.session, node=self._node, sdp=viewer.offer.sdp, id_mapping=viewer.offer.id_mapping
        )
        return viewer.answer

    async def _answer(self, viewer: Viewer, parts: list[Part], sdp_offer: str) -> SessionAnswer:
        negotiation = answer_play(sdp_offer, [_sent(part) for part in parts], viewer.local)
        await self._begin(viewer, parts, negotiation)
        viewer.answer = SessionAnswer(session=viewer.session, node=self._node, sdp=negotiation.sdp or "")
        return viewer.answer

    async def _begin(self, viewer: Viewer, parts: list[Part], negotiation: PlayNegotiation) -> None:
        """Agreed: open what relays it needs, then the plane session."""
        parts = await self._settled(viewer, parts, negotiation)
        budget_bps = self._budget_bps(parts)
        wanted: list[tuple[LiveStream, FeedSlot, TrackSupply]] = []
        for part in parts:
            chosen = self._supplies(part, negotiation, budget_bps)
            tracks = _add_tracks(viewer, part.subscription, negotiation)
            wanted += [(part.live, track.shown, chosen[track.group]) for track in tracks]
        await self._open(viewer, wanted)
        for subscription in viewer.subscriptions:
            for track in subscription.tracks:
                track.muted = track.kind in subscription.wishes.muted
                track.selector.force(subscription.wishes.height)
        self._plane.execute(_session(viewer, negotiation))
        for subscription in viewer.subscriptions:
            subscription.give_offered_back()
        self._viewers.advance(viewer, StageEvent.BEGUN)
        self._first_packets.begun(viewer)
        self._begun(viewer)

    async def _settled(self, viewer: Viewer, parts: list[Part], negotiation: PlayNegotiation) -> list[Part]:
        """The streams of which the client takes something, once they have it. Subscriptions to the others are over."""
        taken = [part for part in parts if negotiation.of(part.subscription.place)]
        if not taken:
            raise _not_live()
        for part in parts:
            if not negotiation.of(part.subscription.place):
                self._session_end.end_subscription(viewer, part.subscription, EndReason.REFUSED)
        lives = await asyncio.gather(
            *(self._rungs.settle(p.live, p.wanted, negotiation.codecs(p.subscription.place)) for p in taken)
        )
        _require_going_on(viewer)
        settled = [part._replace(live=live) for part, live in zip(taken, lives, strict=True)]
        return [part for part in settled if part.subscription in viewer.subscriptions]

    def _supplies(self, part: Part, negotiation: PlayNegotiation, budget_bps: int) -> dict[str, TrackSupply]:
        """What to begin with, by group."""
        found: dict[str, TrackSupply] = {}
        height = part.subscription.wishes.height
        for group, codec in negotiation.codecs(part.subscription.place).items():
            supply = self._first_supply(part.live, group, codec, height, budget_bps)
            if supply is None:
                raise RillcastError(ErrorCode.NO_COMMON_CODEC, "the stream changed its codec during the join", 1.0)
            found[group] = supply
        return found

    def _budget_bps(self, parts: list[Part]) -> int:
        """Of each stream: its share of what a session may begin with; 0 = no bound."""
        return self._limits.first_budget_bps // len(parts)

    def _first_supply(
        self, live: LiveStream, group: str, codec: str, height: int, budget_bps: int
    ) -> TrackSupply | None:
        """`height`: what the viewer chose; 0 = automatic."""
        supplies = supplies_for(live, group, codec)
        if not supplies:
            return None
        options = options_of(supplies)
        chosen = nearest(options, height).track if height else first_choice(options, budget_bps)
        return next(supply for supply in supplies if supply.track.track == chosen)

    async def _open(self, viewer: Viewer, wanted: Iterable[tuple[LiveStream, FeedSlot, TrackSupply]]) -> None:
        """Feeds for all, at once. Raises the first refusal, or why the session is over if it ended meanwhile."""
        _require_going_on(viewer)
        feeds: list[Feed] = []
        for live, slot, supply in wanted:
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
            agreed.track,
            agreed.group,
            kind=MediaKind(sent[agreed.track].kind),
            codec=agreed.codec,
            selector=RenditionSelector(viewer.request.abr, can_probe=bool(sent[agreed.track].rtx_ssrc) and videos == 1),
        )
        for agreed in negotiation.of(subscription.place)
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


def _sent(part: Part) -> SentStream:
    """What the client may take of a stream. Raises NO_STREAM_EXIST when there is nothing of it."""
    _, wanted, live = part
    tracks = [supply.track for supply in live.supplies()]
    if tracks:
        tracks += tracks_to_come(live, wanted.codecs_to_come)
    if wanted.mids:
        tracks = [track for track in tracks if track.mid in wanted.mids]
    if not tracks:
        raise _not_live()
    return SentStream(wanted.stream, tracks)


def _require_possible(wanted: tuple[PlaySubscription, ...]) -> None:
    if not wanted:
        raise RillcastError(ErrorCode.BAD_REQUEST, "this edge cannot serve a session without a stream")
    if len(wanted) > MAX_SUBSCRIPTIONS:
        raise RillcastError(ErrorCode.BAD_REQUEST, f"a session has {MAX_SUBSCRIPTIONS} streams at most")
    if len({one.stream for one in wanted}) < len(wanted):
        raise RillcastError(ErrorCode.BAD_REQUEST, "a session has each stream id once")


def _names(request: PlayRequest) -> str:
    return ",".join(one.stream for one in request.subscriptions[:MAX_SUBSCRIPTIONS])


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
