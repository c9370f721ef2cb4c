"""The tree in which nodes feed each other one track: who takes a child, and to whom it is sent instead.

Levels keep it free of loops. The owner of a track has level 0, and a child has one more than its parent had when it
took it. A node offers the track only while it gets it itself. While it has children, it takes only parents below
its own level. So a parent's level is lower than its child's at all times, whatever happens at the same time elsewhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence

import msgspec

from rillcast.cluster.placement.nearness import Place
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId

MAX_LEVEL = 3
"""Of any node. So a node at this level has no children."""
REFERRED_TO = 2
"""How many nodes are named in a referral."""
KEPT_FOR_OTHER_ZONES = 4
"""One of so many places is kept for edges of other zones, which come later and can't be fed by anybody nearer."""
FULL_RETRY_S = 1.0
"""When a child for whom there is no place may ask again: others may have left."""


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """A node that wants the track."""

    node: NodeId
    place: Place = Place()
    is_edge: bool = True
    """Others are fed by the owner itself, and feed nobody else."""
    most_level: int = MAX_LEVEL
    """The highest level that it may have."""
    unreachable: frozenset[NodeId] = frozenset()
    """Whom it could not get the track from."""
    large_zone: bool = False
    """Whether its zone has more edges than one parent feeds, so that the first of them needs two levels below it."""


class FedChild(msgspec.Struct, frozen=True, kw_only=True):
    """A node that has the track from here."""

    node: NodeId
    place: Place = Place()
    level: int
    gives: bool = True
    """Whether it may be a parent itself: an edge that stays."""


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """The node that is asked."""

    place: Place = Place()
    level: int
    full: bool
    """Whether one more child would be beyond the limit."""


def is_full(asker: Asker, here: Place, fed: Sequence[Place], most: int) -> bool:
    """Whether one more edge would be beyond the limit of a parent. `fed`: where those are that it feeds already."""
    if len(fed) >= most:
        return True
    if not here.zone or asker.place != here:
        return False
    return sum(place == here for place in fed) >= most - most // KEPT_FOR_OTHER_ZONES


def refer(
    asker: Asker, here: Here, children: Sequence[FedChild], complained_of: Callable[[NodeId], bool] = lambda _: False
) -> tuple[NodeId, ...]:
    """Whom the asker is sent to, the best first; empty when this node itself feeds it. `children`: those who have the
    same track from here. `complained_of`: whether others could not reach a node a moment ago; it is named last.

    Raises HIGH_RESOURCE_USAGE when there is no place for the asker, here or below.
    """
    if any(child.node == asker.node for child in children) or not asker.is_edge:
        return _here(asker, here)
    able = [child for child in children if _may_feed(child, asker)]
    near = _of_its_own_place(asker, here, able)
    if not near and not here.full and here.level < asker.most_level:
        return ()
    if not able:
        return _here(asker, here)
    found = sorted(near or able, key=lambda child: _rank(child, asker, complained=complained_of(child.node)))
    return tuple(child.node for child in found[:REFERRED_TO])


def standbys(asker: Asker, above: NodeId | None, siblings: Sequence[FedChild]) -> tuple[NodeId, ...]:
    """Whom a child that is taken here asks first when this node falls silent. `above`: from whom this node has the
    track. `siblings`: who else has it from here."""
    able = sorted((child for child in siblings if _may_feed(child, asker)), key=lambda s: _rank(s, asker))
    return tuple(node for node in (above, *(child.node for child in able[:1])) if node is not None)


def _here(asker: Asker, here: Here) -> tuple[NodeId, ...]:
    if here.level >= asker.most_level:
        text = f"this node has level {here.level}, so it can't feed one of level {asker.most_level}"
        raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, text, FULL_RETRY_S)
    if here.full:
        text = "this node feeds as many others as it may, and none of them can feed one more"
        raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, text, FULL_RETRY_S)
    return ()


def _may_feed(child: FedChild, asker: Asker) -> bool:
    return child.gives and child.level < min(asker.most_level, MAX_LEVEL) and child.node not in asker.unreachable


def _of_its_own_place(asker: Asker, here: Here, able: Iterable[FedChild]) -> list[FedChild]:
    """Who has the track already on the asker's side of a border that lies between it and this node. The first edge of
    a large zone gets a copy of its own over the border of its region: below the first one of the region its zone would
    have one level, and not room for all."""
    able = list(able)
    if asker.place.zone and asker.place != here.place:
        same_zone = [child for child in able if child.place == asker.place]
        if same_zone:
            return same_zone
    if asker.place.region and asker.place.region != here.place.region and not asker.large_zone:
        return [child for child in able if child.place.region == asker.place.region]
    return []


def _rank(child: FedChild, asker: Asker, *, complained: bool = False) -> tuple[object, ...]:
    """The smaller, the better. Of equal ones each asker begins with another."""
    near = (child.place != asker.place, child.place.region != asker.place.region)
    return complained, *near, child.level, zlib.crc32(f"{asker.node} {child.node}".encode())


class Complaints:
    """Of whom askers said that they could not get the track from them. It only puts others first: somebody who lies
    gains nothing."""

    REMEMBERED_S = 15.0
    """Longer than a dead child counts as one (10 s)."""
    MOST = 1_000

    def __init__(self) -> None:
        self._last: dict[NodeId, float] = {}

    def note(self, nodes: Iterable[NodeId], now: float) -> None:
        """Somebody could not get the track from these."""
        for node in nodes:
            self._last.pop(node, None)
            self._last[node] = now
        while len(self._last) > self.MOST:
            del self._last[next(iter(self._last))]

    def of(self, node: NodeId, now: float) -> bool:
        """Whether this was said of the node lately."""
        return now - self._last.get(node, now - self.REMEMBERED_S) < self.REMEMBERED_S


class ParentSearch:
    """Whom a child asks in one attempt, one after the other: those that it was told of before, then the owner; after a
    referral those who are named, and then the one who named them again, who hears whom the child could not reach."""

    MOST_ASKED = 8
    MOST_UNREACHABLE = 8

    def __init__(self, owner: NodeId, *, first: Iterable[NodeId] = (), unreachable: Iterable[NodeId] = ()) -> None:
        self.owner = owner
        self.unreachable: tuple[NodeId, ...] = tuple(unreachable)[-self.MOST_UNREACHABLE :]
        self._plan = [node for node in dict.fromkeys(first) if node != owner and node not in self.unreachable]
        self._plan.append(owner)
        self._asked = 0

    def next(self) -> NodeId | None:
        """Whom to ask now; None when nobody is left, or enough were asked."""
        if not self._plan or self._asked >= self.MOST_ASKED:
            return None
        self._asked += 1
        return self._plan.pop(0)

    def referred(self, by: NodeId, nodes: Iterable[NodeId], *, but: NodeId) -> bool:
        """`by` names others. `but`: the asker itself. False when it names nobody new: then it failed."""
        named = [node for node in dict.fromkeys(nodes) if node not in (by, but, *self.unreachable)]
        self._plan[:0] = [*named, by] if named else []
        return bool(named)

    def failed(self, node: NodeId) -> None:
        """It refused, or did not answer."""
        if node != self.owner:
            self.unreachable = (*self.unreachable, node)[-self.MOST_UNREACHABLE :]
