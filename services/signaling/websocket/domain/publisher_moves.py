"""Publishers whose origin is gone or drains go on at another one, in their living peer connection: that origin makes an
offer of its own out of the offer that the publisher made when it began, with an ICE restart, and the client answers it.

While a publisher moves, its socket knows two sessions of it. The former one (`Slot.successor`) is what the client has;
it ends when the media has come in the new one (`Slot.moves_from`), or stays when the move comes to nothing. Then the
client is asked to come back by itself, as is every client that cannot answer an offer.
"""

from __future__ import annotations

from enum import StrEnum

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, new_session_id
from rillcast.contracts.messages import FormerSession, SessionAnswer
from rillcast.contracts.words import EndReason, Role
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.ports import Tally
from services.signaling.websocket.domain import replies, session_events, two_offers
from services.signaling.websocket.domain.descriptions import catch_up, noted
from services.signaling.websocket.domain.effects import (
    Effect,
    End,
    ExpireLater,
    Forget,
    GiveUp,
    LeaveBehind,
    MoveAgain,
    Moved,
    MovePublisher,
    Send,
)
from services.signaling.websocket.domain.phases import Phase, Step
from services.signaling.websocket.domain.slots import Slot, Slots

MOST_IN_A_ROW = 3
"""How often another origin is looked for, for one publisher whose own one is gone: since those found died or drained as
well, or had no room."""
ANSWER_S = 3.0
"""From our offer to the publisher's media at the new origin. A browser answers within some milliseconds, and a
handshake over a bad link takes 1 s. A client that does not answer loses no more than it would otherwise: it notices
after 5 s by itself that its origin is gone."""
MOVE_S = 8.0
"""From the beginning of a move to its end, whatever happens: a node may be waited for."""
AGAIN_S = 2.0
"""After so long an origin is looked for again, if none had room and the present one still takes the media."""
SOON_S = 0.7
"""The same, if the present one is gone: many publishers come at once then, and a client that came back by itself would
be refused as well."""


class Outcome(StrEnum):
    """What came of a move. The label of the metric."""

    MOVED = "moved"
    NO_OFFER = "no_offer"
    """The publisher's offer was too long to be kept, or there was no room."""
    REFUSED = "refused"
    """No origin took it."""
    NO_ANSWER = "no_answer"
    """The client did not answer the offer."""
    BAD_ANSWER = "bad_answer"
    """The origin does not take the client's answer."""
    NOT_CONNECTED = "not_connected"
    """The client answered, and its media did not come."""
    NODE_LEFT = "node_left"
    """The new origin is gone or drains itself."""
    ENDED = "ended"
    """The stream was ended meanwhile, by its client, an operator, or since its socket closed."""


_ENDS_MOVE = frozenset({EndReason.STOPPED, EndReason.USER_BLOCKED, EndReason.IN_USE})
"""Ends of the former session after which there is nothing to move. All others come of its node's end, or of the client
that is at another one already."""


def former_session(node: NodeId | None, session: SessionId, association: str) -> FormerSession | None:
    """The session whose association may be kept; None when its node hands nothing over."""
    if node is None or not association:
        return None
    return FormerSession(node=node, session=session, association=association)


class PublisherMoves:
    """Of one socket. Every method returns what is to be done, in that order."""

    def __init__(self, slots: Slots, tally: Tally) -> None:
        self._slots = slots
        self._tally = tally

    # ---- the former session

    def begin(self, slot: Slot, now: float) -> list[Effect]:
        """The publisher's node is gone or drains. Nothing happens while it moves already. `now`: monotonic seconds."""
        if slot.successor is not None:
            return []
        kept = self._slots.kept.of(slot.session)
        if kept is None or slot.node is None:
            return self._failed(slot, Outcome.NO_OFFER)
        slot.moves += 1
        successor = Slot(
            role=Role.PUBLISH,
            stream=slot.stream,
            session=new_session_id(),
            asked_at=now,
            phase=Phase.OPENING,
            credentials=slot.credentials,
            identity=slot.identity,
            codecs=slot.codecs,
            start_timeout_s=slot.start_timeout_s,
            name=slot.name,
            meta_data=slot.meta_data,
            peer=slot.peer,
        )
        noted(successor)
        self._slots.move(slot, successor)
        still_serves = not slot.node_gone
        move = MovePublisher(
            session=successor.session,
            stream=successor.stream,
            sdp_offer=kept.offer,
            sdp_answered=kept.answer if still_serves else "",
            former=former_session(slot.node, slot.session, slot.association) if still_serves else None,
            credentials=successor.credentials,
            identity=successor.identity,
            name=successor.name,
            meta_data=successor.meta_data,
            codecs=successor.codecs,
        )
        return [move, ExpireLater(successor.session, MOVE_S)]

    def again(self, slot: Slot | None, now: float) -> list[Effect]:
        """It is time to look for an origin once more. Nothing happens to a session that is over."""
        if slot is None or slot.phase not in (Phase.CONNECTING, Phase.RUNNING):
            return []
        return self.begin(slot, now)

    def goes_on(self, slot: Slot, reason: EndReason) -> bool:
        """Whether a former session that its node has ended for this reason moves nevertheless. It may have been
        replaced by the very session in which its publisher goes on, of which we hear in a moment."""
        successor = slot.successor
        if successor is None or reason in _ENDS_MOVE:
            return False
        return reason is not EndReason.REPLACED or successor.phase is Phase.CONNECTING

    def end(self, slot: Slot, reason: EndReason, keep_stream_s: float = 0.0) -> list[Effect]:
        """The former session ends for good, so that nothing is to move. Nothing happens if nothing moves."""
        successor = slot.successor
        if successor is None:
            return []
        self._tally.publisher_moved(Outcome.ENDED)
        return self._over(successor, Step.LEFT, reason, keep_stream_s)

    # ---- the new session

    def opened(self, successor: Slot, answer: SessionAnswer) -> list[Effect]:
        """An origin has the new session, and makes an offer, or two."""
        return [two_offers.first(successor, answer), ExpireLater(successor.session, ANSWER_S)]

    def refused(self, slot: Slot, error: RillcastError) -> list[Effect]:
        """No origin takes the publisher of `slot`. One may have room later."""
        self._tally.publisher_moved(Outcome.REFUSED)
        slot.successor = None
        if error.code is ErrorCode.HIGH_RESOURCE_USAGE:
            if not slot.node_gone:
                slot.moves = 0
                return [MoveAgain(slot.session, AGAIN_S)]
            if slot.moves < MOST_IN_A_ROW:
                return [MoveAgain(slot.session, SOON_S)]
        return [Send(replies.SERVER_WILL_STOP)]

    def answer_refused(self, successor: Slot) -> list[Effect]:
        """The new origin does not take the client's answer."""
        return self._came_to_nothing(successor, Step.ANSWER_REFUSED, EndReason.REFUSED, Outcome.BAD_ANSWER)

    def expired(self, successor: Slot) -> list[Effect]:
        """The time is over."""
        late = {Phase.OPENING: Outcome.REFUSED, Phase.ANSWER_WANTED: Outcome.NO_ANSWER}
        outcome = late.get(successor.phase, Outcome.NOT_CONNECTED)
        return self._came_to_nothing(successor, Step.EXPIRED, EndReason.START_TIMEOUT, outcome)

    def closed(self, successor: Slot, reason: EndReason, now: float) -> list[Effect]:
        """The new origin has ended the new session."""
        slot = successor.moves_from
        assert slot is not None
        effects = self._over(successor, Step.CLOSED, reason, ended_there=True)
        if reason is EndReason.DRAINING:
            return effects + self._node_left(slot, now)
        if reason in (EndReason.STOPPED, EndReason.USER_BLOCKED):  # the former session is told so as well
            self._tally.publisher_moved(Outcome.ENDED)
            return effects
        return effects + self._failed(slot, Outcome.NOT_CONNECTED)

    def node_gone(self, slot: Slot, node: NodeId, now: float) -> list[Effect]:
        """A node is gone. Nothing happens unless it is the one that the publisher of `slot` moves to."""
        successor = slot.successor
        if successor is None or successor.node != node:
            return []
        effects = self._over(successor, Step.NODE_LEFT, EndReason.DRAINING, ended_there=True)
        return effects + self._node_left(slot, now)

    def media_came(self, successor: Slot, now: float) -> list[Effect]:
        """The publisher has its stream in the new session. The client knows nothing of it, unless it still waited for
        the beginning."""
        if not self._slots.advance(successor, Step.STARTED):
            return []
        former = successor.moves_from
        assert former is not None
        had_started = former.phase is Phase.RUNNING
        self._slots.moved(successor)
        two_offers.forget(successor)
        successor.held, successor.restored = former.held, former.restored
        successor.name, successor.meta_data = former.name, former.meta_data
        self._tally.publisher_moved(Outcome.MOVED, now - successor.asked_at)
        effects = catch_up(successor)
        effects.append(Moved(former.session, successor.session, successor.node))
        if former.node_gone and former.node is not None:
            effects.append(LeaveBehind(former.session, former.node))
        if not had_started:
            self._tally.joined(Role.PUBLISH.value, "ok", JoinStage.RUNNING, now - former.asked_at)
            effects += [Send(frame) for frame in session_events.starting(successor)]
        return [*effects, Forget(former.session)]

    # ---- parts

    def _came_to_nothing(self, successor: Slot, step: Step, reason: EndReason, outcome: Outcome) -> list[Effect]:
        slot = successor.moves_from
        assert slot is not None
        keep_stream_s = slot.start_timeout_s  # the new origin may have the stream already
        return [*self._over(successor, step, reason, keep_stream_s), *self._failed(slot, outcome)]

    def _node_left(self, slot: Slot, now: float) -> list[Effect]:
        if slot.moves >= MOST_IN_A_ROW:
            return self._failed(slot, Outcome.NODE_LEFT)
        self._tally.publisher_moved(Outcome.NODE_LEFT)
        return self.begin(slot, now)

    def _failed(self, slot: Slot, outcome: Outcome) -> list[Effect]:
        """The client is asked to come back, and takes its stream over wherever it lands."""
        self._tally.publisher_moved(outcome)
        return [Send(replies.SERVER_WILL_STOP)]

    def _over(
        self,
        successor: Slot,
        step: Step,
        reason: EndReason,
        keep_stream_s: float = 0.0,
        *,
        ended_there: bool = False,
    ) -> list[Effect]:
        """The new session is over. What its node does not know yet it is told now, or when it answers."""
        assert successor.moves_from is not None
        successor.moves_from.successor = None
        successor.keep_stream_s = keep_stream_s
        self._slots.advance(successor, step)
        if successor.phase is Phase.GIVEN_UP:
            return [GiveUp(successor.session)]
        forget = Forget(successor.session)
        if ended_there or successor.node is None:
            return [forget]
        end = End(session=successor.session, node=successor.node, reason=reason, keep_stream_s=keep_stream_s)
        return [end, forget]
