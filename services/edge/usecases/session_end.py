"""The one way out of a viewer session, whoever wants it ended."""

from __future__ import annotations

from opentelemetry.trace import Status, StatusCode

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol
from rillcast.node.background import Outbox
from services.edge import metrics
from services.edge.domain.viewer import Stage, Viewer, Viewers
from services.edge.ports import Plane
from services.edge.usecases.upstream_relays import UpstreamRelays


class SessionEnd:
    """Ends viewers and tells those who must know."""

    def __init__(self, node: NodeId, plane: Plane, upstream: UpstreamRelays, viewers: Viewers, outbox: Outbox) -> None:
        self._node = node
        self._plane = plane
        self._upstream = upstream
        self._viewers = viewers
        self._outbox = outbox

    def end(self, viewer: Viewer, reason: EndReason, *, how: str, gone_from_plane: bool = False) -> None:
        """End the session. `reason` goes to signaling, `how` is the closed label of the metric."""
        in_plane = Stage.CONNECTING <= viewer.stage < Stage.ENDED and not gone_from_plane
        if not self.forget(viewer, how):
            return
        if in_plane:
            self._plane.execute(protocol.RemoveSession(session=viewer.plane_session))
        self.tell(
            viewer, SessionChanged(session=viewer.session, node=self._node, state=SessionState.CLOSED, reason=reason)
        )

    def forget(self, viewer: Viewer, how: str) -> bool:
        """Drop a session of which nobody but the asker knows, and who gets a refusal anyway."""
        if not self._viewers.remove(viewer):
            return False
        metrics.ENDED.labels(how).inc()
        for feed in viewer.take_feeds():
            self._upstream.release(feed)
        if viewer.first_packet is not None:
            viewer.first_packet.set_status(Status(StatusCode.ERROR, how))
            viewer.first_packet.end()
            viewer.first_packet = None
        return True

    def tell(self, viewer: Viewer, change: SessionChanged) -> None:
        """An event for the session's signaling instance."""
        self._outbox.put(subjects.session_changed(viewer.signaling), change)
