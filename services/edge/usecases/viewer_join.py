"""Joins: from the play request to the plane session. Either the client offers (WHEP) or we do and await its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from opentelemetry import context, trace

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, stream_key
from rillcast.contracts.messages import Ack, AnswerRequest, PlayRequest, SessionAnswer
from rillcast.media import protocol
from rillcast.media.sdp import PlayNegotiation, answer_play, offer_play
from rillcast.node.load import MediaLoad
from services.edge import metrics
from services.edge.domain.rendition_selector import RenditionSelector, first_choice
from services.edge.domain.supply import options_of, supplies_for, tracks_to_come
from services.edge.domain.viewer import Stage, Viewer, Viewers, ViewerTrack
from services.edge.ports import Clock, Plane
from services.edge.usecases.rung_wait import RungWait, accept_answer
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import Feed, UpstreamRelays

tracer = trace.get_tracer("rillcast.edge")

RECORD_WAIT_S = 1.0
"""Signaling may have seen the stream a moment before us."""


class JoinLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on joining."""

    max_connecting: int = 4_000
    """Sessions whose handshake isn't finished; more are refused."""
    first_budget_bps: int = 3_000_000
    """Bit rate the first rendition may have, before anything is known about the viewer's link."""


class ViewerJoin:
    """Takes viewers in."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        load: MediaLoad,
        watch: StreamWatch,
        upstream: UpstreamRelays,
        viewers: Viewers,
        session_end: SessionEnd,
        limits: JoinLimits,
        clock: Clock,
    ) -> None:
        self._node = node
        self._plane = plane
        self._load = load
        self._watch = watch
        self._upstream = upstream
        self._viewers = viewers
        self._session_end = session_end
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
        if viewer is None or viewer.offer is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "no offer waits for this answer; it may have expired")
        if viewer.stage >= Stage.ANSWERED:
            return Ack()
        live = self._watch.directory.by_key(viewer.key)
        if live is None:
            raise _not_live()
        negotiation = accept_answer(viewer.offer, request.sdp_answer, live)
        self._viewers.advance(viewer, Stage.ANSWERED)
        try:
            await self._begin(viewer, live, negotiation)
        finally:
            if viewer.stage < Stage.CONNECTING:
                self._session_end.forget(viewer, "refused")
        return Ack()

    async def _play(self, request: PlayRequest) -> SessionAnswer:
        known = self._viewers.session(request.session)
        if known is not None:
            if known.answer is None:
                raise RillcastError(ErrorCode.ALREADY_PLAYING, "this session is being opened already")
            return known.answer
        self._admit()
        live = await self._watch.wait_for(request.app, request.stream, RECORD_WAIT_S)
        if live is None:
            raise _not_live()
        if self._viewers.session(request.session) is not None:
            raise RillcastError(ErrorCode.ALREADY_PLAYING, "this session is being opened already")
        viewer = self._viewers.add(stream_key(request.app, request.stream), request, self._clock())
        viewer.trace = context.get_current()
        try:
            if request.sdp_offer is None:
                return await self._offer(viewer, live)
            return await self._answer(viewer, live, request.sdp_offer)
        finally:
            if viewer.answer is None:
                self._session_end.forget(viewer, "refused")

    def _admit(self) -> None:
        if reason := self._load.full():
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"this edge is full: {reason}", 5.0)
        if self._viewers.connecting >= self._limits.max_connecting:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too many viewers are connecting to this edge", 2.0)

    async def _offer(self, viewer: Viewer, live: LiveStream) -> SessionAnswer:
        tracks = [supply.track for supply in live.supplies()]
        if not tracks:
            raise _not_live()
        request = viewer.request
        tracks += tracks_to_come(live, request.codecs_to_come)
        viewer.offer = offer_play(tracks, viewer.local, stream=request.stream, label=request.stream)
        wanted = [
            self._first_supply(live, line.group, line.payloads[0].codec) for line in viewer.offer.lines if line.payloads
        ]
        await self._acquire(viewer, [supply for supply in wanted if supply is not None])
        self._viewers.advance(viewer, Stage.OFFERED)
        viewer.answer = SessionAnswer(
            session=request.session, node=self._node, sdp=viewer.offer.sdp, id_mapping=viewer.offer.id_mapping
        )
        return viewer.answer

    async def _answer(self, viewer: Viewer, live: LiveStream, sdp_offer: str) -> SessionAnswer:
        request = viewer.request
        tracks = [supply.track for supply in live.supplies()]
        tracks += tracks_to_come(live, request.codecs_to_come)
        negotiation = answer_play(sdp_offer, tracks, viewer.local, stream=request.stream, label=request.stream)
        await self._begin(viewer, live, negotiation)
        viewer.answer = SessionAnswer(session=request.session, node=self._node, sdp=negotiation.sdp or "")
        return viewer.answer

    async def _begin(self, viewer: Viewer, live: LiveStream, negotiation: PlayNegotiation) -> None:
        """Agreed: open what relays it needs, then the plane session."""
        live = await self._rungs.settle(live, viewer.request, negotiation.codecs_by_mid)
        supplies: dict[str, TrackSupply] = {}
        for group in negotiation.track_groups:
            supply = self._first_supply(live, group, negotiation.codecs_by_mid[group])
            if supply is None:
                raise RillcastError(ErrorCode.NO_COMMON_CODEC, "the stream changed its codec during the join", 1.0)
            supplies[group] = supply
        before = len(viewer.held)
        feeds = dict(zip(supplies, await self._acquire(viewer, tuple(supplies.values())), strict=True))
        offered, viewer.held = viewer.held[:before], []
        sent = {track.track: track for track in negotiation.send}
        videos = sum(track.kind == "video" for track in negotiation.send)
        viewer.tracks = [
            ViewerTrack(
                index,
                group,
                kind=sent[index].kind,
                codec=negotiation.codecs_by_mid[group],
                feed=feeds[group],
                selector=RenditionSelector(viewer.request.abr, can_probe=bool(sent[index].rtx_ssrc) and videos == 1),
            )
            for group, index in negotiation.track_groups.items()
        ]
        for feed in offered:
            self._upstream.release(feed)
        self._viewers.advance(viewer, Stage.CONNECTING)
        viewer.first_packet = tracer.start_span("edge.first_packet", context=viewer.trace)
        sources = {track.index: track.feed.source for track in viewer.tracks if track.feed is not None}
        self._plane.execute(
            protocol.AddSession(
                session=viewer.plane_session,
                worker=viewer.worker,
                ice=protocol.IceParameters(
                    local_ufrag=viewer.local.ufrag,
                    local_pwd=viewer.local.pwd,
                    remote_ufrag=negotiation.ice_remote.ufrag,
                    remote_pwd=negotiation.ice_remote.pwd,
                ),
                dtls=negotiation.dtls,
                extensions=negotiation.extensions,
                send=tuple(
                    msgspec.structs.replace(track, source=sources.get(track.track)) for track in negotiation.send
                ),
            )
        )

    def _first_supply(self, live: LiveStream, group: str, codec: str) -> TrackSupply | None:
        supplies = supplies_for(live, group, codec)
        if not supplies:
            return None
        chosen = first_choice(options_of(supplies), self._limits.first_budget_bps)
        return next(supply for supply in supplies if supply.track.track == chosen)

    async def _acquire(self, viewer: Viewer, supplies: Sequence[TrackSupply]) -> list[Feed]:
        """Feeds for all, at once. Each is in `viewer.held` from the moment it is open, so that none outlives the viewer
        whatever goes wrong. Raises the first refusal, or UNKNOWN_SESSION if the client left meanwhile."""

        async def one(supply: TrackSupply) -> Feed:
            feed = await self._upstream.acquire(viewer.key, supply)
            if viewer.stage is Stage.ENDED:
                self._upstream.release(feed)
                raise _left()
            viewer.held.append(feed)
            return feed

        results = await asyncio.gather(*(one(supply) for supply in supplies), return_exceptions=True)
        if failed := next((result for result in results if isinstance(result, BaseException)), None):
            raise failed
        if viewer.stage is Stage.ENDED:
            raise _left()
        return [result for result in results if isinstance(result, Feed)]


def _left() -> RillcastError:
    return RillcastError(ErrorCode.UNKNOWN_SESSION, "the session was closed during the join")


def _not_live() -> RillcastError:
    return RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is not live")
