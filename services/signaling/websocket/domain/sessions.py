"""What becomes of one socket's sessions: nodes' answers, events from the cluster, time and leaving.

Every session that a node was asked for is forgotten exactly once, by the effect `Forget`, after the node's answer came.
"""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, new_session_id
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.core.ports import Tally
from services.signaling.websocket.domain import replies, session_events
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
from services.signaling.websocket.domain.phases import Phase, Step, following
from services.signaling.websocket.domain.slots import Slot, Slots
from services.signaling.websocket.domain.stream_waits import StreamWaits
from services.signaling.websocket.domain.viewer_wishes import ViewerWishes

Now = float
"""Monotonic seconds."""


class Sessions:
    """Decides for the sessions of one socket. Every method returns what is to be done, in that order."""

    def __init__(self, slots: Slots, waits: StreamWaits, wishes: ViewerWishes, tally: Tally) -> None:
        self._slots = slots
        self._waits = waits
        self._wishes = wishes
        self._tally = tally

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
        kind, subscriber = "answer" if slot.role is Role.PUBLISH else "offer", slot.credentials.subscriber_id
        return [Send(replies.configuration(slot.stream, kind, answer.sdp, answer.id_mapping, subscriber))]

    def refused(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """No node takes the session. The client is told why, unless it has given the session up."""
        slot = self._slots.session(session)
        if slot is None:
            return []
        wanted = slot.phase is Phase.OPENING
        if wanted:
            self._wishes.at_end(slot)
        if not self._slots.advance(slot, Step.REFUSED):
            return []
        return [Forget(session), *(self._tell_refusal(slot, error) if wanted else [])]

    def reoffered(self, answer: SessionAnswer) -> list[Effect]:
        """A publisher's node has restarted ICE."""
        slot = self._slots.session(answer.session)
        if slot is None or slot.phase not in (Phase.CONNECTING, Phase.RUNNING):
            return []
        subscriber = slot.credentials.subscriber_id
        return [Send(replies.configuration(slot.stream, "answer", answer.sdp, answer.id_mapping, subscriber))]

    def reoffer_refused(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """A publisher's node takes no other offer. The session goes on as it was."""
        slot = self._slots.session(session)
        return [] if slot is None else [Send(replies.error(error, slot.stream))]

    def answer_refused(self, session: SessionId, error: RillcastError) -> list[Effect]:
        """The edge does not take the viewer's answer. A session that runs nevertheless goes on."""
        slot = self._slots.session(session)
        if slot is None or following(slot.role, slot.phase, Step.ANSWER_REFUSED) is None:
            return []
        return [*self.leave(slot, Step.ANSWER_REFUSED, EndReason.REFUSED), *self._tell_refusal(slot, error)]

    def _tell_refusal(self, slot: Slot, error: RillcastError) -> list[Effect]:
        self._tally.joined(_figure(slot), error.code.value)
        told = Send(replies.error(error, slot.stream))
        if slot.moving:
            return [told, Send(session_events.ended(slot))]
        if slot.role is Role.PLAY and error.code is ErrorCode.NO_STREAM_EXIST:
            return self._waits.not_live(slot.stream)
        return [told]

    # ---- events

    def changed(self, event: SessionChanged, now: Now) -> list[Effect]:
        """A node says that something happened to a session. What comes late, or before its answer, changes nothing."""
        slot = self._slots.session(event.session)
        if slot is None or following(slot.role, slot.phase, Step.CLOSED) is None:
            return []  # given up, or not asked for yet
        if slot.node not in (None, event.node) or event.reason is EndReason.NOT_ANSWERED:
            return []  # of a node that was asked before, and answered too late
        if event.state is SessionState.CLOSED:
            reason = event.reason or EndReason.OTHER
            return self._node_leaves(slot, now) if reason is EndReason.DRAINING else self._closed(slot, reason)
        effects = self._started(slot, now) if session_events.starts(slot.role, event.state) else []
        if slot.role is Role.PLAY:
            effects += [Send(frame) for frame in session_events.measured(slot, event)]
        return effects

    def node_gone(self, node: NodeId, now: Now) -> list[Effect]:
        """A node died or left. Viewers there are opened at another edge, and publishers are asked to come back."""
        effects: list[Effect] = []
        for slot in self._slots.all():
            if slot.node == node:
                behind = [LeaveBehind(slot.session, node)] if slot.role is Role.PLAY else []
                effects += [*behind, *self._node_leaves(slot, now)]
        return effects

    def expired(self, session: SessionId) -> list[Effect]:
        """The time to start is over. A session that is connecting or runs by then is left alone."""
        slot = self._slots.session(session)
        if slot is None or following(slot.role, slot.phase, Step.EXPIRED) is None:
            return []
        failure = RillcastError(ErrorCode.PUBLISH_TIMEOUT, "the client did not answer in time")
        self._tally.joined(_figure(slot), failure.code.value)
        return [*self.leave(slot, Step.EXPIRED, EndReason.START_TIMEOUT), Send(replies.error(failure, slot.stream))]

    def _started(self, slot: Slot, now: Now) -> list[Effect]:
        figure = _figure(slot)
        if not self._slots.advance(slot, Step.STARTED):
            return []
        self._tally.joined(figure, "ok", now - slot.asked_at)
        effects: list[Effect] = [] if slot.moving else [Send(frame) for frame in session_events.starting(slot)]
        slot.moving = False
        return effects + self._wishes.at_start(slot)

    def _closed(self, slot: Slot, reason: EndReason) -> list[Effect]:
        effects: list[Effect] = [Send(frame) for frame in session_events.closing(slot, reason)]
        if slot.phase is not Phase.RUNNING:
            self._tally.joined(_figure(slot), "failed")
        return effects + self._gone(slot, Step.CLOSED)

    def _node_leaves(self, slot: Slot, now: Now) -> list[Effect]:
        """A viewer gets an offer of another edge on its living PeerConnection; a publisher is asked to come back anew,
        and then takes its stream over wherever it lands."""
        if slot.role is Role.PUBLISH:
            self._slots.advance(slot, Step.NODE_LEFT)
            return [Send(replies.SERVER_WILL_STOP)]
        successor = Slot(
            role=Role.PLAY,
            stream=slot.stream,
            session=new_session_id(),
            asked_at=now,
            phase=Phase.OPENING,
            credentials=slot.credentials,
            identity=slot.identity,
            held=slot.held,
            start_timeout_s=slot.start_timeout_s,
            height=slot.height,
            moving=slot.has_run,
        )
        moved: list[Effect] = [Moved(slot.session, successor.session)] if slot.held else []
        effects = [*moved, *self._gone(slot, Step.NODE_LEFT)]
        self._slots.add(successor)
        return [
            *effects,
            OpenViewer(session=successor.session, stream=successor.stream),
            ExpireLater(successor.session, successor.start_timeout_s),
        ]

    # ---- the end

    def leave(self, slot: Slot, step: Step, reason: EndReason, *, keep_stream_s: float = 0.0) -> list[Effect]:
        """End a session from this side. `step` must have a place in its phase; `keep_stream_s`: publishers only."""
        keep_stream_s = keep_stream_s if slot.role is Role.PUBLISH else 0.0
        slot.keep_stream_s = keep_stream_s
        gone = self._gone(slot, step)
        if slot.node is None:
            return gone
        return [End(session=slot.session, node=slot.node, reason=reason, keep_stream_s=keep_stream_s), *gone]

    def _gone(self, slot: Slot, step: Step) -> list[Effect]:
        was = slot.phase
        if step is not Step.NODE_LEFT:
            self._wishes.at_end(slot)
        self._slots.advance(slot, step)
        if slot.phase is Phase.GIVEN_UP or was is Phase.ADMITTING:
            return [GiveUp(slot.session)]
        return [] if was is Phase.OFFER_WANTED and not slot.held else [Forget(slot.session)]


def _figure(slot: Slot) -> str:
    """The role under which a join is counted; moves to another edge are counted apart."""
    return "move" if slot.moving else slot.role.value
