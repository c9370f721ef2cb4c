"""The nodes that did not take one session, while others are asked."""

from __future__ import annotations

from collections.abc import Mapping

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport


class Refusals:
    """The nodes that did not take one session. A node that started anew since counts as another one."""

    def __init__(self) -> None:
        self._incarnations: dict[NodeId, str] = {}
        self.count = 0
        self.last: RillcastError | None = None
        """Of several of one kind the first: that node had the most time."""
        self.some_full = False
        """Whether one of them had no room."""
        self.nobody_left = False
        """Whether, besides these, there is no node at all."""

    def add(self, report: NodeReport, error: RillcastError) -> None:
        """A node did not take the session."""
        self._incarnations[report.info.node] = report.info.incarnation
        self.count += 1
        if self.last is None or self.last.code is not error.code:
            self.last = error
        self.some_full = self.some_full or error.code is ErrorCode.HIGH_RESOURCE_USAGE

    def of(self, nodes: Mapping[NodeId, NodeReport]) -> set[NodeId]:
        """Those of `nodes` that refused, or did not answer, since they started."""
        return {
            node
            for node, incarnation in self._incarnations.items()
            if node in nodes and nodes[node].info.incarnation == incarnation
        }
