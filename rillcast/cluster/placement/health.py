"""Policy: only nodes that are alive, ready and staying get new sessions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport


def taking_sessions(reports: Iterable[NodeReport], excluded: Collection[NodeId] = ()) -> list[NodeReport]:
    """The nodes that may be asked at all. `excluded`: those that have just refused this very join."""
    return [r for r in reports if r.ready and not r.draining and r.info.node not in excluded]
