"""The relay tree that edges make of themselves when they come for a track one after the other, without any network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from rillcast.cluster.placement.nearness import Place
from rillcast.cluster.relay_tree import Asker, FedChild, Here, ParentSearch, is_full, refer
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId


class NobodyFeeds(Exception):
    """There are more edges than the tree has places for."""


class GrownEdge(msgspec.Struct, frozen=True):
    """Where an edge got its place."""

    parent: NodeId
    level: int
    asked: int
    """How many nodes it asked."""


class GrownTree:
    """Who feeds whom one track. Each step is decided by `relay_tree`, as nodes decide it."""

    def __init__(self, owner: NodeId, at: Place, *, most: int, zones: Counter[Place]) -> None:
        """`at`: where the owner is. `most`: children of a node. `zones`: how many edges there are in each, before the
        first one comes."""
        self._owner, self._most, self._zones = owner, most, zones
        self._places = {owner: at}
        self._children: dict[NodeId, list[FedChild]] = {}
        self.edges: dict[NodeId, GrownEdge] = {}

    def add(self, edge: NodeId, place: Place) -> GrownEdge:
        """The edge asks until somebody feeds it. Raises `NobodyFeeds`."""
        search, asked = ParentSearch(self._owner), 0
        self._places[edge] = place
        while (node := search.next()) is not None:
            asked += 1
            asker = Asker(
                node=edge,
                place=place,
                unreachable=frozenset(search.unreachable),
                large_zone=self._zones[place] > self._most,
            )
            children = self._children.setdefault(node, [])
            level = self.edges[node].level if node in self.edges else 0
            full = is_full(asker, self._places[node], [child.place for child in children], self._most)
            try:
                named = refer(asker, Here(place=self._places[node], level=level, full=full), children)
            except RillcastError:
                search.failed(node)
                continue
            if not named:
                children.append(FedChild(node=edge, place=place, level=level + 1))
                self.edges[edge] = grown = GrownEdge(node, level + 1, asked)
                return grown
            if not search.referred(node, named, but=edge):
                search.failed(node)
        raise NobodyFeeds(f"no node has a place for {edge}")

    def levels(self) -> dict[int, int]:
        """How many edges there are at each level."""
        return dict(sorted(Counter(edge.level for edge in self.edges.values()).items()))

    def copies(self) -> Counter[tuple[Place, Place]]:
        """How many times the track goes from one zone to another one."""
        ways = ((self._places[one.parent], self._places[node]) for node, one in self.edges.items())
        return Counter((start, end) for start, end in ways if start != end)


def grown(owner: NodeId, at: Place, edges: Iterable[tuple[NodeId, Place]], *, most: int) -> GrownTree:
    """The tree of all of them, in this order. Raises `NobodyFeeds`."""
    coming = list(edges)
    tree = GrownTree(owner, at, most=most, zones=Counter(place for _, place in coming))
    for node, place in coming:
        tree.add(node, place)
    return tree
