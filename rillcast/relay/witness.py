"""What a node hears of its parents and children, told to who doubts that they live.

A node that is cut off from the bus, or whose event loop hangs, may still serve media: that is the work of the threads
of its plane, over other ways. Its children receive it. And an edge, which has none, still says each second to the
parents of its relays that it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeDoubted, NodeVouched
from rillcast.media.plane import Plane, PlaneBusy
from rillcast.media.protocol import Event, LookAtRelay, PlaneRelay, RelayHeard, SourceId, SourceStats
from rillcast.runtime.ports import Bus

HEARD_S = 1.3
"""Media that came so short a time ago still comes: figures come each second, and say how long ago the last packet
was."""

CHILD_HEARD_MS = 1_500
"""A child that was heard so short a time ago lives: it says something each second."""
LOOKS = 4
"""Relays of one child that are looked at: one whose track has just begun may not have been heard yet."""
MOST_ASKED = 256


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

    def fed(self, relay: Fed) -> None:
        """A parent feeds this relay from now on."""
        self._relays[relay.source] = relay
        self._heard_at.pop(relay.source, None)

    def ended(self, relay: Fed) -> None:
        """The relay is closed. Calling it for one that never was changes nothing."""
        self._relays.pop(relay.source, None)
        self._heard_at.pop(relay.source, None)

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        if isinstance(event, SourceStats) and event.source in self._relays and event.packets:
            self._heard_at[event.source] = self._clock() - event.silent_ms / 1_000

    def hears(self, node: NodeId) -> bool:
        """Whether media of this node arrives here right now."""
        oldest = self._clock() - HEARD_S
        return any(self._heard_at.get(s, oldest) > oldest for s, relay in self._relays.items() if relay.parent == node)


class ParentWitness:
    """Of a node that feeds others. It has to ask its plane when it heard a child last."""

    def __init__(self, plane: Plane, relays_of: Callable[[NodeId], list[PlaneRelay]]) -> None:
        """`relays_of`: those that feed a node."""
        self._plane = plane
        self._relays_of = relays_of
        self._asked: dict[PlaneRelay, Callable[[], None]] = {}

    def look(self, node: NodeId, heard: Callable[[], None]) -> None:
        """Call `heard` soon, once or more, if this child is heard right now. A plane that is busy is not asked."""
        if len(self._asked) >= MOST_ASKED:
            self._asked.clear()  # of relays that ended before they were looked at
        for relay in self._relays_of(node)[:LOOKS]:
            try:
                self._plane.execute(LookAtRelay(relay=relay))
            except PlaneBusy:
                return
            self._asked[relay] = heard

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        if isinstance(event, RelayHeard):
            heard = self._asked.pop(event.relay, None)
            if heard is not None and event.silent_ms < CHILD_HEARD_MS:
                heard()


class Vouching:
    """Says so when somebody doubts a node of which something is heard here."""

    def __init__(
        self, node: NodeId, outbox: Outgoing, *, parents: Witness | None = None, children: ParentWitness | None = None
    ) -> None:
        """`node`: this one."""
        self._node = node
        self._outbox = outbox
        self._parents = parents
        self._children = children

    async def serve(self, bus: Bus) -> None:
        """From now on, say which doubted nodes this one still hears media of."""
        await bus.listen(subjects.NODE_DOUBTED, NodeDoubted, self._doubted)

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        if self._parents is not None:
            self._parents.on_event(event)
        if self._children is not None:
            self._children.on_event(event)

    async def _doubted(self, _subject: str, event: NodeDoubted) -> None:
        if self._parents is not None and self._parents.hears(event.node):
            self._vouch(event)
        elif self._children is not None:
            self._children.look(event.node, partial(self._vouch, event))

    def _vouch(self, doubted: NodeDoubted) -> None:
        vouched = NodeVouched(node=doubted.node, incarnation=doubted.incarnation, by=self._node)
        self._outbox.put(subjects.node_vouched(doubted.signaling), vouched)
