"""Policy: while nodes have next to nothing to do, go by the number of sessions, not by a load that is mostly noise.

Among nodes with equally few sessions, one that has the stream comes first."""

from __future__ import annotations

import random
from collections.abc import Collection, Container, Mapping

from rillcast.cluster.placement.node_set import NodeSet
from rillcast.cluster.placement.pool import Spread
from rillcast.contracts.ids import NodeId

LOOKED_AT = 64
"""How many nodes are looked at to find one that has the stream. Where more are equal, that is a matter of luck: a relay
costs little while nodes are idle."""


def fewest_sessions(
    spread: Spread,
    carriers: Mapping[NodeId, None],
    favoured: NodeSet | None,
    rng: random.Random,
    excluded: Collection[NodeId],
) -> NodeId | None:
    """The node with the fewest sessions; None when all are excluded. `carriers` have the stream; `favoured` are those
    of them of this place, if they are many."""
    for equal in spread.ascending():
        found = _carrier(equal, carriers, favoured, rng, excluded) if carriers else None
        if found is None:
            found = next(iter(equal.draw(1, rng, excluded)), None)
        if found is not None:
            return found
    return None


def _carrier(
    equal: NodeSet,
    carriers: Mapping[NodeId, None],
    favoured: NodeSet | None,
    rng: random.Random,
    excluded: Collection[NodeId],
) -> NodeId | None:
    few: Collection[NodeId]
    many: Container[NodeId]
    few, many = (equal, carriers) if len(equal) <= len(carriers) else (carriers, equal)
    if len(few) <= LOOKED_AT:
        both = [node for node in few if node in many and node not in excluded]
        return rng.choice(both) if both else None
    others: Container[NodeId]
    drawn_from, others = (favoured, equal) if favoured and len(favoured) < len(equal) else (equal, carriers)
    drawn = (drawn_from.any(rng) for _ in range(LOOKED_AT))
    return next((node for node in drawn if node in others and node not in excluded), None)
