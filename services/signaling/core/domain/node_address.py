"""Where a node is reached by other nodes."""

from __future__ import annotations

from collections.abc import Iterable

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport


def address_of(reports: Iterable[NodeReport], node: NodeId) -> str:
    """Its relay address; empty when it isn't there any more."""
    return next((report.info.relay_address for report in reports if report.info.node == node), "")
