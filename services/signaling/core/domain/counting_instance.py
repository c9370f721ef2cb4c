"""Which signaling instance counts against limits, so that one place decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rillcast.contracts.ids import NodeId


def counting_instance(own: NodeId, heard_of: Iterable[NodeId], silent: Collection[NodeId]) -> NodeId:
    """The first by name of this instance and of those that are heard of. One that does not answer is passed over.
    Instances that hear of the same ones find the same."""
    return min((own, *(node for node in heard_of if node not in silent)))
