"""Joins sent to a node that its load does not show yet, so that a burst doesn't all land on one node.

A join counts fully when it is placed, less each moment, and no longer after `DECAY_S`; once connected only until the
node's next reports have it. Time is given; nothing here reads a clock.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId, SessionId

DECAY_S = 20.0
"""A join not connected by then is not coming (`webRTCClientStartTimeoutMs` is 10 s)."""
REPORTED_AFTER_S = 2.5
"""A connected session is in the node's reports by then: they come each second."""
MOST = 50_000
"""Joins remembered; beyond it new ones are not counted, which only makes placement coarser."""


class _Join(msgspec.Struct):
    node: NodeId
    placed_at: float
    until: float


class PendingJoins:
    """Of one signaling instance."""

    def __init__(self) -> None:
        self._joins: dict[SessionId, _Join] = {}
        self._by_node: dict[NodeId, dict[SessionId, _Join]] = {}

    def placed(self, session: SessionId, node: NodeId, now: float) -> None:
        """A join goes to `node`."""
        self.dropped(session)
        if len(self._joins) >= MOST:
            return
        join = _Join(node, now, now + DECAY_S)
        self._joins[session] = join
        self._by_node.setdefault(node, {})[session] = join

    def connected(self, session: SessionId, now: float) -> None:
        """ICE and DTLS are up: the node's load soon tells."""
        join = self._joins.get(session)
        if join is not None:
            join.until = min(join.until, now + REPORTED_AFTER_S)

    def dropped(self, session: SessionId) -> None:
        """Refused or closed."""
        join = self._joins.pop(session, None)
        if join is None:
            return
        of_node = self._by_node[join.node]
        del of_node[session]
        if not of_node:
            del self._by_node[join.node]

    def weight(self, node: NodeId, now: float) -> float:
        """How many joins `node` has to expect, each between 0 and 1 by its age."""
        of_node = self._by_node.get(node)
        if not of_node:
            return 0.0
        for session in [session for session, join in of_node.items() if join.until <= now]:
            self.dropped(session)
        return sum(max(0.0, 1.0 - (now - join.placed_at) / DECAY_S) for join in of_node.values())
