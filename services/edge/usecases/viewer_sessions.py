"""Living viewers: what the plane, the directory, the clock and the viewers themselves want of their sessions."""

from __future__ import annotations

from rillcast.cluster.stream_directory import LiveStream
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, stream_key
from rillcast.contracts.messages import (
    Ack,
    CloseAnswer,
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
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks
from rillcast.node.ice import restart_ice
from services.edge import metrics
from services.edge.domain.stage import Stage, StageEvent
from services.edge.domain.stream_change import Left
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer, Viewers, grown
from services.edge.ports import Clock, Plane
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.stream_allocator import StreamAllocator
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_queue import Mark, ViewerQueue

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
        relays: UpstreamRelays,
        viewers: Viewers,
        session_end: SessionEnd,
        allocator: StreamAllocator,
        first_packets: FirstPackets,
        tasks: BackgroundTasks,
        clock: Clock,
        gone_grace_s: float,
    ) -> None:
        """`gone_grace_s`: how long viewers wait when the record of their stream is gone and no media comes, and for a
        rendition that only a transcoder can give them and that nobody makes at the moment."""
        self._node = node
        self._plane = plane
        self._addresses = addresses
        self._watch = watch
        self._relays = relays
        self._viewers = viewers
        self._session_end = session_end
        self._allocator = allocator
        self._first_packets = first_packets
        self._tasks = tasks
        self._clock = clock
        self._gone_grace_s = gone_grace_s
        self._gone_since: dict[str, float] = {}
        self._awaited_until: dict[str, float] = {}
        """By stream: when the first of the viewers who wait for a rendition has waited long enough."""
        self.queue = ViewerQueue(self._look)
        """To be run while the node runs. `SessionStats` go there: once a second per viewer, and at once when a link
        gets slow."""

    # ------------------------------------------------------------ requests

    async def close(self, request: CloseRequest) -> CloseAnswer:
        """Serve `subjects.session_close`. Closing an unknown session succeeds."""
        viewer = self._viewers.session(request.session)
        if viewer is not None:
            self._session_end.end(viewer, request.reason)
        return CloseAnswer(found=viewer is not None)

    async def select(self, request: SelectRendition) -> Ack:
        """Serve `subjects.edge_select`."""
        if request.height < 0:
            raise RillcastError(ErrorCode.BAD_REQUEST, "a height is 0 (automatic) or more")
        viewer = self._viewer(request.session)
        for subscription in _meant(viewer, request.subscription):
            self._allocator.force(viewer, subscription, request.height)
        return Ack()

    async def mute(self, request: MuteRequest) -> Ack:
        """Serve `subjects.session_mute`."""
        viewer = self._viewer(request.session)
        for subscription in _meant(viewer, request.subscription):
            self._allocator.mute(viewer, subscription, request.kind, muted=not request.enabled)
        return Ack()

    async def restart_ice(self, request: RestartIceRequest) -> RestartIceAnswer:
        """Serve `subjects.session_restart_ice`."""
        viewer = self._viewer(request.session)
        if viewer.stage < Stage.CONNECTING:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "the session has not begun yet")
        local = self._addresses.transport(viewer.worker)
        return restart_ice(self._plane, viewer.plane_session, local, request)

    # ------------------------------------------------------------ what happens

    def begun(self, viewer: Viewer) -> None:
        """The plane has the session now. Its stream may have changed, and the client may have chosen, during the
        join."""
        self._reconcile(viewer)
        if any(subscription.wishes.height for subscription in viewer.subscriptions):
            self._allocator.allocate(viewer)

    def on_event(self, event: protocol.Event) -> None:
        """Take in another event of the plane."""
        match event:
            case protocol.SourceSwitched(session=session, track=track, source=source):
                if viewer := self._viewers.plane(session):
                    self._allocator.switched(viewer, track, source)
            case protocol.SessionConnected(session=session):
                if (viewer := self._viewers.plane(session)) and self._viewers.advance(viewer, StageEvent.CONNECTED):
                    self._session_end.tell(
                        viewer, SessionChanged(session=viewer.session, node=self._node, state=SessionState.CONNECTED)
                    )
            case protocol.SessionMedia(session=session):
                if (viewer := self._viewers.plane(session)) and self._viewers.advance(viewer, StageEvent.MEDIA):
                    self._first_packet(viewer)
            case protocol.SessionClosed(session=session, reason=reason):
                self._gone_from_plane(session, EndReason(reason))
            case protocol.Error(command="add_session", id=session):
                self._gone_from_plane(session, EndReason.PLANE_ERROR)
            case protocol.RelayParentLost(source=source):
                self._parent_lost(source)
            case _:
                pass

    def on_stream_changed(self, key: str, live: LiveStream | None) -> None:
        """The directory shows this for a stream now. Called for every change of its record, also if only bit rates
        changed: then it costs the same however many watch."""
        if not self._viewers.watched(key):
            self._unwatched(key)
        elif live is None:
            self._gone_since.setdefault(key, self._clock())
        else:
            self._gone_since.pop(key, None)
            if self._allocator.stream_changed(live):
                self._mark(key, Mark.CHANGED)

    async def on_stream_ended(self, _subject: str, event: StreamEvent) -> None:
        """The owner says that the stream is over; stale news about an epoch before the present one is no news."""
        key = stream_key(event.app, event.stream)
        live = self._watch.directory.by_key(key)
        if event.epoch >= max(live.epoch if live is not None else 0, self._relays.newest_epoch(key)):
            await self._end_all(key)

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for viewer in self._viewers.overdue(now):
            self._session_end.end(viewer, EndReason.ICE_TIMEOUT)
        for key, since in tuple(self._gone_since.items()):
            if not self._viewers.watched(key):
                self._unwatched(key)
            elif now - since >= self._gone_grace_s and self._relays.silent_s(key) >= self._gone_grace_s:
                self._tasks.queue(self._end_all(key), f"end of {key}")
                del self._gone_since[key]
        for key, until in tuple(self._awaited_until.items()):
            if not self._viewers.watched(key):
                self._unwatched(key)
            elif now >= until:
                del self._awaited_until[key]
                self._mark(key, Mark.CHANGED)

    # ------------------------------------------------------------ inside

    def _viewer(self, session: SessionId) -> Viewer:
        viewer = self._viewers.session(session)
        if viewer is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "no such viewer session at this node")
        return viewer

    def _gone_from_plane(self, plane_session: int, reason: EndReason) -> None:
        viewer = self._viewers.plane(plane_session)
        if viewer is not None:
            self._session_end.end(viewer, reason, gone_from_plane=True)

    def _parent_lost(self, source: int) -> None:
        """A relay fell silent, and its feed knows: viewers take another rendition if there is one."""
        if feed := self._relays.of_source(source):
            self._mark(feed.key, Mark.LOST)

    def _unwatched(self, key: str) -> None:
        self._gone_since.pop(key, None)
        self._awaited_until.pop(key, None)
        self._allocator.stream_unwatched(key)

    def _mark(self, key: str, mark: Mark) -> None:
        """Have everybody looked at who watches a stream."""
        sessions = [viewer.plane_session for viewer, _ in self._viewers.of(key)]
        self.queue.mark(sessions, mark)

    async def _end_all(self, key: str) -> None:
        self._gone_since.pop(key, None)
        await self._session_end.end_all(self._viewers.of(key), EndReason.STREAM_ENDED)
        self._relays.drop(key)
        if not self._viewers.watched(key):
            self._unwatched(key)

    def _first_packet(self, viewer: Viewer) -> None:
        self._first_packets.sent(viewer)
        height = self._allocator.shown_height(viewer)
        self._session_end.tell(
            viewer,
            SessionChanged(session=viewer.session, node=self._node, state=SessionState.MEDIA, stream_height=height),
        )

    def _look(self, plane_session: int, stats: protocol.SessionStats | None, mark: Mark) -> None:
        viewer = self._viewers.plane(plane_session)
        if viewer is None:
            return
        if Mark.CHANGED in mark:
            self._reconcile(viewer)
        if stats is not None:
            self._take(viewer, stats)
        if stats is not None or Mark.LOST in mark:
            self._allocator.allocate(viewer)
        if stats is not None:
            self._measure(viewer, stats)

    def _reconcile(self, viewer: Viewer) -> None:
        for subscription, left in self._allocator.reconcile(viewer):
            if left is Left.ENOUGH:
                subscription.awaits_since = None
            elif left is not Left.AWAITED or self._waited_enough(subscription):
                self._session_end.end_subscription(viewer, subscription, EndReason.CODEC_CHANGED)

    def _waited_enough(self, subscription: Subscription) -> bool:
        """Whether the rendition that this subscription awaits is given up. If not, it is looked at again in time."""
        now = self._clock()
        if subscription.awaits_since is None:
            subscription.awaits_since = now
        until = subscription.awaits_since + self._gone_grace_s
        if now < until:
            self._awaited_until.setdefault(subscription.key, until)
        return now >= until

    def _take(self, viewer: Viewer, stats: protocol.SessionStats) -> None:
        growth = grown(viewer.stats, stats)
        metrics.NACKED.inc(growth.nacks)
        metrics.REPAIRED.inc(growth.repaired)
        metrics.DROPPED.inc(growth.dropped)
        viewer.stats = stats

    def _measure(self, viewer: Viewer, stats: protocol.SessionStats) -> None:
        now = self._clock()
        if now - viewer.measured_at < MEASURE_EVERY_S or viewer.stage is Stage.ENDED:
            return
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


def _meant(viewer: Viewer, place: int | None) -> list[Subscription]:
    """The subscriptions that a request is about."""
    if place is not None and not 0 <= place < len(viewer.request.subscriptions):
        raise RillcastError(ErrorCode.BAD_REQUEST, f"this session has never had a subscription {place}")
    return [subscription for subscription in viewer.subscriptions if place in (None, subscription.place)]
