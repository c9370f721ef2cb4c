"""Nodes from which lots are drawn."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

from rillcast.contracts.ids import NodeId

TRIES = 16
"""Lots that are drawn before all nodes are looked at: more than enough unless most nodes are left out."""


class NodeSet:
    """A set of nodes. Adding, removing and drawing cost the same for ten nodes and for ten thousand."""

    __slots__ = ("_at", "_nodes")

    def __init__(self) -> None:
        self._nodes: list[NodeId] = []
        self._at: dict[NodeId, int] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node: object) -> bool:
        return node in self._at

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self._nodes)

    def add(self, node: NodeId) -> None:
        """Nothing happens if it is there."""
        if node not in self._at:
            self._at[node] = len(self._nodes)
            self._nodes.append(node)

    def discard(self, node: NodeId) -> None:
        """Nothing happens if it is not there."""
        at = self._at.pop(node, None)
        if at is None:
            return
        last = self._nodes.pop()
        if last != node:
            self._nodes[at] = last
            self._at[last] = at

    def any(self, rng: random.Random) -> NodeId:
        """One of them; there must be one."""
        return self._nodes[int(rng.random() * len(self._nodes))]

    def draw(self, count: int, rng: random.Random, excluded: Collection[NodeId] = ()) -> list[NodeId]:
        """`count` different ones that are not excluded, or all of them if there are fewer; each equally likely. For a
        few."""
        nodes = self._nodes
        if len(nodes) > TRIES:
            found: list[NodeId] = []
            for _ in range(TRIES):
                node = self.any(rng)
                if node not in excluded and node not in found:
                    found.append(node)
                    if len(found) == count:
                        return found
        return lots(count, [node for node in nodes if node not in excluded], rng)


def lots(count: int, nodes: list[NodeId], rng: random.Random) -> list[NodeId]:
    """`count` of these, or all of them if there are fewer."""
    return nodes if len(nodes) <= count else rng.sample(nodes, count)
