"""The nodes of one zone, of one region or of the whole cluster, in the order in which placement looks at them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from rillcast.cluster.placement.node_set import NodeSet
from rillcast.contracts.ids import NodeId


class Spread:
    """Nodes by the number of their sessions, the fewest first."""

    def __init__(self) -> None:
        self._by_sessions: dict[int, NodeSet] = {}
        self._heap: list[int] = []
        """Each number for which there are nodes, once, and some for which there are none any more."""
        self._queued: set[int] = set()

    def put(self, node: NodeId, sessions: int) -> None:
        """The node has so many."""
        nodes = self._by_sessions.get(sessions)
        if nodes is None:
            nodes = self._by_sessions[sessions] = NodeSet()
            if sessions not in self._queued:
                self._queued.add(sessions)
                heapq.heappush(self._heap, sessions)
        nodes.add(node)

    def take(self, node: NodeId, sessions: int) -> None:
        """The node had so many, and has them no more."""
        nodes = self._by_sessions[sessions]
        nodes.discard(node)
        if not nodes:
            del self._by_sessions[sessions]

    def ascending(self) -> Iterator[NodeSet]:
        """Those with the fewest sessions, then the next ones."""
        while self._heap and self._heap[0] not in self._by_sessions:
            self._queued.discard(heapq.heappop(self._heap))
        if not self._heap:
            return
        fewest = self._heap[0]
        yield self._by_sessions[fewest]
        for sessions in sorted(self._by_sessions):
            if sessions != fewest:
                yield self._by_sessions[sessions]


class Pool:
    """Nodes of one place that have room."""

    def __init__(self) -> None:
        self.members = 0
        """How many nodes of the place take new work, with and without room."""
        self.room = NodeSet()
        self.idle = Spread()
        """Those of them that have next to nothing to do."""

    def change(self, node: NodeId, *, room: bool, idle: int | None, was_idle: int | None) -> None:
        """`idle`: the sessions of a node that is nearly idle; None of any other."""
        (self.room.add if room else self.room.discard)(node)
        if idle != was_idle:
            if was_idle is not None:
                self.idle.take(node, was_idle)
            if idle is not None:
                self.idle.put(node, idle)
