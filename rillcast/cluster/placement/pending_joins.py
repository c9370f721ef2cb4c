"""Joins sent to a node that its load does not show yet, so that a burst doesn't all land on one node.

A join counts fully when it is placed, less each moment, and no longer after `DECAY_S`; once connected only until the
node's next reports have it. Time is given; nothing here reads a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import msgspec

from rillcast.contracts.ids import NodeId, SessionId

DECAY_S = 20.0
"""A join not connected by then is not coming (`webRTCClientStartTimeoutMs` is 10 s)."""
REPORTED_AFTER_S = 2.5
"""A connected session is in the node's reports by then: they come each second."""
MOST = 50_000
"""How many joins are remembered. Further ones are not counted, which only makes placement coarser."""


class _Join(msgspec.Struct):
    node: NodeId
    placed_at: float
    until: float


class _Expected(msgspec.Struct):
    """The joins of one node in two sums, so that asking costs the same for ten and for ten thousand."""

    count: int = 0
    placed_at_sum: float = 0.0


class PendingJoins:
    """The joins that one signaling instance has sent to nodes."""

    def __init__(self) -> None:
        self._joins: dict[SessionId, _Join] = {}
        self._by_node: dict[NodeId, _Expected] = {}
        self._expiry: list[tuple[float, SessionId]] = []
        self._on_change: list[Callable[[NodeId], None]] = []

    def on_change(self, listener: Callable[[NodeId], None]) -> None:
        """Call `listener` with each node that has one join more or less to expect."""
        self._on_change.append(listener)

    def placed(self, session: SessionId, node: NodeId, now: float) -> None:
        """A join goes to `node`."""
        self.dropped(session)
        if len(self._expiry) >= MOST:
            return
        self._joins[session] = _Join(node, now, now + DECAY_S)
        expected = self._by_node.setdefault(node, _Expected())
        expected.count += 1
        expected.placed_at_sum += now
        heapq.heappush(self._expiry, (now + DECAY_S, session))
        self._changed(node)

    def connected(self, session: SessionId, now: float) -> None:
        """ICE and DTLS are up, so the node's load will soon show the session."""
        join = self._joins.get(session)
        if join is not None and now + REPORTED_AFTER_S < join.until:
            join.until = now + REPORTED_AFTER_S
            heapq.heappush(self._expiry, (join.until, session))

    def dropped(self, session: SessionId) -> None:
        """The join was refused, or its session was closed."""
        join = self._joins.pop(session, None)
        if join is None:
            return
        expected = self._by_node[join.node]
        expected.count -= 1
        expected.placed_at_sum -= join.placed_at
        if not expected.count:
            del self._by_node[join.node]
        self._changed(join.node)

    def weight(self, node: NodeId, now: float) -> float:
        """How many joins `node` has to expect, each between 0 and 1 by its age."""
        self.expire(now)
        expected = self._by_node.get(node)
        if expected is None:
            return 0.0
        ages = expected.count * now - expected.placed_at_sum
        return max(0.0, expected.count - ages / DECAY_S)

    def expire(self, now: float) -> None:
        """Forget the joins whose time is over. `weight` does it by itself."""
        while self._expiry and self._expiry[0][0] <= now:
            _, session = heapq.heappop(self._expiry)
            join = self._joins.get(session)
            if join is not None and join.until <= now:
                self.dropped(session)

    def _changed(self, node: NodeId) -> None:
        for listener in self._on_change:
            listener(node)
