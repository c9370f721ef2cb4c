"""What the signaling instance of a viewer session is told about it. Events wait in the outbox while the bus is away."""

from __future__ import annotations

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.node.background import Outbox
from services.edge.domain.viewer import Viewer


class SessionEvents:
    """For all viewers of one edge."""

    def __init__(self, node: NodeId, outbox: Outbox) -> None:
        self._node = node
        self._outbox = outbox

    def connected(self, viewer: Viewer) -> None:
        """ICE and DTLS are up; also after an ICE restart."""
        self._put(viewer, SessionChanged(session=viewer.session, node=self._node, state=SessionState.CONNECTED))

    def media(self, viewer: Viewer, height: int | None) -> None:
        """The first packet has left. `height`: of the video; None without one."""
        state = SessionState.MEDIA
        self._put(viewer, SessionChanged(session=viewer.session, node=self._node, state=state, stream_height=height))

    def height(self, viewer: Viewer, height: int | None) -> None:
        """The video that is sent is another rendition now."""
        self._put(viewer, SessionChanged(session=viewer.session, node=self._node, stream_height=height))

    def rates(self, viewer: Viewer, *, room_bps: int, video_bps: int, audio_bps: int) -> None:
        """What the link is known to carry, and what is sent."""
        self._put(
            viewer,
            SessionChanged(
                session=viewer.session,
                node=self._node,
                target_bitrate_bps=room_bps,
                video_bitrate_bps=video_bps,
                audio_bitrate_bps=audio_bps,
            ),
        )

    def closed(self, viewer: Viewer, reason: EndReason) -> None:
        """The session is over."""
        state = SessionState.CLOSED
        self._put(viewer, SessionChanged(session=viewer.session, node=self._node, state=state, reason=reason))

    def _put(self, viewer: Viewer, change: SessionChanged) -> None:
        self._outbox.put(subjects.session_changed(viewer.signaling), change)
