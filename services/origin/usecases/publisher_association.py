"""A publisher that goes on at another origin with the DTLS association that it has: given away by the origin that
drains, and taken over from one that does. Whatever goes wrong on the way, it shakes hands anew, by a second offer."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SrtpState
from rillcast.node.association_giver import AssociationGiver
from rillcast.node.association_taker import AssociationTaker, Takeover
from services.origin.ports import Plane


class PublisherAssociations:
    """What the sessions of one origin need for it."""

    def __init__(self, plane: Plane, giver: AssociationGiver, taker: AssociationTaker) -> None:
        self.plane = plane
        self.giver = giver
        self.taker = taker


class PublisherAssociation:
    """How far one session is with its association, and what is to be done for it."""

    def __init__(self, all_of_them: PublisherAssociations, takeover: Takeover | None) -> None:
        """`takeover`: from the former origin of a publisher that moves in."""
        self._all = all_of_them
        self._takeover = takeover
        self._added: protocol.AddSession | None = None
        self._connected = False
        self._stopped = False

    @property
    def promised(self) -> bool:
        """Whether it is to go on with the association of its former origin."""
        return self._takeover is not None

    @property
    def awaited(self) -> bool:
        """Whether it is not known yet whether it does."""
        return self._takeover is not None and not self._takeover.over

    @property
    def kept(self) -> bool:
        """Whether it goes on with the association of its former origin."""
        return self._takeover is not None and self._takeover.kept

    @property
    def stopped(self) -> bool:
        """Whether another origin has it, so that nothing of it is sent here."""
        return self._stopped

    # ---- to another origin

    def connected(self) -> None:
        """The client's handshake is done, or was done elsewhere."""
        self._connected = True

    def offer(self, session: SessionId, plane_session: PlaneSession | None) -> str:
        """The session is sent away: the secret by which another origin gets its association. Empty = there is none."""
        if not self._connected or plane_session is None:
            return ""
        return self._all.giver.offer(session, plane_session, self._was_stopped)

    def _was_stopped(self) -> None:
        self._stopped = True

    def over(self, session: SessionId) -> None:
        """The session is over. To be called for every session; the second time changes nothing."""
        self._all.giver.withdraw(session)
        self.ended()

    def ended(self) -> None:
        """The publisher does not go on here."""
        if self._takeover is not None:
            self._all.taker.ended(self._takeover)

    # ---- from another origin

    def begin(self, session: protocol.AddSession) -> None:
        """Give the session to the plane: with the former association, if what its origin says makes sense. Raises as
        `Plane.execute`."""
        self._added = session
        if self._takeover is not None and self._takeover.srtp is not None:
            try:
                self._all.plane.execute(msgspec.structs.replace(session, srtp=self._takeover.srtp))
            except ValueError:
                self._all.taker.unfit(self._takeover)
            else:
                return
        self._all.plane.execute(session)

    def reached(self, then: Callable[[], None]) -> None:
        """The client has chosen this origin. `then` is called once, when it is known how it goes on (`kept`), unless
        the session is over."""
        assert self._takeover is not None
        self._all.taker.reached(self._takeover, lambda srtp: self._go_on(srtp, then))

    def failed(self) -> bool:
        """The plane can't go on with the association. Whether the client has to shake hands anew now."""
        if self._takeover is None or not self._takeover.kept:
            return False
        self._all.taker.failed(self._takeover)
        self._shake_hands()
        return True

    def _go_on(self, srtp: SrtpState | None, then: Callable[[], None]) -> None:
        assert self._takeover is not None
        assert self._added is not None
        if srtp is None:
            self._shake_hands()
        else:
            try:
                self._all.plane.execute(protocol.ContinueSession(session=self._added.session, srtp=srtp))
            except (RillcastError, ValueError):  # it is behind, or what the former origin says makes no sense
                self._all.taker.failed(self._takeover)
                self._shake_hands()
        then()

    def _shake_hands(self) -> None:
        assert self._added is not None
        try:
            self._all.plane.execute(protocol.RestartDtls(session=self._added.session, dtls=self._added.dtls))
        except RillcastError:  # the client comes to nothing here, and is asked to come back
            return
