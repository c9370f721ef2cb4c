"""The associations that this node hands over to others while it drains.

OFFERED ──stop──▶ STOPPING ──told by the plane──▶ STOPPED         any ──withdraw──▶ gone, after the answer to a stop

A session is offered with a secret of its own, which goes to signaling and from there to the next node. That one asks
twice: first for the keys, so that it can be ready, and then, when the client has chosen it, to stop. The plane sends
nothing more for the session from then on, and the final counters are told once. So two nodes never send under the same
keys, whatever gets lost: if the answer does not arrive, nobody sends under them any more.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from enum import StrEnum

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import AssociationAnswer, AssociationRequest
from rillcast.media.plane import Plane
from rillcast.media.protocol import Event, ExportSession, PlaneSession, SessionExported, SrtpState
from rillcast.node.association_keys import AssociationKeys
from rillcast.node.association_taker import ASK_S, STOP_S


class Given(StrEnum):
    """What came of a question: the labels of ``rillcast_node_associations_given``."""

    READY = "ready"
    """The asker has the keys, and this node still sends."""
    HANDED_OVER = "handed_over"
    """This node has stopped, and the asker has the final counters."""
    UNKNOWN = "unknown"
    """There is no such session, or the asker does not know its secret."""
    UNAUTHORIZED = "unauthorized"
    """The asker is unknown, of another kind, or has not signed."""
    STOPPED = "stopped"
    """Another question to stop came before."""
    NOT_TOLD = "not_told"
    """The plane does not know the session, or did not answer in time."""


class _Offered:
    """One session that others may ask for."""

    def __init__(self, plane_session: PlaneSession, on_stopped: Callable[[], None]) -> None:
        self.plane_session = plane_session
        self.secret = secrets.token_hex(16)
        self.on_stopped = on_stopped
        self.stopping = False
        """Whether somebody has asked to stop. Nobody else is told anything after that."""
        self.withdrawn = False


class _Export:
    """One command on its way through the plane."""

    def __init__(self, offered: _Offered, told: asyncio.Future[SrtpState | None], *, stop: bool) -> None:
        self.offered = offered
        self.told = told
        self.stop = stop


class AssociationGiver:
    """One per node. Everything happens on the event loop."""

    def __init__(self, plane: Plane, keys: AssociationKeys, on_outcome: Callable[[Given], None]) -> None:
        self._plane = plane
        self._keys = keys
        self._on_outcome = on_outcome
        self._offered: dict[SessionId, _Offered] = {}
        self._exports: dict[PlaneSession, list[_Export]] = {}
        """In the order of the commands, in which the plane answers."""

    def __len__(self) -> int:
        """How many sessions are offered."""
        return len(self._offered)

    def offer(self, session: SessionId, plane_session: PlaneSession, on_stopped: Callable[[], None]) -> str:
        """The session is sent away, and may go on elsewhere with its association: the secret by which it is asked for.
        `on_stopped` is called once if another node goes on with it, or could: nothing of it is sent here any more."""
        offered = self._offered.setdefault(session, _Offered(plane_session, on_stopped))
        return offered.secret

    def withdraw(self, session: SessionId) -> None:
        """The session is over here. Called for every session. Who has asked to stop before that still gets its answer:
        the plane was asked first, and an origin that is asked for the stream at the same time forgets the session."""
        if (offered := self._offered.pop(session, None)) is None:
            return
        offered.withdrawn = True
        exports = self._exports.get(offered.plane_session, [])
        if any(export.stop and not export.told.done() for export in exports):
            return
        self._exports.pop(offered.plane_session, None)
        for export in exports:
            _tell(export, None)

    async def give(self, request: AssociationRequest) -> AssociationAnswer:
        """Serve `subjects.media_association`. Raises UNAUTHORIZED, UNKNOWN_SESSION and what `AssociationKeys.check`
        raises."""
        try:
            self._keys.check(request)
        except RillcastError:
            self._on_outcome(Given.UNAUTHORIZED)
            raise
        srtp = await self._exported(self._asked_for(request), stop=request.stop)
        answer = self._keys.seal(request, srtp)
        self._on_outcome(Given.HANDED_OVER if request.stop else Given.READY)
        return answer

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        if not isinstance(event, SessionExported) or not (waiting := self._exports.get(event.session)):
            return
        export = waiting.pop(0)
        if not waiting:
            del self._exports[event.session]
        _tell(export, event.srtp)
        if export.stop and event.srtp is not None:
            export.offered.on_stopped()

    def _asked_for(self, request: AssociationRequest) -> _Offered:
        offered = self._offered.get(request.session)
        if offered is None or not hmac.compare_digest(offered.secret.encode(), request.association.encode()):
            raise self._refusal(Given.UNKNOWN, "no such association is handed over here")
        if offered.stopping:
            raise self._refusal(Given.STOPPED, "this association was handed over already")
        return offered

    async def _exported(self, offered: _Offered, *, stop: bool) -> SrtpState:
        told: asyncio.Future[SrtpState | None] = asyncio.get_running_loop().create_future()
        try:
            self._plane.execute(ExportSession(session=offered.plane_session, stop=stop))
        except RillcastError:
            self._on_outcome(Given.NOT_TOLD)
            raise
        offered.stopping = offered.stopping or stop
        self._exports.setdefault(offered.plane_session, []).append(_Export(offered, told, stop=stop))
        try:
            await asyncio.wait((told,), timeout=STOP_S if stop else ASK_S)  # nobody waits longer for the answer
            srtp = told.result() if told.done() else None
        finally:
            told.cancel()  # nobody waits for it any more
            if stop and offered.withdrawn:  # the last question that there was
                self._exports.pop(offered.plane_session, None)
        if srtp is None or (offered.stopping and not stop):
            raise self._refusal(Given.NOT_TOLD, "this association can't be handed over")
        return srtp

    def _refusal(self, outcome: Given, message: str) -> RillcastError:
        self._on_outcome(outcome)
        return RillcastError(ErrorCode.UNKNOWN_SESSION, message)


def _tell(export: _Export, srtp: SrtpState | None) -> None:
    if not export.told.done():
        export.told.set_result(srtp)
