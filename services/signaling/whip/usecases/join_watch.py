"""Follows a new WHIP or WHEP session until it runs, for the figures about joins."""

from __future__ import annotations

import asyncio
from typing import Protocol

from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import SessionState
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.ports import SessionEvents, Tally

WATCH_S = 30.0
"""A session that does not run by then is not followed any longer."""


class JoinNews(Protocol):
    """The part of `Joins` that hears how joins went on."""

    def connected(self, session: SessionId) -> None:
        """Its load will show in the node's reports."""
        ...

    def forget(self, session: SessionId) -> None:
        """The session is over."""
        ...


class JoinWatch:
    """One per signaling instance and role."""

    def __init__(self, role: str, running: SessionState, joins: JoinNews, events: SessionEvents, tally: Tally) -> None:
        """`running`: the state in which a session counts as started."""
        self._role = role
        self._running = running
        self._joins = joins
        self._events = events
        self._tally = tally

    def follow(self, session: SessionId, node: NodeId, began: float) -> None:
        """Count how the join goes on. Called once per session that a node has opened. `node`: what others say of the
        session, who were asked before and answered too late, does not count. `began`: the loop's time at the client's
        request, in seconds."""
        loop = asyncio.get_running_loop()

        def changed(event: SessionChanged) -> None:
            if event.node != node:
                return
            if event.state is SessionState.CLOSED:
                self._tally.joined(self._role, "failed", JoinStage.CONNECTION)
                self._joins.forget(event.session)
                self._events.forget(event.session)
                return
            if event.state is not None:
                self._joins.connected(event.session)
            if event.state in (self._running, SessionState.MEDIA):
                self._tally.joined(self._role, "ok", JoinStage.RUNNING, loop.time() - began)
                self._events.forget(event.session)

        self._events.want(session, changed)
        loop.call_later(WATCH_S, self._events.forget, session)
