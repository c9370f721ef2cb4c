"""Viewers that go on at another edge with the DTLS association that they have: given away while this edge drains, and
taken over from one that does. Whatever goes wrong on the way, the viewer shakes hands anew, by a second offer."""

from __future__ import annotations

import msgspec

from rillcast.media import protocol
from rillcast.media.plane import PlaneBusy
from rillcast.media.protocol import PlaneSession, SendTrack, SrtpState
from rillcast.media.sdp import as_sent_before
from rillcast.node.association_giver import AssociationGiver
from rillcast.node.association_taker import AssociationTaker
from services.edge.domain.stage import Stage
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Plane
from services.edge.usecases.command_backlog import CommandBacklog
from services.edge.usecases.session_events import SessionEvents


class ViewerAssociations:
    """Hands over, and takes over, for all viewers of one edge."""

    def __init__(
        self,
        plane: Plane,
        backlog: CommandBacklog,
        viewers: Viewers,
        events: SessionEvents,
        *,
        giver: AssociationGiver,
        taker: AssociationTaker,
    ) -> None:
        self._plane = plane
        self._backlog = backlog
        self._viewers = viewers
        self._events = events
        self.giver = giver
        self._taker = taker

    def over(self, viewer: Viewer) -> None:
        """The session is over. Called for every session, once."""
        self.giver.withdraw(viewer.session)
        if viewer.takeover is not None:
            self._taker.ended(viewer.takeover)

    # ---- from another edge

    async def ready(self, viewer: Viewer) -> None:
        """Get the keys of a viewer that moves in, if its former edge gives them. Takes `association_taker.ASK_S` at
        most."""
        viewer.takeover = await self._taker.ready(viewer.request.former)

    def begin(self, viewer: Viewer, session: protocol.AddSession) -> None:
        """Give the session to the plane: with the former association, if its streams are the same, and if what the
        former edge says makes sense. Raises PlaneBusy."""
        adopted = self._adopted(viewer, session)
        try:
            self._plane.execute(adopted)
        except ValueError:
            if viewer.takeover is None or adopted.srtp is None:
                raise
            self._taker.unfit(viewer.takeover)
            self._plane.execute(session)

    def _adopted(self, viewer: Viewer, session: protocol.AddSession) -> protocol.AddSession:
        if viewer.takeover is None or (srtp := viewer.takeover.srtp) is None:
            return session
        send = as_sent_before(session.send, viewer.request.sdp_offered)
        if _ssrcs(send) != {stream.ssrc for stream in srtp.sent}:
            self._taker.unfit(viewer.takeover)
            return session
        viewer.anew = session
        return msgspec.structs.replace(session, send=send, srtp=srtp)

    def on_event(self, event: protocol.Event) -> None:
        """Take in an event of the plane: a client has chosen a path to this edge, once per session; or the plane can't
        go on with an association."""
        match event:
            case protocol.SessionNominated(session=session):
                if viewer := self._viewers.plane(session):
                    self._nominated(viewer)
            case protocol.Error(command="continue_session", id=session):
                if viewer := self._viewers.plane(PlaneSession(session)):
                    self._failed(viewer)
            case _:
                pass

    def _nominated(self, viewer: Viewer) -> None:
        takeover = viewer.takeover
        if takeover is not None and not takeover.over:
            self._taker.reached(takeover, lambda srtp: self._go_on(viewer, srtp))
        elif viewer.has_two_offers:
            self._events.reached(viewer)

    def _failed(self, viewer: Viewer) -> None:
        if viewer.takeover is not None and viewer.takeover.kept:
            self._taker.failed(viewer.takeover)
            self._shake_hands(viewer)

    def _go_on(self, viewer: Viewer, srtp: SrtpState | None) -> None:
        if srtp is None:
            self._shake_hands(viewer)
            return
        try:
            self._plane.execute(protocol.ContinueSession(session=viewer.plane_session, srtp=srtp))
        except (PlaneBusy, ValueError):  # it is behind, or what the former edge says makes no sense
            self._failed(viewer)

    def _shake_hands(self, viewer: Viewer) -> None:
        """The second offer brings our certificate and our streams."""
        anew = viewer.anew
        if anew is None or viewer.stage is Stage.ENDED:
            return
        shown = {
            track.index: track.shown.feed.source for track in viewer.tracks if track.shown.feed and not track.muted
        }
        send = tuple(msgspec.structs.replace(track, source=shown.get(track.track)) for track in anew.send)
        self._backlog.execute(protocol.RestartDtls(session=viewer.plane_session, dtls=anew.dtls, send=send))
        self._events.reached(viewer)


def _ssrcs(send: tuple[SendTrack, ...]) -> set[int]:
    return {ssrc for track in send for ssrc in (track.ssrc, track.rtx_ssrc) if ssrc}
