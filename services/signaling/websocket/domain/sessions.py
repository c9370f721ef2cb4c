"""What becomes of one socket's sessions: nodes' answers, events from the cluster, time and leaving.

Every session that a node was asked for is forgotten exactly once, by the effect `Forget`, after the node's answer came.
"""

from __future__ import annotations

from functools import partial

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, new_session_id
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.ports import Tally
from services.signaling.websocket.domain import replies, session_events, two_offers
from services.signaling.websocket.domain.descriptions import catch_up
from services.signaling.websocket.domain.effects import (
    Effect,
    End,
    ExpireLater,
    Forget,
    GiveUp,
    LeaveBehind,
    Moved,
    OpenViewer,
    Send,
)
from services.signaling.websocket.domain.phases import Life, Phase, Step, following
from services.signaling.websocket.domain.publisher_moves import PublisherMoves, former_session
from services.signaling.websocket.domain.slots import Slot, Slots
from services.signaling.websocket.domain.stream_waits import StreamWaits
from services.signaling.websocket.domain.viewer_wishes import ViewerWishes

Now = float
"""Monotonic seconds."""
_PEER_IS_GONE = frozenset({EndReason.CONSENT_EXPIRED, EndReason.DTLS_CLOSED})
"""Ends of a session that come of its peer connection alone."""
_NOT_ANEW = partial(
    RillcastError, ErrorCode.NO_NODE_AVAILABLE, "the new session was closed by its edge; the former one goes on"
)


class Sessions:
    """Decides for the sessions of one socket. Every method returns what is to be done, in that order."""

    def __init__(self, slots: Slots, waits: StreamWaits, wishes: ViewerWishes, tally: Tally) -> None:
        self._slots = slots
        self._waits = waits
        self._wishes = wishes
        self._tally = tally
        self._moves = PublisherMoves(slots, tally)

    # ---- answers of nodes

    def opened(self, answer: SessionAnswer) -> list[Effect]:
        """A node has the session. Called at most once per session, as `refused`."""
        slot = self._slots.session(answer.session)
        if slot is None or not self._slots.advance(slot, Step.OPENED):
            return []
        if slot.phase is Phase.OVER:
            end = End(
                session=answer.session, node=answer.node, reason=EndReason.ABANDONED, keep_stream_s=slot.keep_stream_s
            )
            return [end, Forget(answer.session)]
        slot.node, slot.restored = answer.node, answer.restored
        self._slots.kept.answered(slot.session, answer.sdp)
        if slot.life is Life.MOVE:
            return self._moves.opened(slot, answer)
        if slot.role is Role.PLAY:
            return [two_offers.first(slot, answer)]
        subscriber = slot.credentials.subscriber_id
        return [Send(replies.configuration(slot.stream, "answer", answer.sdp, answer.id_mapping, subscriber))]

    def refused(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """No node takes the session. The client is told why, unless it has given the session up."""
        slot = self._slots.session(session)
        if slot is None:
            return []
        wanted = slot.phase is Phase.OPENING
        if wanted:
            self._wishes.at_end(slot)
        former, is_challenger = slot.moves_from, slot.challenges is not None
        if not self._slots.advance(slot, Step.REFUSED):
            return []
        if former is not None:
            return [Forget(session), *(self._moves.refused(former, error) if wanted else [])]
        if is_challenger:
            self._tally.joined(_figure(slot), error.code.value, JoinStage.NODE)
            return [Forget(session), Send(replies.error(error, slot.stream))]
        return [Forget(session), *(self._tell_refusal(slot, error, JoinStage.NODE) if wanted else [])]

    def reoffered(self, answer: SessionAnswer) -> list[Effect]:
        """A publisher's node has restarted ICE. If the client was meanwhile sent the offer of another node, it has
        taken its own offer back."""
        slot = self._slots.session(answer.session)
        if slot is None or slot.phase not in (Phase.CONNECTING, Phase.RUNNING):
            return []
        if slot.successor is not None and slot.successor.phase is not Phase.OPENING:
            return []
        if slot.next_offer:
            self._slots.keep(slot.session, slot.next_offer, answer.sdp)
            slot.next_offer = ""
        subscriber = slot.credentials.subscriber_id
        return [Send(replies.configuration(slot.stream, "answer", answer.sdp, answer.id_mapping, subscriber))]

    def reoffer_refused(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """A publisher's node takes no other offer. The session goes on as it was."""
        slot = self._slots.session(session)
        if slot is None:
            return []
        slot.next_offer = ""
        return [Send(replies.error(error, slot.stream))]

    def answer_refused(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """The node does not take the client's answer. A session that runs nevertheless goes on."""
        slot = self._slots.session(session)
        if slot is None or following(slot.life, slot.phase, Step.ANSWER_REFUSED) is None:
            return []
        if slot.life is Life.MOVE:
            return self._moves.answer_refused(slot)
        left = self.leave(slot, Step.ANSWER_REFUSED, EndReason.REFUSED)
        return [*left, *self._tell_refusal(slot, error, JoinStage.CONNECTION)]

    def _tell_refusal(self, slot: Slot, error: RillcastError, stage: JoinStage) -> list[Effect]:
        self._tally.joined(_figure(slot), error.code.value, stage)
        told = Send(replies.error(error, slot.stream))
        if slot.moving:
            return [told, Send(session_events.ended(slot))]
        if slot.role is Role.PLAY and error.code is ErrorCode.NO_STREAM_EXIST:
            return self._waits.not_live(slot.stream)
        return [told]

    def answered(self, slot: Slot) -> list[Effect]:
        """The client has answered the offer of a node."""
        return two_offers.answered(slot)

    # ---- events

    def changed(self, event: SessionChanged, now: Now) -> list[Effect]:
        """A node says that something happened to a session. What comes late, or before its answer, changes nothing."""
        slot = self._slots.session(event.session)
        if slot is None or following(slot.life, slot.phase, Step.CLOSED) is None:
            return []  # given up, or not asked for yet
        if slot.node not in (None, event.node) or event.reason is EndReason.NOT_ANSWERED:
            return []  # of a node that was asked before, and answered too late
        if event.state is SessionState.CLOSED:
            return self._ended_there(slot, event, now)
        if event.reached:
            return two_offers.then(slot)
        if slot.life is Life.MOVE:
            return self._moves.media_came(slot, now) if session_events.starts(slot.role, event.state) else []
        effects = self._started(slot, now) if session_events.starts(slot.role, event.state) else []
        if slot.role is Role.PLAY and slot.challenges is None:
            effects += [Send(frame) for frame in session_events.measured(slot, event)]
        return effects

    def node_gone(self, node: NodeId, now: Now, since: Now | None = None) -> list[Effect]:
        """A node died or left. Viewers and publishers there are opened at another one. `since`: when that was known, if
        not just now."""
        effects: list[Effect] = []
        for slot in self._slots.all():
            effects += self._moves.node_gone(slot, node, now)
            if slot.challenger is not None and slot.challenger.node == node:
                behind = LeaveBehind(slot.challenger.session, node)
                effects += [behind, *self._gone(slot.challenger, Step.NODE_LEFT)]
            if slot.node == node:
                slot.node_gone = True
                slot.lost_at = slot.lost_at or since or now
                if slot.role is Role.PLAY:
                    effects.append(LeaveBehind(slot.session, node))
                effects += self._node_leaves(slot, now)
        return effects

    def move_again(self, session: SessionId, now: Now) -> list[Effect]:
        """It is time to look once more for an origin with room. Nothing happens to a session that is over."""
        return self._moves.again(self._slots.session(session), now)

    def offer_then(self, session: SessionId) -> list[Effect]:
        """It is time for the second offer of the node that a client moves to, whether it was reached or not."""
        return two_offers.then(self._slots.session(session))

    def expired(self, session: SessionId) -> list[Effect]:
        """The time to start, or to move, is over. A session that runs by then is left alone, and one that is connecting
        if it does not move."""
        slot = self._slots.session(session)
        if slot is None or following(slot.life, slot.phase, Step.EXPIRED) is None:
            return []
        if slot.life is Life.MOVE:
            return self._moves.expired(slot)
        failure = RillcastError(ErrorCode.PUBLISH_TIMEOUT, "the client did not answer in time")
        self._tally.joined(_figure(slot), failure.code.value, slot.stage)
        return [*self.leave(slot, Step.EXPIRED, EndReason.START_TIMEOUT), Send(replies.error(failure, slot.stream))]

    def _started(self, slot: Slot, now: Now) -> list[Effect]:
        figure = _figure(slot)
        if not self._slots.advance(slot, Step.STARTED):
            return []
        self._tally.joined(figure, "ok", JoinStage.RUNNING, now - slot.asked_at)
        if slot.moving and slot.lost_at is not None:
            self._tally.failed_over(now - slot.lost_at)
        effects: list[Effect] = [] if slot.moving else [Send(frame) for frame in session_events.starting(slot)]
        slot.moving, slot.lost_at = False, None
        two_offers.forget(slot)
        if slot.predecessor is not None:
            (before, node), slot.predecessor = slot.predecessor, None
            effects.append(End(session=before, node=node, reason=EndReason.REPLACED))
        return [*effects, *catch_up(slot), *self._wishes.at_start(slot)]

    def _ended_there(self, slot: Slot, event: SessionChanged, now: Now) -> list[Effect]:
        reason = event.reason or EndReason.OTHER
        if slot.life is Life.MOVE:
            return self._moves.closed(slot, reason, now)
        if slot.challenges is not None:
            return [*self._gone(slot, Step.CLOSED), Send(replies.error(_NOT_ANEW(), slot.stream))]
        if slot.challenger is not None and reason in _PEER_IS_GONE:
            return self._outlived(slot, slot.challenger)
        if reason is EndReason.DRAINING:
            return self._node_leaves(slot, now, event)
        if self._moves.goes_on(slot, reason):
            return []
        return [*self._moves.end(slot, reason), *self.drop_challenger(slot), *self._closed(slot, reason)]

    def _outlived(self, slot: Slot, challenger: Slot) -> list[Effect]:
        """The peer connection is gone instead of which the client asked for another one, so that one is what it has."""
        held: list[Effect] = []
        if slot.held:
            held.append(Moved(slot.session, challenger.session, challenger.node, anew=True))
        self._slots.prevail(challenger)
        gone = self._gone(slot, Step.REPLACED)
        self._slots.take_name(challenger)
        return [*held, *gone]

    def _closed(self, slot: Slot, reason: EndReason) -> list[Effect]:
        effects: list[Effect] = [Send(frame) for frame in session_events.closing(slot, reason)]
        if slot.phase is not Phase.RUNNING:
            self._tally.joined(_figure(slot), "failed", slot.stage)
        return effects + self._gone(slot, Step.CLOSED)

    def _node_leaves(self, slot: Slot, now: Now, drains: SessionChanged | None = None) -> list[Effect]:
        """The client gets an offer of another node on its living PeerConnection, or two. `drains`: what the node has
        said, if it goes on until then."""
        if slot.role is Role.PUBLISH:
            slot.association = drains.association if drains is not None else slot.association
            self._slots.advance(slot, Step.NODE_LEFT)
            return self._moves.begin(slot, now)
        successor = Slot(
            role=Role.PLAY,
            stream=slot.stream,
            session=new_session_id(),
            asked_at=now,
            phase=Phase.OPENING,
            credentials=slot.credentials,
            identity=slot.identity,
            codecs=slot.codecs,
            held=slot.held,
            start_timeout_s=slot.start_timeout_s,
            height=slot.height,
            moving=slot.has_run,
            lost_at=None if drains is not None else slot.lost_at,
            peer=slot.peer,
            predecessor=(slot.session, slot.node) if slot.node is not None and drains is not None else None,
        )
        moved = Moved(slot.session, successor.session)
        effects = [*self.drop_challenger(slot), moved, *self._gone(slot, Step.NODE_LEFT)]
        self._slots.add(successor)
        return [
            *effects,
            OpenViewer(
                session=successor.session,
                stream=successor.stream,
                codecs=successor.codecs,
                sdp_offered=drains.sdp_offered if drains is not None else "",
                former=None if drains is None else former_session(drains.node, drains.session, drains.association),
            ),
            ExpireLater(successor.session, successor.start_timeout_s),
        ]

    # ---- the end

    def leave(self, slot: Slot, step: Step, reason: EndReason, *, keep_stream_s: float = 0.0) -> list[Effect]:
        """End a session from this side. `step` must have a place in its phase; `keep_stream_s`: publishers only."""
        dropped = self.drop_challenger(slot)
        keep_stream_s = keep_stream_s if slot.role is Role.PUBLISH else 0.0
        slot.keep_stream_s = keep_stream_s
        gone = [*self._moves.end(slot, reason, keep_stream_s), *self._gone(slot, step)]
        if slot.node is None:
            return dropped + gone
        end = End(session=slot.session, node=slot.node, reason=reason, keep_stream_s=keep_stream_s)
        return [*dropped, end, *gone]

    def drop_challenger(self, slot: Slot) -> list[Effect]:
        """The session that was asked for while this one runs comes to nothing. Nothing happens if there is none."""
        if slot.challenger is None:
            return []
        return self.leave(slot.challenger, Step.LEFT, EndReason.ABANDONED)

    def _gone(self, slot: Slot, step: Step) -> list[Effect]:
        was = slot.phase
        if step not in (Step.NODE_LEFT, Step.REPLACED):
            self._wishes.at_end(slot)
        self._slots.advance(slot, step)
        if slot.phase is Phase.GIVEN_UP or was is Phase.ADMITTING:
            return [GiveUp(slot.session)]
        return [] if was is Phase.OFFER_WANTED and not slot.held else [Forget(slot.session)]


def _figure(slot: Slot) -> str:
    """The role under which a join is counted; moves to another edge are counted apart."""
    return "move" if slot.moving else slot.role.value
