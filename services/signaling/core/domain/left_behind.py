"""Sessions that went on elsewhere because their node was taken for gone. No I/O."""

from __future__ import annotations

from rillcast.contracts.ids import NodeId, SessionId

MOST_LEFT_BEHIND = 50_000
"""Of all nodes together; beyond, the oldest are forgotten. Their clients end them, when they leave."""


class LeftBehind:
    """Those that one signaling instance knows of, by node."""

    def __init__(self) -> None:
        self._nodes: dict[SessionId, NodeId] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, session: SessionId, node: NodeId) -> None:
        """The session was at this node."""
        if len(self._nodes) >= MOST_LEFT_BEHIND:
            del self._nodes[next(iter(self._nodes))]
        self._nodes[session] = node

    def at(self, node: NodeId) -> list[SessionId]:
        """Those at this node; they are forgotten with this call."""
        found = [session for session, where in self._nodes.items() if where == node]
        for session in found:
            del self._nodes[session]
        return found
