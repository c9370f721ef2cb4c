"""`ports.Peers` by the heartbeats of the cluster's nodes."""

from __future__ import annotations

from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory


class DirectoryPeers:
    """The transcoders but this one."""

    def __init__(self, directory: NodeDirectory, node: NodeId) -> None:
        self._directory = directory
        self._node = node

    def have_room(self) -> bool:
        """See `Peers.have_room`."""
        others = self._directory.placeable(NodeKind.TRANSCODER)
        return any(report.load.cpu < 1.0 for name, report in others.items() if name != self._node)
