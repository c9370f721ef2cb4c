"""The one way out of a viewer session, whoever wants it ended."""

from __future__ import annotations

import asyncio

from rillcast.contracts.words import EndReason
from rillcast.media import protocol
from services.edge import metrics
from services.edge.domain.stage import Stage
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.usecases.command_backlog import CommandBacklog
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.session_events import SessionEvents
from services.edge.usecases.viewer_associations import ViewerAssociations

TURN = 32
"""Sessions that are ended in one turn of the event loop: one takes some 20 µs."""


class SessionEnd:
    """Ends viewers and tells those who must know."""

    def __init__(
        self,
        plane: CommandBacklog,
        viewers: Viewers,
        events: SessionEvents,
        first_packets: FirstPackets,
        associations: ViewerAssociations,
    ) -> None:
        self._plane = plane
        self._viewers = viewers
        self._events = events
        self._first_packets = first_packets
        self._associations = associations

    def end(
        self,
        viewer: Viewer,
        reason: EndReason,
        *,
        gone_from_plane: bool = False,
        silent: bool = False,
        known: bool = False,
    ) -> None:
        """End the session, and tell its signaling instance unless that has `known` it before. `silent`: its client
        hears nothing of it."""
        in_plane = Stage.CONNECTING <= viewer.stage < Stage.ENDED and not gone_from_plane
        if not self.forget(viewer, reason):
            return
        if not (viewer.leaving or known):
            self._events.closed(viewer, reason)
        if in_plane:
            self._plane.execute(protocol.RemoveSession(session=viewer.plane_session, silent=silent))

    def send_away(self, viewer: Viewer, reason: EndReason) -> None:
        """Tell the session's signaling instance that it is over, and go on with it: so that its client has a picture
        until another edge serves it. That one goes on with the association of the session, which ends here then without
        a word, or signaling closes it."""
        if not viewer.leaving and viewer.stage is not Stage.ENDED:
            viewer.leaving = True
            association = self._offer(viewer) if viewer.sdp_offered else ""
            self._events.closed(viewer, reason, viewer.sdp_offered, association)

    def _offer(self, viewer: Viewer) -> str:
        def stopped() -> None:
            self.end(viewer, EndReason.REPLACED, silent=True)

        return self._associations.giver.offer(viewer.session, viewer.plane_session, stopped)

    def end_subscription(self, viewer: Viewer, subscription: Subscription, reason: EndReason) -> None:
        """One stream of the session is over. The session goes on with the others, and ends with the last."""
        if viewer.subscriptions == [subscription]:
            self.end(viewer, reason)
        elif subscription in viewer.subscriptions:
            if Stage.CONNECTING <= viewer.stage < Stage.ENDED:
                self._silence(viewer, subscription)
            self._viewers.unsubscribe(viewer, subscription)
            self._events.subscription_ended(viewer, subscription, reason)
            metrics.count(self._viewers)

    async def end_all(self, key: str, reason: EndReason) -> None:
        """End all subscriptions to a stream, but not those of viewers who come meanwhile. Never holds the event loop:
        neither by listing them all, nor by ending them, nor by freeing all their memory at once."""
        newest = self._viewers.newest
        while some := self._viewers.first_of(key, TURN, newest):
            for viewer, subscription in some:
                self.end_subscription(viewer, subscription, reason)
            del some, viewer, subscription  # they would be kept over the turn
            await asyncio.sleep(0)

    def forget(self, viewer: Viewer, reason: EndReason) -> bool:
        """Give up all that the session holds at this edge, the plane's session apart. False when it was over already.
        Alone it is right for a session of which nobody but the asker knows, who gets a refusal."""
        if not self._viewers.remove(viewer, reason):
            return False
        metrics.ENDED.labels(reason.value).inc()
        metrics.count(self._viewers)
        self._first_packets.failed(viewer, reason)
        self._associations.over(viewer)
        return True

    def _silence(self, viewer: Viewer, subscription: Subscription) -> None:
        for track in subscription.tracks:
            self._plane.execute(
                protocol.SwitchSource(session=viewer.plane_session, track=track.index, source=None, hold=False)
            )
