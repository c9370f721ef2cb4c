"""A publisher by WebSocket whose origin goes away."""

from __future__ import annotations

from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.websocket.domain.effects import (
    Effect,
)
from services.signaling.websocket.domain.slots import Slot
from tests.unit.signaling.talk import STREAM, Talk

OLD, NEW, NEXT = NodeId("origin-1"), NodeId("origin-2"), NodeId("origin-3")
LEAVE = "server_will_stop"


class Moving(Talk):
    """A publisher that runs at `OLD`, and what its nodes and its client do."""

    def __init__(self, offer: str = "v=0") -> None:
        super().__init__()
        self.send("publish", streamId="s1", streamName="my stream")
        slot = self.slot
        self.send("takeConfiguration", streamId="s1", type="offer", sdp=offer)
        self.first = slot.session
        self.opens(self.first, OLD)
        self.event(self.first, OLD, SessionState.MEDIA)

    @property
    def slot(self) -> Slot:
        slot = self.conversation._slots.of(Role.PUBLISH, STREAM)
        assert slot is not None
        return slot

    @property
    def session(self) -> SessionId:
        """In which it is to go on."""
        assert self.slot.successor is not None
        return self.slot.successor.session

    def opens(self, session: SessionId, node: NodeId) -> list[Effect]:
        return self.conversation.sessions.opened(SessionAnswer(session=session, node=node, sdp=f"v=0 of {node}"))

    def event(
        self, session: SessionId, node: NodeId, state: SessionState, reason: EndReason | None = None, now: float = 0.0
    ) -> list[Effect]:
        change = SessionChanged(session=session, node=node, state=state, reason=reason)
        return self.conversation.sessions.changed(change, now)

    def drains(
        self, node: NodeId = OLD, session: SessionId | None = None, now: float = 0.0, association: str = ""
    ) -> list[Effect]:
        change = SessionChanged(
            session=session or self.first,
            node=node,
            state=SessionState.CLOSED,
            reason=EndReason.DRAINING,
            association=association,
        )
        return self.conversation.sessions.changed(change, now)

    def reaches(self, session: SessionId, node: NodeId) -> list[Effect]:
        """The client's ICE has chosen this origin, and is to shake hands."""
        return self.conversation.sessions.changed(SessionChanged(session=session, node=node, reached=True), 0.0)

    def dies(self, node: NodeId = OLD) -> list[Effect]:
        return self.conversation.sessions.node_gone(node, 0.0)

    def answers(self) -> list[Effect]:
        return self.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0 answer")

    def offered(self, node: NodeId = NEW) -> SessionId:
        """The new origin has made its offer."""
        self.opens(self.session, node)
        return self.session

    def answered(self, node: NodeId = NEW) -> SessionId:
        session = self.offered(node)
        self.answers()
        return session


def kinds(effects: list[Effect]) -> list[str]:
    return [type(effect).__name__ for effect in effects]
