"""Sessions that were let in here and are opened by the node that asked, for clients that do not come by signaling.

What is held for such a session (a one-time token, a connection of a subscriber, a place under a limit) is held by this
instance, as for those that it opens itself. So the node says to it what becomes of the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.core.ports import SessionEvents

MOST = 10_000
"""Sessions that are being opened by nodes at one time."""
LATE_S = 2.0
"""What a node needs besides the client's time, to say that the session is connected."""


class SessionNews(Protocol):
    """The part of `Joins` that hears what becomes of sessions."""

    def connected(self, session: SessionId) -> None: ...

    def forget(self, session: SessionId) -> None: ...

    def end(self, session: SessionId, node: NodeId, reason: EndReason) -> None: ...


class AdmittedSessions:
    """One per signaling instance."""

    def __init__(self, joins: SessionNews, events: SessionEvents, placed: Callable[[SessionId, NodeId], None]) -> None:
        """`placed`: told of each session and the node that has it."""
        self._joins = joins
        self._events = events
        self._placed = placed
        self._opening: dict[SessionId, NodeId] = {}

    def __len__(self) -> int:
        """Sessions that have not connected yet."""
        return len(self._opening)

    def room(self) -> None:
        """Raises HIGH_RESOURCE_USAGE when too many are being opened."""
        if len(self._opening) >= MOST:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "too many sessions are being opened", 1.0)

    def follow(self, session: SessionId, node: NodeId, within_s: float) -> None:
        """The session was let in. If it is not connected in this time, it is ended, whatever the node has of it: then
        nothing that was held for it can be used twice. Called once per session."""
        self._opening[session] = node
        self._events.want(session, self._changed)
        self._placed(session, node)
        asyncio.get_running_loop().call_later(within_s + LATE_S, self._expire, session)

    def forget(self, session: SessionId) -> None:
        """It was not let in after all."""
        self._joins.forget(session)

    def _changed(self, event: SessionChanged) -> None:
        if event.node != self._opening.get(event.session):
            return
        if event.state is SessionState.CLOSED:
            self._landed(event.session)
            self._joins.forget(event.session)
        elif event.state is not None:
            self._landed(event.session)
            self._joins.connected(event.session)

    def _expire(self, session: SessionId) -> None:
        node = self._opening.get(session)
        if node is not None:
            self._landed(session)
            self._joins.end(session, node, EndReason.START_TIMEOUT)

    def _landed(self, session: SessionId) -> None:
        """Its end is heard of all the same, since something is held for it."""
        del self._opening[session]
        self._events.forget(session)
