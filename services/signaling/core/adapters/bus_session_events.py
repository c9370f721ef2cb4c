"""Takes the cluster's session events in and hands each to whoever opened the session here."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.runtime.ports import Bus

Receiver = Callable[[SessionChanged], None]
"""Called with each event of the session. It must not block."""


class BusSessionEvents:
    """`ports.SessionEvents` on the bus."""

    def __init__(
        self,
        closed: Callable[[SessionId, NodeId], None] = lambda session, node: None,
        seen: Receiver = lambda event: None,
    ) -> None:
        """`closed`: called with a session that a node has ended and nobody wants to hear of. `seen`: called with every
        event, after its receiver."""
        self._closed = closed
        self._seen = seen
        self._receivers: dict[SessionId, Receiver] = {}
        self._first: list[Receiver] = []

    async def start(self, bus: Bus, node: NodeId) -> None:
        """Listen for the sessions of this instance."""
        await bus.listen(subjects.session_changed(node), SessionChanged, self._take)

    def hear_first(self, hears: Receiver) -> None:
        """Call `hears` with every event, before its receiver, who may forget the session by it."""
        self._first.append(hears)

    def want(self, session: SessionId, receiver: Receiver) -> None:
        """Hand a session's events to `receiver` until `forget`."""
        self._receivers[session] = receiver

    def forget(self, session: SessionId) -> None:
        """Nobody wants the session's events any more."""
        self._receivers.pop(session, None)

    def __len__(self) -> int:
        """Sessions whose events somebody wants."""
        return len(self._receivers)

    async def _take(self, subject: str, event: SessionChanged) -> None:
        for hears in self._first:
            hears(event)
        receiver = self._receivers.get(event.session)
        if receiver is not None:
            receiver(event)
        elif event.state is SessionState.CLOSED and event.reason is not EndReason.NOT_ANSWERED:
            self._closed(event.session, event.node)
        self._seen(event)
