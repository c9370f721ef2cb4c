"""Nodes that were asked and said nothing. A process that is stopped, or a machine that swaps, keeps its subscriptions,
and is reported as alive for seconds. No I/O."""

from __future__ import annotations

from rillcast.contracts.ids import NodeId

SILENT_FOR_S = 5.0
"""How long a node is avoided. One that stays frozen is no longer among the live ones by then
(`rillcast.runtime.discovery.directory.EXPIRY_S`)."""


class SilentNodes:
    """Those that one signaling instance knows of. Time is given in monotonic seconds. It holds each node once, and
    never one whose time is over by the last call of `silent`."""

    def __init__(self) -> None:
        self._until: dict[NodeId, float] = {}

    def silent(self, node: NodeId, now: float) -> None:
        """A request to `node` has had no answer for longer than a healthy one takes."""
        self._until = {other: until for other, until in self._until.items() if until > now}
        self._until[node] = now + SILENT_FOR_S

    def heard(self, node: NodeId) -> None:
        """Any answer of `node` came, so it is not frozen."""
        self._until.pop(node, None)

    def now(self, now: float) -> set[NodeId]:
        """The nodes that are better avoided."""
        return {node for node, until in self._until.items() if until > now}
