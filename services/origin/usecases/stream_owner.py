"""Publishers: from the request to the end of the stream. Owns every `Publication` of this node.

Entered from the bus (publish, close, restart_ice), from the plane (`on_event`), from the change feed
(`on_stream_changed`) and from a timer (`tick`). Media never waits for the bus or the store: they are needed to begin
a stream, not to go on with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from opentelemetry import trace

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, stream_key
from rillcast.contracts.messages import (
    Ack,
    CarriedStream,
    CloseRequest,
    HandOverRequest,
    PublishRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SessionAnswer,
    SessionChanged,
    StreamEvent,
)
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol
from rillcast.media.sdp import LocalTransport, PublishNegotiation, answer_publish
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks, Outbox
from rillcast.node.ice import ice_parameters, restart_ice
from rillcast.node.load import MediaLoad
from services.origin import metrics
from services.origin.domain.takeover import may_take_over
from services.origin.ports import Clock, Plane, WallClock
from services.origin.usecases.claims import Claims, in_use
from services.origin.usecases.parenting import Parenting
from services.origin.usecases.publication import Due, Publication, onto_sources, same_layout

tracer = trace.get_tracer("rillcast.origin")

_RELEASE_WAIT_S = 2.0


class Publishing:
    """All publishers of one origin."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        addresses: MediaAddresses,
        load: MediaLoad,
        claims: Claims,
        parenting: Parenting,
        outbox: Outbox,
        tasks: BackgroundTasks,
        clock: Clock,
        wall_ms: WallClock,
    ) -> None:
        self._node = node
        self._plane = plane
        self._addresses = addresses
        self._load = load
        self._claims = claims
        self._parenting = parenting
        self._outbox = outbox
        self._tasks = tasks
        self._clock = clock
        self._wall_ms = wall_ms
        self._streams: dict[str, Publication] = {}
        self._by_session: dict[SessionId, Publication] = {}
        self._by_plane: dict[int, Publication] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._releases: dict[str, asyncio.Task[None]] = {}
        self._gates: dict[str, tuple[asyncio.Lock, int]] = {}
        self._last_plane_session = 0
        self._last_source = 0

    # ------------------------------------------------------------ requests

    async def publish(self, request: PublishRequest) -> SessionAnswer:
        """Serve `subjects.origin_publish`. The same session again gets the same answer."""
        with tracer.start_as_current_span("origin.publish", attributes={"rillcast.stream": request.stream}):
            try:
                key = stream_key(request.app, request.stream)
                async with self._gate(key):
                    answer = await self._publish(key, request)
            except RillcastError as refusal:
                metrics.PUBLISHES.labels(refusal.code.value).inc()
                raise
            metrics.PUBLISHES.labels("ok").inc()
            return answer

    async def close(self, request: CloseRequest) -> Ack:
        """Serve `subjects.session_close`. Returns when the id is free for others, if the store allows."""
        publication = self._by_session.get(request.session)
        if publication is None:
            return Ack()
        if request.keep_stream_s > 0:
            publication.begin_grace(request.keep_stream_s, request.reason, self._clock())
        else:
            await asyncio.wait((self._end_soon(publication, request.reason, how="stopped"),))
        return Ack()

    async def hand_over(self, request: HandOverRequest) -> Ack:
        """Serve `subjects.origin_hand_over`: another origin gets the stream. The record stays for it to claim, viewers
        follow it there. Raises STREAM_ID_IN_USE while our publisher is better entitled."""
        publication = self._by_session.get(request.session)
        if publication is None:
            return Ack()
        if not request.rightful and not may_take_over(publication.living(self._clock()), ""):
            raise in_use()
        keeping = self._remove(publication, EndReason.REPLACED)
        metrics.ENDED.labels("handed_over").inc()
        if keeping is not None:
            await asyncio.wait((keeping,))
        return Ack()

    async def restart_ice(self, request: RestartIceRequest) -> RestartIceAnswer:
        """Serve `subjects.session_restart_ice`."""
        publication = self._by_session.get(request.session)
        if publication is None or publication.plane_session is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "no such publisher session at this node")
        local = self._addresses.transport(publication.worker)
        return restart_ice(self._plane, publication.plane_session, local, request)

    # ------------------------------------------------------------ what happens

    def on_event(self, event: object) -> None:
        """Take in an event of the plane."""
        match event:
            case protocol.SessionConnected(session=session):
                if publication := self._by_plane.get(session):
                    self._tell(publication, SessionState.CONNECTED)
            case protocol.SessionMedia(session=session):
                if publication := self._by_plane.get(session):
                    self._media_began(publication)
            case protocol.SessionClosed(session=session, reason=reason):
                if publication := self._by_plane.get(session):
                    self._session_lost(publication, EndReason(reason))
            case protocol.Error(command="add_session", id=session):
                if publication := self._by_plane.get(session):
                    self._session_lost(publication, EndReason.PLANE_ERROR)
            case _:
                pass

    def on_source_stats(self, stats: protocol.SourceStats) -> None:
        """Take in the figures of a source, once a second each."""
        found = self._parenting.source_of(stats.source)
        if found is not None:
            publication, track = found
            lost, recovered = publication.heard(track, stats, self._clock())
            metrics.PACKETS_LOST.inc(lost)
            metrics.PACKETS_RECOVERED.inc(recovered)

    def on_stream_changed(self, key: str, live: LiveStream | None) -> None:
        """The change feed shows this for a stream; another owner's higher epoch ends ours."""
        publication = self._streams.get(key)
        if publication is not None and live is not None:
            publication.keeper.observed(live.epoch, ours=publication.is_ours(live.record))

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for publication in tuple(self._streams.values()):
            match publication.due(now):
                case Due.START_TIMEOUT:
                    self._end_soon(publication, EndReason.NO_MEDIA, how="start_timeout")
                case Due.GRACE_OVER:
                    self._end_soon(publication, publication.grace_reason or EndReason.OTHER, how="not_returned")
                case Due.NOTHING:
                    pass

    @property
    def streams(self) -> int:
        """How many live here."""
        return len(self._streams)

    def carried(self) -> tuple[CarriedStream, ...]:
        """What the heartbeat says about streams here; children count as viewers."""
        streams = [
            CarriedStream(app=p.request.app, stream=p.request.stream, viewers=self._parenting.children(p.key))
            for p in self._streams.values()
        ]
        return tuple(sorted(streams, key=lambda carried: -carried.viewers)[:500])

    async def drain(self) -> None:
        """Tell publishers to go elsewhere. Their records stay in the store, so that the next origin takes them over
        with all viewers attached."""
        for publication in tuple(self._streams.values()):
            self._tell(publication, SessionState.CLOSED, EndReason.DRAINING)
        await self._outbox.flush()

    # ------------------------------------------------------------ beginning

    async def _publish(self, key: str, request: PublishRequest) -> SessionAnswer:
        living = self._streams.get(key)
        if living is not None and living.request.session == request.session:
            return living.answer
        if living is not None and not may_take_over(living.living(self._clock()), request.credential_digest):
            raise in_use()
        if living is None and (reason := self._load.full()):
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"this origin is full: {reason}", 5.0)
        worker = self._load.least_loaded() if living is None else living.worker
        local = self._addresses.transport(worker)
        negotiation = answer_publish(request.sdp_offer, local, allocate_source=self._new_source)
        if living is not None:
            return self._take_over(living, request, local, negotiation)
        return await self._begin(key, request, worker, local, negotiation)

    async def _begin(
        self, key: str, request: PublishRequest, worker: int, local: LocalTransport, negotiation: PublishNegotiation
    ) -> SessionAnswer:
        if (release := self._releases.get(key)) is not None:
            await asyncio.wait((release,), timeout=_RELEASE_WAIT_S)
        publication = Publication(key, self._node, worker, self._wall_ms())
        publication.request = request
        publication.tracks = {track.track: track for track in negotiation.tracks}
        publication.sources = dict(negotiation.sources)
        publication.expect(request.session)
        handed_over = await self._claims.claim(publication)
        metrics.EPOCH_CHANGES.inc()
        self._streams[key] = publication
        metrics.PUBLISHERS.set(len(self._streams))
        self._parenting.add(publication)
        if handed_over:
            metrics.RESTORED.labels("elsewhere").inc()
        answer = self._open_session(publication, request, local, negotiation, negotiation.recv, restored=handed_over)
        self._keepers[key] = self._tasks.start(self._keep(publication), f"lease of {key}")
        return answer

    def _take_over(
        self, publication: Publication, request: PublishRequest, local: LocalTransport, negotiation: PublishNegotiation
    ) -> SessionAnswer:
        """The publisher is back: its new session feeds the living stream."""
        keeps_sources = same_layout(publication.tracks, negotiation.tracks)
        self._drop_session(publication, EndReason.REPLACED, keep_sources=keeps_sources)
        publication.expect(request.session)
        if keeps_sources:
            recv = onto_sources(negotiation, publication.sources)
            fresh = {track.track: track.fmtp for track in negotiation.tracks}
            publication.tracks = {
                name: msgspec.structs.replace(track, fmtp=fresh[name]) for name, track in publication.tracks.items()
            }
        else:
            recv = negotiation.recv
            self._parenting.remove(publication)
            publication.tracks = {track.track: track for track in negotiation.tracks}
            publication.sources = dict(negotiation.sources)
            self._parenting.add(publication)
            publication.keeper.renew_epoch()
            metrics.EPOCH_CHANGES.inc()
        metrics.RESTORED.labels("here").inc()
        answer = self._open_session(publication, request, local, negotiation, recv, restored=publication.media_flowing)
        publication.keeper.hurry()
        return answer

    def _open_session(
        self,
        publication: Publication,
        request: PublishRequest,
        local: LocalTransport,
        negotiation: PublishNegotiation,
        recv: tuple[protocol.RecvTrack, ...],
        *,
        restored: bool,
    ) -> SessionAnswer:
        self._last_plane_session += 1
        plane_session = self._last_plane_session
        answer = SessionAnswer(session=request.session, node=self._node, sdp=negotiation.answer_sdp, restored=restored)
        publication.begin_session(request, answer, plane_session, restored=restored, now=self._clock())
        self._by_session[request.session] = publication
        self._by_plane[plane_session] = publication
        self._load.joined(publication.worker)
        self._plane.execute(
            protocol.AddSession(
                session=plane_session,
                worker=publication.worker,
                ice=ice_parameters(local, negotiation.ice_remote),
                dtls=negotiation.dtls,
                extensions=negotiation.extensions,
                recv=recv,
                keyframe_interval_ms=request.keyframe_interval_ms,
                max_bitrate_bps=request.max_bitrate_bps,
            )
        )
        return answer

    def _media_began(self, publication: Publication) -> None:
        metrics.FIRST_PACKET.observe(publication.media_began(self._clock()))
        publication.keeper.hurry()
        self._tell(publication, SessionState.MEDIA)
        restored = publication.restored
        self._announce(publication, subjects.STREAM_RESTORED if restored else subjects.STREAM_STARTED)

    # ------------------------------------------------------------ ending

    def _session_lost(self, publication: Publication, reason: EndReason) -> None:
        """The plane closed the session. Keep the stream for the publisher's return, unless it never came."""
        self._forget_session(publication)
        if not publication.media_flowing:
            self._end_soon(publication, EndReason.NO_MEDIA, how="start_timeout")
            return
        self._tell(publication, SessionState.CLOSED, reason)
        publication.begin_grace(publication.request.start_timeout_ms / 1000, reason, self._clock())

    def _drop_session(self, publication: Publication, reason: EndReason, *, keep_sources: bool) -> None:
        """End the publisher's session, if it still has one, and its sources unless they are to be kept."""
        session = publication.plane_session
        self._by_session.pop(publication.request.session, None)
        if session is not None:
            self._forget_session(publication)
            self._tell(publication, SessionState.CLOSED, reason)
            self._plane.execute(protocol.RemoveSession(session=session, keep_sources=keep_sources))
        elif not keep_sources:
            for source in publication.sources.values():
                self._plane.execute(protocol.RemoveSource(source=source))

    def _forget_session(self, publication: Publication) -> None:
        if publication.plane_session is not None:
            self._by_plane.pop(publication.plane_session, None)
            publication.plane_session = None
            self._load.left(publication.worker)

    def _remove(self, publication: Publication, reason: EndReason) -> asyncio.Task[None] | None:
        """Take the stream out of this node, at once. Returns the task that was renewing its lease."""
        self._streams.pop(publication.key, None)
        metrics.PUBLISHERS.set(len(self._streams))
        self._parenting.remove(publication)
        self._drop_session(publication, reason, keep_sources=False)
        keeping = self._keepers.pop(publication.key, None)
        if keeping is not None:
            keeping.cancel()
        return keeping

    def _end_soon(self, publication: Publication, reason: EndReason, *, how: str) -> asyncio.Task[None]:
        return self._tasks.start(self._end(publication, reason, how=how), f"end of {publication.key}")

    async def _end(self, publication: Publication, reason: EndReason, *, how: str) -> None:
        """The stream is over: free its id, tell everybody."""
        if self._streams.get(publication.key) is not publication:
            return
        keeping = self._remove(publication, reason)
        metrics.ENDED.labels(how).inc()
        release = self._tasks.start(self._release(publication, keeping), f"release of {publication.key}")
        self._releases[publication.key] = release
        await asyncio.wait((release,))
        if self._releases.get(publication.key) is release:
            del self._releases[publication.key]
        self._announce(publication, subjects.STREAM_ENDED, reason)

    async def _release(self, publication: Publication, keeping: asyncio.Task[None] | None) -> None:
        if keeping is not None:
            await asyncio.wait((keeping,))
        await publication.keeper.release()

    async def _keep(self, publication: Publication) -> None:
        """Renew the lease until it is lost to another node; then stand down without a word about the stream's end."""
        await publication.keeper.keep()
        if self._streams.get(publication.key) is publication:
            metrics.STAND_DOWNS.inc()
            metrics.ENDED.labels("stood_down").inc()
            self._keepers.pop(publication.key, None)
            self._remove(publication, EndReason.REPLACED)

    # ------------------------------------------------------------ small things

    def _tell(self, publication: Publication, state: SessionState, reason: EndReason | None = None) -> None:
        request = publication.request
        self._outbox.put(
            subjects.session_changed(request.signaling),
            SessionChanged(session=request.session, node=self._node, state=state, reason=reason),
        )

    def _announce(self, publication: Publication, subject: str, reason: EndReason | None = None) -> None:
        request = publication.request
        event = StreamEvent(
            app=request.app,
            stream=request.stream,
            epoch=publication.keeper.lease.epoch,
            owner=self._node,
            reason=reason,
        )
        self._outbox.put(subject, event)

    def _new_source(self) -> int:
        self._last_source += 1
        return self._last_source

    @asynccontextmanager
    async def _gate(self, key: str) -> AsyncIterator[None]:
        """One publish at a time per stream."""
        lock, users = self._gates.get(key, (asyncio.Lock(), 0))
        self._gates[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._gates[key]
            if users == 1:
                del self._gates[key]
            else:
                self._gates[key] = (lock, users - 1)
