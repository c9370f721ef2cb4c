"""The nodes that take new work, kept up to date with each thing that is heard of one, so that a question costs the same
for ten nodes and for ten thousand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.words import NodeKind

TakerListener = Callable[[NodeReport, bool], None]
"""A node's report, and whether it takes new work. Called for each report of one that does, and once when it ends."""


class Takers:
    """By kind, the last report of each node that takes new work. Who does is decided by `NodeDirectory`."""

    def __init__(self) -> None:
        self._by_kind: dict[NodeKind, dict[NodeId, NodeReport]] = {kind: {} for kind in NodeKind}
        self._shown = {kind: MappingProxyType(nodes) for kind, nodes in self._by_kind.items()}
        self._listeners: list[TakerListener] = []

    def of(self, kind: NodeKind) -> Mapping[NodeId, NodeReport]:
        """Those of one kind: a view that changes with them."""
        return self._shown[kind]

    def listen(self, listener: TakerListener) -> None:
        """Tell `listener` of those there are, and of every change from now on."""
        self._listeners.append(listener)
        for nodes in self._by_kind.values():
            for report in nodes.values():
                listener(report, True)

    def set(self, report: NodeReport, takes: bool) -> None:
        """What is known of a node now."""
        nodes, node = self._by_kind[report.info.kind], report.info.node
        if takes:
            if nodes.get(node) is report:
                return
            nodes[node] = report
        elif nodes.pop(node, None) is None:
            return
        for listener in self._listeners:
            listener(report, takes)
