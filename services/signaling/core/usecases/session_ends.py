"""Ends sessions at their nodes on the side, few at a time however many sockets close at once."""

from __future__ import annotations

from collections import deque

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.words import EndReason
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.telemetry import get_logger
from services.signaling import metrics
from services.signaling.core.ports import MediaNodes

log = get_logger(__name__)

MOST_AT_ONCE = 64
"""Requests under way. An answer takes about a millisecond, so this many end some ten thousand sessions a second."""
MOST_WAITING = 50_000
"""Beyond it the oldest is dropped: its node ends it by itself, since its client is gone."""


class _End(msgspec.Struct, frozen=True):
    session: SessionId
    node: NodeId
    reason: EndReason
    keep_stream_s: float


class SessionEnds:
    """One per signaling instance."""

    def __init__(self, nodes: MediaNodes, tasks: BackgroundTasks) -> None:
        self._nodes = nodes
        self._tasks = tasks
        self._waiting: deque[_End] = deque()
        self._workers = 0

    def end(self, session: SessionId, node: NodeId, reason: EndReason, keep_stream_s: float = 0.0) -> None:
        """End a session soon. A node that can't be reached ends it by itself when the client is gone."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            metrics.ENDS_DROPPED.inc()
        self._waiting.append(_End(session, node, reason, keep_stream_s))
        if self._workers < MOST_AT_ONCE:
            self._workers += 1
            self._tasks.start(self._work(), "end sessions")

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._end(self._waiting.popleft())
        finally:
            self._workers -= 1

    async def _end(self, end: _End) -> None:
        try:
            await self._nodes.close(end.session, end.node, end.reason, end.keep_stream_s)
        except RillcastError as error:
            log.info(
                "A session could not be ended at its node",
                target=end.node,
                session=end.session,
                reason=error.message,
            )
