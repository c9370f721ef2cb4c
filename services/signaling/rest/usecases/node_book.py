"""The nodes of the cluster for people who look at it: when each was heard last, and for a while those that died."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport
from services.signaling.rest.domain.booked import BookedNode
from services.signaling.rest.ports import HeardNodes

DEAD_S = 600.0
"""For so long a node that died is shown."""
MOST_DEAD = 1_000
"""The one that died first is forgotten then."""


class NodeBook:
    """One per signaling instance."""

    def __init__(self, nodes: HeardNodes, now_s: Callable[[], float]) -> None:
        """`now_s` returns the Unix time."""
        self._nodes = nodes
        self._now_s = now_s
        self._heard_s: dict[NodeId, float] = {}
        self._dead: dict[NodeId, BookedNode] = {}
        nodes.on_heard(self._heard)
        nodes.on_gone(self._gone)

    def all(self) -> list[BookedNode]:
        """By id, those that are alive and those that died lately."""
        now_s = self._now_s()
        alive = {report.info.node: report for report in self._nodes.all()}
        oldest_ms = int((now_s - DEAD_S) * 1000)
        self._dead = {node: one for node, one in self._dead.items() if one.heard_ms >= oldest_ms and node not in alive}
        booked = [
            BookedNode(report=report, heard_ms=int(self._heard_s.get(node, now_s) * 1000), alive=True)
            for node, report in alive.items()
        ]
        return sorted([*booked, *self._dead.values()], key=lambda one: one.report.info.node)

    def get(self, node: NodeId) -> BookedNode | None:
        """The node; None when there is none of this id, and none died lately."""
        return next((one for one in self.all() if one.report.info.node == node), None)

    def forget(self, node: NodeId) -> bool:
        """Show a node that died no longer. Whether it was shown."""
        return self._dead.pop(node, None) is not None

    def _heard(self, report: NodeReport) -> None:
        self._heard_s[report.info.node] = self._now_s()

    def _gone(self, report: NodeReport) -> None:
        node = report.info.node
        heard_s = self._heard_s.pop(node, self._now_s())
        if not self._nodes.died(node):
            return
        if len(self._dead) >= MOST_DEAD:
            del self._dead[next(iter(self._dead))]
        self._dead[node] = BookedNode(report=report, heard_ms=int(heard_s * 1000), alive=False)
