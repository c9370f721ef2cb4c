"""Living viewers: what the plane, the clock, and changes of their streams want of their sessions."""

from __future__ import annotations

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.words import EndReason
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession
from services.edge import metrics
from services.edge.domain.awaited_rungs import AwaitedRungs
from services.edge.domain.freezes import freeze
from services.edge.domain.stage import Stage, StageEvent
from services.edge.domain.viewer import Viewer, Viewers, grown
from services.edge.ports import Clock
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.session_events import SessionEvents
from services.edge.usecases.stream_allocator import StreamAllocator
from services.edge.usecases.viewer_queue import Mark, ViewerQueue

MEASURE_EVERY_S = 5.0


class ViewerSessions:
    """Everything between the join and the end of viewer sessions."""

    def __init__(
        self,
        viewers: Viewers,
        allocator: StreamAllocator,
        events: SessionEvents,
        session_end: SessionEnd,
        first_packets: FirstPackets,
        *,
        clock: Clock,
        gone_grace_s: float,
    ) -> None:
        """`gone_grace_s`: how long viewers wait for a rendition that only a ladder makes and that nobody makes now."""
        self._viewers = viewers
        self._allocator = allocator
        self._session_end = session_end
        self._events = events
        self._first_packets = first_packets
        self._clock = clock
        self.awaited = AwaitedRungs(gone_grace_s)
        self.queue = ViewerQueue(self._look)
        """To be run while the node runs. `SessionStats` go there: once a second per viewer, and at once when a link
        gets slow."""

    def begun(self, viewer: Viewer) -> None:
        """The plane has the session now. Its stream may have changed, and the client may have chosen, during the
        join."""
        self._reconcile(viewer)
        if any(subscription.wishes.height for subscription in viewer.subscriptions):
            self._allocator.allocate(viewer)

    def on_event(self, event: protocol.Event) -> None:
        """Take in another event of the plane."""
        match event:
            case protocol.SourceSwitched() | protocol.PathMeasured() | protocol.Probed():
                if viewer := self._viewers.plane(event.session):
                    self._allocator.on_event(viewer, event)
            case protocol.SessionConnected(session=session):
                if (viewer := self._viewers.plane(session)) and self._viewers.advance(viewer, StageEvent.CONNECTED):
                    self._first_packets.connected(viewer)
                    self._events.connected(viewer)
            case protocol.SessionMedia(session=session):
                if viewer := self._viewers.plane(session):
                    self._media(viewer)
            case protocol.SessionClosed(session=session, reason=reason):
                self._gone_from_plane(session, EndReason(reason))
            case protocol.Error(command="add_session", id=session):
                self._gone_from_plane(PlaneSession(session), EndReason.PLANE_ERROR)
            case _:
                pass

    def stream_changed(self, live: LiveStream) -> None:
        """This is what is live now. If it has other renditions than before, who watches it may have to be sent
        something else, or to go."""
        if self._allocator.stream_changed(live):
            self._look_again(live.key, Mark.CHANGED)

    def stream_silent(self, key: str) -> None:
        """A relay of this stream fell silent, and its feed knows: viewers take another rendition if there is one."""
        self._look_again(key, Mark.LOST)

    def stream_unwatched(self, key: str) -> None:
        """Nobody here watches the stream any more."""
        self.awaited.forget(key)
        self._allocator.stream_unwatched(key)

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for viewer in self._viewers.overdue(now):
            self._session_end.end(viewer, EndReason.ICE_TIMEOUT)
        for key in self.awaited.due(now):
            self._look_again(key, Mark.CHANGED)

    def _media(self, viewer: Viewer, *, late: bool = False) -> None:
        """Its first packet has left. `late`: that was some time ago."""
        if self._viewers.advance(viewer, StageEvent.MEDIA):
            self._first_packets.sent(viewer, late=late)
            self._events.media(viewer, self._allocator.heights(viewer))

    def _gone_from_plane(self, plane_session: PlaneSession, reason: EndReason) -> None:
        viewer = self._viewers.plane(plane_session)
        if viewer is not None:
            self._session_end.end(viewer, reason, gone_from_plane=True)

    def _look_again(self, key: str, mark: Mark) -> None:
        """Have everybody looked at who watches a stream."""
        self.queue.mark(self._viewers.plane_sessions(key), mark)

    def _look(self, plane_session: PlaneSession, stats: protocol.SessionStats | None, mark: Mark) -> None:
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
        now = self._clock()
        for subscription, left in self._allocator.reconcile(viewer):
            if self.awaited.is_over(subscription, left, now):
                self._session_end.end_subscription(viewer, subscription, EndReason.CODEC_CHANGED)

    def _take(self, viewer: Viewer, stats: protocol.SessionStats) -> None:
        if viewer.stage is Stage.CONNECTED and stats.packets_sent:
            # The plane tells of the first packet of a fast start. Who came with its association may need none.
            self._media(viewer, late=True)
        growth = grown(viewer.stats, stats)
        if growth.any:
            metrics.NACKED.inc(growth.nacks)
            metrics.REPAIRED.inc(growth.repaired)
            metrics.DROPPED.inc(growth.dropped)
        metrics.VIEWER_LOSS.observe(stats.fraction_lost)
        if stats.rtt_ms > 0:
            metrics.VIEWER_RTT.observe(stats.rtt_ms / 1000)
        if cause := freeze(viewer.stats, stats):
            metrics.FREEZES.labels(cause.value).inc()
        viewer.quality.heard(viewer, stats, self._clock())
        viewer.stats = stats

    def _measure(self, viewer: Viewer, stats: protocol.SessionStats) -> None:
        now = self._clock()
        if now - viewer.measured_at >= MEASURE_EVERY_S and viewer.stage is not Stage.ENDED:
            viewer.measured_at = now
            room_bps = self._allocator.room_bps(viewer)
            self._events.rates(viewer, room_bps=room_bps, video_bps=stats.video_bps, audio_bps=stats.audio_bps)
