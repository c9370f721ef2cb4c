"""Living viewers: what the plane, the directory, the clock and the viewers themselves want of their sessions."""

from __future__ import annotations

from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, stream_key
from rillcast.contracts.messages import (
    Ack,
    CloseRequest,
    MuteRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SelectRendition,
    SessionChanged,
    StreamEvent,
)
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol
from rillcast.media.sdp import local_candidates
from rillcast.node.addresses import MediaAddresses
from services.edge import metrics
from services.edge.domain.viewer import Stage, Viewer, Viewers, grown
from services.edge.ports import Clock, Plane
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.stream_allocator import StreamAllocator
from services.edge.usecases.upstream_relays import UpstreamRelays

MEASURE_EVERY_S = 5.0


class ViewerSessions:
    """Everything between the join and the end of viewer sessions."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        addresses: MediaAddresses,
        watch: StreamWatch,
        upstream: UpstreamRelays,
        viewers: Viewers,
        session_end: SessionEnd,
        allocator: StreamAllocator,
        clock: Clock,
        gone_grace_s: float,
    ) -> None:
        """`gone_grace_s`: how long viewers wait when the record of their stream is gone and no media comes."""
        self._node = node
        self._plane = plane
        self._addresses = addresses
        self._watch = watch
        self._upstream = upstream
        self._viewers = viewers
        self._session_end = session_end
        self._allocator = allocator
        self._clock = clock
        self._gone_grace_s = gone_grace_s
        self._gone_since: dict[str, float] = {}

    # ------------------------------------------------------------ requests

    async def close(self, request: CloseRequest) -> Ack:
        """Serve `subjects.session_close`. Closing an unknown session succeeds."""
        viewer = self._viewers.session(request.session)
        if viewer is not None:
            self._session_end.end(viewer, request.reason, how="left")
        return Ack()

    async def select(self, request: SelectRendition) -> Ack:
        """Serve `subjects.edge_select`."""
        if request.height < 0:
            raise RillcastError(ErrorCode.BAD_REQUEST, "a height is 0 (automatic) or more")
        self._allocator.force(self._viewer(request.session), request.height)
        return Ack()

    async def mute(self, request: MuteRequest) -> Ack:
        """Serve `subjects.session_mute`."""
        viewer = self._viewer(request.session)
        for track in viewer.tracks:
            if track.kind == request.kind:
                self._allocator.mute(viewer, track, muted=not request.enabled)
        return Ack()

    async def restart_ice(self, request: RestartIceRequest) -> RestartIceAnswer:
        """Serve `subjects.session_restart_ice`."""
        viewer = self._viewer(request.session)
        if viewer.stage < Stage.CONNECTING:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "the session has not begun yet")
        local = self._addresses.transport(viewer.worker)
        ice = protocol.IceParameters(
            local_ufrag=local.ufrag,
            local_pwd=local.pwd,
            remote_ufrag=request.remote_ufrag,
            remote_pwd=request.remote_pwd,
        )
        self._plane.execute(protocol.RestartIce(session=viewer.plane_session, ice=ice))
        return RestartIceAnswer(local_ufrag=local.ufrag, local_pwd=local.pwd, candidates=local_candidates(local))

    # ------------------------------------------------------------ what happens

    def on_event(self, event: object) -> None:
        """Take in an event of the plane."""
        match event:
            case protocol.SessionStats(session=session):
                if viewer := self._viewers.plane(session):
                    self._figures(viewer, event)
            case protocol.SourceSwitched(session=session, track=track, source=source):
                if viewer := self._viewers.plane(session):
                    self._allocator.switched(viewer, track, source)
            case protocol.SessionConnected(session=session):
                if (viewer := self._viewers.plane(session)) and self._viewers.advance(viewer, Stage.CONNECTED):
                    self._tell(viewer, SessionState.CONNECTED)
            case protocol.SessionMedia(session=session):
                if (viewer := self._viewers.plane(session)) and self._viewers.advance(viewer, Stage.MEDIA):
                    self._first_packet(viewer)
            case protocol.SessionClosed(session=session, reason=reason):
                self._gone_from_plane(session, EndReason(reason))
            case protocol.Error(command="add_session", id=session):
                self._gone_from_plane(session, EndReason.PLANE_ERROR)
            case _:
                pass

    def on_parent_lost(self, source: int) -> None:
        """A relay fell silent, and its feed knows: viewers take another rendition if there is one."""
        for viewer in self._viewers.of(self._upstream.stream_of(source) or ""):
            self._allocator.steer(viewer)

    def on_stream_changed(self, key: str, live: LiveStream | None) -> None:
        """The directory shows this for a stream now."""
        viewers = self._viewers.of(key)
        if live is None:
            if viewers:
                self._gone_since.setdefault(key, self._clock())
            return
        self._gone_since.pop(key, None)
        for viewer in viewers:
            if viewer.stage >= Stage.CONNECTING and not self._allocator.reconcile(viewer, live):
                self._session_end.end(viewer, EndReason.CODEC_CHANGED, how="codec_changed")

    async def on_stream_ended(self, _subject: str, event: StreamEvent) -> None:
        """The owner says that the stream is over; stale news about an epoch before the present one is no news."""
        key = stream_key(event.app, event.stream)
        live = self._watch.directory.by_key(key)
        newest = max((feed.epoch for feed in self._upstream.feeds_of(key)), default=0)
        if event.epoch >= max(live.epoch if live is not None else 0, newest):
            self._end_all(key)

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for viewer in self._viewers if self._viewers.connecting else ():
            if viewer.overdue(now):
                self._session_end.end(viewer, EndReason.ICE_TIMEOUT, how="ice_timeout")
        for key, since in tuple(self._gone_since.items()):
            if not self._viewers.of(key):
                del self._gone_since[key]
            elif now - since >= self._gone_grace_s and self._upstream.silent_s(key) >= self._gone_grace_s:
                self._end_all(key)

    # ------------------------------------------------------------ inside

    def _viewer(self, session: SessionId) -> Viewer:
        viewer = self._viewers.session(session)
        if viewer is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "no such viewer session at this node")
        return viewer

    def _gone_from_plane(self, plane_session: int, reason: EndReason) -> None:
        viewer = self._viewers.plane(plane_session)
        if viewer is not None:
            self._session_end.end(viewer, reason, how=reason.value, gone_from_plane=True)

    def _end_all(self, key: str) -> None:
        self._gone_since.pop(key, None)
        for viewer in self._viewers.of(key):
            self._session_end.end(viewer, EndReason.STREAM_ENDED, how="stream_ended")
        self._upstream.drop(key)

    def _first_packet(self, viewer: Viewer) -> None:
        metrics.FIRST_PACKET.observe(self._clock() - viewer.since)
        if viewer.first_packet is not None:
            viewer.first_packet.end()
            viewer.first_packet = None
        self._session_end.tell(
            viewer,
            SessionChanged(
                session=viewer.session,
                node=self._node,
                state=SessionState.MEDIA,
                stream_height=self._allocator.shown_height(viewer),
            ),
        )

    def _figures(self, viewer: Viewer, stats: protocol.SessionStats) -> None:
        growth = grown(viewer.stats, stats)
        metrics.NACKED.inc(growth.nacks)
        metrics.REPAIRED.inc(growth.repaired)
        metrics.DROPPED.inc(growth.dropped)
        viewer.stats = stats
        self._allocator.steer(viewer)
        now = self._clock()
        if now - viewer.measured_at >= MEASURE_EVERY_S:
            viewer.measured_at = now
            self._session_end.tell(
                viewer,
                SessionChanged(
                    session=viewer.session,
                    node=self._node,
                    target_bitrate_bps=self._allocator.room_bps(viewer),
                    video_bitrate_bps=stats.video_bps,
                    audio_bitrate_bps=stats.audio_bps,
                ),
            )

    def _tell(self, viewer: Viewer, state: SessionState) -> None:
        self._session_end.tell(viewer, SessionChanged(session=viewer.session, node=self._node, state=state))
