"""What follows when a client asks again for what it has, without a `stop`: after a lost network, or since somebody
pressed a button twice.

Mobile SDKs begin anew on the socket that they have, in a new peer connection, and say nothing of the old one, whose
session is dead and looks alive here. Others ask twice and mean one session. Only a description tells them apart: each
peer connection has a certificate of its own, so the fingerprint says whose it is. Until it comes, what runs goes on.

    publish again:  `start`, and the client's offer decides
    play again:     another offer of an edge, and the client's answer decides

The session in which a client goes on is let in with the right of the one that it had, if the client shows the same.
"""

from __future__ import annotations

from functools import partial

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import new_session_id
from rillcast.contracts.words import EndReason, Role
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.descriptions import noted
from services.signaling.websocket.domain.effects import (
    Accept,
    Effect,
    End,
    ExpireLater,
    Moved,
    OpenPublisher,
    OpenViewer,
    Send,
)
from services.signaling.websocket.domain.peers import peer_of
from services.signaling.websocket.domain.phases import Phase, Step
from services.signaling.websocket.domain.sessions import Sessions
from services.signaling.websocket.domain.slots import Slot, Slots

TWICE_S = 1.0
"""Who asks again sooner has asked twice, by a second click for example. SDKs begin anew after 3 s at the earliest."""

_TWICE = {
    Role.PUBLISH: partial(RillcastError, ErrorCode.ALREADY_PUBLISHING, "this socket publishes that stream already"),
    Role.PLAY: partial(RillcastError, ErrorCode.ALREADY_PLAYING, "this socket plays that stream already"),
}
_SAME_PEER = partial(
    RillcastError,
    ErrorCode.ALREADY_PLAYING,
    "this peer connection plays that stream already; stop it first, to begin it anew",
)


class StartingAnew:
    """Of one socket. Every method returns what is to be done, in that order."""

    def __init__(self, slots: Slots, sessions: Sessions) -> None:
        self._slots = slots
        self._sessions = sessions

    # ---- the client asks

    def publish(self, slot: Slot, now: float) -> list[Effect]:
        """Publish again. Raises ALREADY_PUBLISHING for who has just asked. `now`: monotonic seconds."""
        if slot.phase is Phase.ADMITTING or now - slot.asked_at < TWICE_S:
            raise _TWICE[Role.PUBLISH]()
        return [Send(replies.start(slot.stream, slot.credentials.subscriber_id))]

    def play(self, slot: Slot, now: float) -> list[Effect]:
        """Play again. Raises ALREADY_PLAYING for who has just asked."""
        latest = slot.challenger or slot
        if slot.phase is Phase.ADMITTING or now - latest.asked_at < TWICE_S:
            raise _TWICE[Role.PLAY]()
        successor = _successor(slot, now)
        if slot.phase is Phase.RUNNING:
            effects = self._sessions.drop_challenger(slot)
            self._slots.challenge(slot, successor)
        else:
            effects = self._replace(slot)
            effects = [*_held_on(slot, successor), *effects]
            self._slots.add(successor)
        open_one = OpenViewer(session=successor.session, stream=successor.stream, codecs=successor.codecs, anew=True)
        return [*effects, open_one, ExpireLater(successor.session, successor.start_timeout_s)]

    def leave(self, slot: Slot) -> list[Effect]:
        """The client asks again and shows something else than before, so it is asked about anew."""
        return self._replace(slot)

    # ---- the client describes itself

    @staticmethod
    def is_another(slot: Slot, sdp: str) -> bool:
        """Whether a publisher's offer comes from another peer connection than its session has."""
        peer = peer_of(sdp)
        return bool(slot.peer and peer and slot.peer != peer)

    def offered(self, slot: Slot, sdp: str, now: float) -> list[Effect]:
        """The offer of a publisher's next peer connection: its session begins anew, and its stream stays."""
        successor = _successor(slot, now)
        successor.peer = peer_of(sdp)
        noted(successor)
        effects = [*_held_on(slot, successor), *self._replace(slot)]
        self._slots.add(successor)
        self._slots.keep(successor.session, sdp)
        return [
            *effects,
            OpenPublisher(
                session=successor.session,
                stream=successor.stream,
                sdp_offer=sdp,
                credentials=successor.credentials,
                identity=successor.identity,
                name=successor.name,
                meta_data=successor.meta_data,
                codecs=successor.codecs,
                anew=True,
            ),
            ExpireLater(successor.session, successor.start_timeout_s),
        ]

    def answered(self, slot: Slot, challenger: Slot, sdp: str, *, tells_first_frame: bool = False) -> list[Effect]:
        """The answer to the offer that came since the viewer had asked again. Its own peer connection can't go on in
        another session that has the same certificates at both ends: it would not shake hands anew (RFC 8842 §4). Nor
        does it go on in the one that it has, whose streams the other offer does not name. So it is to connect anew."""
        if slot.peer and (slot.peer, slot.server) == (peer_of(sdp), challenger.server):
            told = [Send(replies.error(_SAME_PEER(), slot.stream)), Send(replies.SERVER_WILL_STOP)]
            return [*self._sessions.drop_challenger(slot), *told]
        effects = _held_on(slot, challenger)
        self._slots.prevail(challenger)
        effects += self._replace(slot)
        self._slots.take_name(challenger)
        self._slots.advance(challenger, Step.ANSWERED)
        challenger.peer = peer_of(sdp)
        assert challenger.node is not None  # opened, or its answer would not be wanted
        return [
            *effects,
            Accept(
                role=Role.PLAY,
                session=challenger.session,
                node=challenger.node,
                sdp_answer=sdp,
                tells_first_frame=tells_first_frame,
            ),
        ]

    # ---- parts

    def _replace(self, slot: Slot) -> list[Effect]:
        """End the former session, and its own predecessor at an edge that drains."""
        before: list[Effect] = []
        if slot.predecessor is not None:
            (session, node), slot.predecessor = slot.predecessor, None
            before.append(End(session=session, node=node, reason=EndReason.REPLACED))
        ended = self._sessions.leave(slot, Step.REPLACED, EndReason.REPLACED, keep_stream_s=slot.start_timeout_s)
        return [*before, *ended]


def _successor(slot: Slot, now: float) -> Slot:
    """In which the client is to go on, let in as it was."""
    return Slot(
        role=slot.role,
        stream=slot.stream,
        session=new_session_id(),
        asked_at=now,
        phase=Phase.OPENING,
        credentials=slot.credentials,
        identity=slot.identity,
        codecs=slot.codecs,
        held=slot.held,
        start_timeout_s=slot.start_timeout_s,
        name=slot.name,
        meta_data=slot.meta_data,
    )


def _held_on(slot: Slot, successor: Slot) -> list[Effect]:
    return [Moved(slot.session, successor.session, successor.node, anew=True)] if slot.held else []
