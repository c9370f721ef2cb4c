"""What a node hears of its parents and children, told to who doubts that they live.

A node that is cut off from the bus, or whose event loop hangs, may still serve media: that is the work of the threads
of its plane, over other ways. Its children receive it. And an edge, which has none, still says four times a second to
the parents of its relays that it is there.

The other way round, a machine that is gone is silent there first, long before its heartbeat is overdue. So who hears
nothing any more says so by itself; and when such a node is doubted, and silent here too, that is a second observer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeDoubted, NodeSilent, NodeVouched
from rillcast.media.plane import Plane, PlaneBusy
from rillcast.media.protocol import (
    Event,
    LookAtRelay,
    PlaneRelay,
    RelayChildSilent,
    RelayHeard,
    RelayParentLost,
    SourceId,
    SourceStats,
)
from rillcast.runtime.ports import Bus

HEARD_S = 1.3
"""Media that came so short a time ago still comes: figures come each second, and say how long ago the last packet
was."""

CHILD_HEARD_MS = 700
"""A child that was heard so short a time ago lives: it says something each quarter of a second."""
LOOKS = 4
"""Relays of one child that are looked at: one whose track has just begun may not have been heard yet."""
MOST_ASKED = 256
SAID_AGAIN_S = 1.0
"""A node falls silent on all its relays at once. It is said once in so long a time."""


class Fed(Protocol):
    """The part of `rillcast.relay.child.ChildRelay` that counts here."""

    @property
    def source(self) -> SourceId: ...

    @property
    def parent(self) -> NodeId | None: ...


class Outgoing(Protocol):
    """The part of `rillcast.node.outbox.Outbox` that is needed here."""

    def put(self, subject: str, event: msgspec.Struct) -> None: ...


class Witness:
    """Of one node. It holds one entry for each relay from a parent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._relays: dict[SourceId, Fed] = {}
        self._heard_at: dict[SourceId, float] = {}
        self._lost: set[SourceId] = set()
        """Of those, the ones that brought something and are silent."""

    def fed(self, relay: Fed) -> None:
        """A parent feeds this relay from now on."""
        self.ended(relay)
        self._relays[relay.source] = relay

    def ended(self, relay: Fed) -> None:
        """The relay is closed. Calling it for one that never was changes nothing."""
        self._relays.pop(relay.source, None)
        self._heard_at.pop(relay.source, None)
        self._lost.discard(relay.source)

    def on_event(self, event: Event) -> NodeId | None:
        """Take in an event of the plane. Returns a parent that has just fallen silent."""
        match event:
            case SourceStats(source=source, packets=packets) if packets and source in self._relays:
                self._heard_at[source] = heard_at = self._clock() - event.silent_ms / 1_000
                if self._clock() - heard_at < HEARD_S:
                    self._lost.discard(source)
            case RelayParentLost(source=source) if source in self._heard_at:
                self._heard_at[source] = -math.inf
                self._lost.add(source)
                return self._relays[source].parent
            case _:
                pass
        return None

    def misses(self, node: NodeId) -> bool:
        """Whether this node fed relays here, and all of them are silent."""
        fed = [source for source, relay in self._relays.items() if relay.parent == node]
        return bool(fed) and self._lost.issuperset(fed)

    def hears(self, node: NodeId) -> bool:
        """Whether media of this node arrives here right now."""
        oldest = self._clock() - HEARD_S
        return any(self._heard_at.get(s, oldest) > oldest for s, relay in self._relays.items() if relay.parent == node)


class ParentWitness:
    """Of a node that feeds others. It has to ask its plane when it heard a child last."""

    def __init__(
        self,
        plane: Plane,
        relays_of: Callable[[NodeId], list[PlaneRelay]],
        child_of: Callable[[PlaneRelay], NodeId | None],
    ) -> None:
        """`relays_of`: those that feed a node. `child_of`: the node that a relay feeds."""
        self._plane = plane
        self._relays_of = relays_of
        self._child_of = child_of
        self._asked: dict[PlaneRelay, Callable[[bool], None]] = {}

    def look(self, node: NodeId, says: Callable[[bool], None]) -> None:
        """Call `says` soon, once or more: whether this child is heard right now. Not if it never was; and a plane that
        is busy is not asked."""
        if len(self._asked) >= MOST_ASKED:
            self._asked.clear()  # of relays that ended before they were looked at
        for relay in self._relays_of(node)[:LOOKS]:
            try:
                self._plane.execute(LookAtRelay(relay=relay))
            except PlaneBusy:
                return
            self._asked[relay] = says

    def on_event(self, event: Event) -> NodeId | None:
        """Take in an event of the plane. Returns a child that has just fallen silent."""
        match event:
            case RelayHeard(relay=relay, silent_ms=silent_ms):
                if (says := self._asked.pop(relay, None)) is not None:
                    says(silent_ms < CHILD_HEARD_MS)
            case RelayChildSilent(relay=relay):
                return self._child_of(relay)
            case _:
                pass
        return None


class DoubtWitness:
    """Says what is heard here of a node that somebody doubts, and when one falls silent."""

    def __init__(
        self,
        node: NodeId,
        outbox: Outgoing,
        *,
        parents: Witness | None = None,
        children: ParentWitness | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`node`: this one."""
        self._node = node
        self._outbox = outbox
        self._parents = parents
        self._children = children
        self._clock = clock
        self._said: dict[NodeId, float] = {}

    async def serve(self, bus: Bus) -> None:
        """From now on, say which doubted nodes this one still hears media of."""
        await bus.listen(subjects.NODE_DOUBTED, NodeDoubted, self._doubted)

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        for witness in (self._parents, self._children):
            if witness is not None and (silent := witness.on_event(event)) is not None:
                self._tell_of(silent)

    def _tell_of(self, silent: NodeId) -> None:
        now = self._clock()
        self._said = {node: at for node, at in self._said.items() if now - at < SAID_AGAIN_S}
        if silent not in self._said:
            self._said[silent] = now
            self._outbox.put(subjects.NODE_SILENT, NodeSilent(node=silent, by=self._node))

    async def _doubted(self, _subject: str, event: NodeDoubted) -> None:
        if self._parents is not None and self._parents.hears(event.node):
            self._vouch(event, True)
        elif self._parents is not None and self._parents.misses(event.node):
            self._vouch(event, False)
        elif self._children is not None:
            self._children.look(event.node, partial(self._vouch, event))

    def _vouch(self, doubted: NodeDoubted, hears: bool) -> None:
        vouched = NodeVouched(node=doubted.node, incarnation=doubted.incarnation, by=self._node, hears=hears)
        self._outbox.put(subjects.node_vouched(doubted.signaling), vouched)
