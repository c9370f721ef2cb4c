"""What makes a node doubtful, why it counts as gone, and who says so."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport
from rillcast.runtime.discovery.suspicion import Finding, State


class Doubt(StrEnum):
    """What makes a node doubtful."""

    LIFELINE = "lifeline"
    """The one that was held to the node broke."""
    HEARTBEAT = "heartbeat"
    """None came for longer than usual."""
    REQUEST = "request"
    """One to the node had no answer."""
    RELAY = "relay"
    """One that the node fed, or was fed by, fell silent."""


class Gone(StrEnum):
    """Why a node counts as gone: the labels of ``rillcast_nodes_gone_total``."""

    LEFT = "left"
    """The node said goodbye on the bus."""
    RESTARTED = "restarted"
    """Another process of the node is there, and this one is silent."""
    DEAD = Finding.DEAD.value
    FROZEN = Finding.FROZEN.value
    MISSING = Finding.MISSING.value
    SILENT = "silent"
    """No heartbeat came for `EXPIRY_S`, and nobody could ask."""


class Watcher(Protocol):
    """Who judges nodes better than by their silence (`rillcast.runtime.discovery.node_watch`)."""

    def heard(self, report: NodeReport) -> None:
        """A heartbeat came. Called for each, after `forget` when it is that of another process than before."""
        ...

    def forget(self, node: NodeId) -> None:
        """The node is gone, for whatever reason."""
        ...

    def judges(self, node: NodeId) -> bool:
        """Whether it says when the node is gone."""
        ...

    def trusts(self, node: NodeId) -> bool:
        """Whether the node can be given new sessions."""
        ...

    def isolates(self, node: NodeId) -> bool:
        """Whether the node lives and does not answer on the bus."""
        ...

    def thinks(self, node: NodeId) -> State:
        """What is thought of the node."""
        ...

    def doubt(self, node: NodeId, by: Doubt) -> None:
        """Something makes the node doubtful. Cheap: may be called for each request that had no answer."""
        ...
