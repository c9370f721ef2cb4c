"""A `Discovery` in memory; several instances share one `FakeRegistry`."""

from __future__ import annotations

from dataclasses import dataclass, field

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind


@dataclass
class FakeRegistry:
    """What Consul is to real ones; nodes in `failing` do not pass their check."""

    registered: dict[NodeId, NodeInfo] = field(default_factory=dict)
    failing: set[NodeId] = field(default_factory=set)


class FakeDiscovery:
    """See `rillcast.runtime.ports.Discovery`. Set `reachable` to False for an outage: the last answer is kept."""

    def __init__(self, registry: FakeRegistry | None = None) -> None:
        self.registry = registry or FakeRegistry()
        self.reachable = True
        self._own: NodeInfo | None = None
        self._last: dict[NodeId, NodeInfo] = {}

    async def register(self, info: NodeInfo) -> None:
        """See `Discovery.register`."""
        self._own = info
        self._look()

    async def announce(self, ready: bool) -> None:
        """See `Discovery.announce`."""
        if self._own is not None:
            change = self.registry.failing.discard if ready else self.registry.failing.add
            change(self._own.node)

    async def deregister(self) -> None:
        """See `Discovery.deregister`."""
        if self._own is not None:
            self.registry.registered.pop(self._own.node, None)
            self._own = None

    async def abandon(self) -> None:
        """See `Discovery.abandon`."""
        self._own = None

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeInfo]:
        """See `Discovery.nodes`."""
        self._look()
        return {node: info for node, info in self._last.items() if info.kind == kind}

    def add(self, *infos: NodeInfo) -> None:
        """Make other nodes known and healthy."""
        self.registry.registered.update({info.node: info for info in infos})

    def _look(self) -> None:
        if self.reachable:
            if self._own is not None:
                self.registry.registered.setdefault(self._own.node, self._own)
            self._last = {n: i for n, i in self.registry.registered.items() if n not in self.registry.failing}
