"""Policy: the better of two random nodes.

Instances of signaling act on reports up to a second old; if each took the very best node, all would take the same one
(M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection

from rillcast.cluster.placement.node_set import NodeSet, lots
from rillcast.contracts.ids import NodeId


def better_of_two(
    nodes: NodeSet | list[NodeId], cost: Callable[[NodeId], float], rng: random.Random, excluded: Collection[NodeId]
) -> NodeId | None:
    """One of `nodes`; None when all are excluded."""
    if isinstance(nodes, NodeSet):
        two = nodes.draw(2, rng, excluded)
    else:
        two = lots(2, [node for node in nodes if node not in excluded], rng)
    return min(two, key=cost, default=None)
