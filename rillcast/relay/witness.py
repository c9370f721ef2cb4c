"""What a node hears of its parents, told to who doubts that they live.

A node that is cut off from the bus, or whose event loop hangs, may still serve media: that is the work of the threads
of its plane, over other ways. Its children receive it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeDoubted, NodeVouched
from rillcast.media.protocol import Event, SourceId, SourceStats
from rillcast.runtime.ports import Bus

HEARD_S = 1.3
"""Media that came so short a time ago still comes: figures come each second, and say how long ago the last packet
was."""


class Fed(Protocol):
    """The part of `rillcast.relay.child.ChildRelay` that counts here."""

    @property
    def source(self) -> SourceId: ...

    @property
    def parent(self) -> NodeId | None: ...


class Outgoing(Protocol):
    """The part of `rillcast.node.background.Outbox` that is needed here."""

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


class Vouching:
    """Says so when somebody doubts a node of which something is heard here."""

    def __init__(self, node: NodeId, outbox: Outgoing, *, parents: Witness) -> None:
        """`node`: this one."""
        self._node = node
        self._outbox = outbox
        self._parents = parents

    async def serve(self, bus: Bus) -> None:
        """Hear of nodes that are doubted from now on."""
        await bus.listen(subjects.NODE_DOUBTED, NodeDoubted, self._doubted)

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane."""
        self._parents.on_event(event)

    async def _doubted(self, _subject: str, event: NodeDoubted) -> None:
        if self._parents.hears(event.node):
            vouched = NodeVouched(node=event.node, incarnation=event.incarnation, by=self._node)
            self._outbox.put(subjects.node_vouched(event.signaling), vouched)
