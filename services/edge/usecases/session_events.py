"""What the signaling instance of a viewer session is told about it. Events wait in the outbox while the bus is away."""

from __future__ import annotations

from collections.abc import Sequence

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.node.outbox import Outbox
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer


class SessionEvents:
    """One per edge, for all its viewers."""

    def __init__(self, node: NodeId, outbox: Outbox) -> None:
        self._node = node
        self._outbox = outbox
        self._connected: SessionChanged | None = None
        """The newest of the events that a session is connected."""

    def connected(self, viewer: Viewer) -> None:
        """ICE and DTLS are up; also after an ICE restart."""
        self._connected = SessionChanged(session=viewer.session, node=self._node, state=SessionState.CONNECTED)
        self._put(viewer, self._connected)

    def media(self, viewer: Viewer, heights: Sequence[tuple[Subscription, int]] = ()) -> None:
        """The first packet has left, and each of these streams is sent in that height. Most often this is known in the
        moment in which the session connects, and then it is one event in all."""
        first = heights[0] if heights else None
        change = SessionChanged(
            session=viewer.session,
            node=self._node,
            state=SessionState.MEDIA,
            subscription=first[0].place if first else None,
            stream_height=first[1] if first else None,
        )
        connected = self._connected
        same = connected is not None and connected.session == viewer.session
        self._put(viewer, change, instead_of=connected if same else None)
        for subscription, height in heights[1:]:
            self.height(viewer, subscription, height)

    def height(self, viewer: Viewer, subscription: Subscription, height: int) -> None:
        """The video of a stream is sent in this rendition now."""
        self._put(
            viewer,
            SessionChanged(
                session=viewer.session, node=self._node, subscription=subscription.place, stream_height=height
            ),
        )

    def subscription_ended(self, viewer: Viewer, subscription: Subscription, reason: EndReason) -> None:
        """One stream is over, and the session goes on with the others."""
        self._put(
            viewer,
            SessionChanged(session=viewer.session, node=self._node, subscription=subscription.place, reason=reason),
        )

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

    def reached(self, viewer: Viewer) -> None:
        """The client's ICE has chosen this edge: it is time for the second of two offers."""
        self._put(viewer, SessionChanged(session=viewer.session, node=self._node, reached=True), again=True)

    def closed(self, viewer: Viewer, reason: EndReason, sdp_offered: str = "", association: str = "") -> None:
        """The session is over. `sdp_offered`, `association`: see `SessionChanged`."""
        change = SessionChanged(
            session=viewer.session,
            node=self._node,
            state=SessionState.CLOSED,
            reason=reason,
            sdp_offered=sdp_offered,
            association=association,
        )
        self._put(viewer, change, again=True)

    def _put(
        self,
        viewer: Viewer,
        change: SessionChanged,
        *,
        again: bool = False,
        instead_of: SessionChanged | None = None,
    ) -> None:
        self._outbox.put(subjects.session_changed(viewer.signaling), change, again=again, instead_of=instead_of)
