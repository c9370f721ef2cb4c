"""What the origin needs from outside. Real ones come from `rillcast.runtime`, `rillcast.media` and `rillcast.node`,
fakes from `rillcast.testing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import EndReason
from rillcast.media.plane import Plane
from rillcast.media.protocol import SourceId
from rillcast.runtime.ports import Bus, KeyValue
from services.origin.domain.owned_stream import Publisher

Clock = Callable[[], float]
"""Tells the time in seconds. The clock is monotonic and counts from anywhere."""
WallClock = Callable[[], int]
"""Unix milliseconds, for display only."""


class Ingest(Protocol):
    """One publisher's session, whatever protocol it speaks: it brings media into the plane. `StreamOwner` decides
    whether it has the stream, and has the sources; an ingest feeds them and nothing more.

    The owner calls `tracks` first, then `begin` if the stream is this publisher's, then `end` exactly once, unless the
    ingest itself said `StreamOwner.lost`; after that too, so that the publisher can be told how the stream ended.
    """

    @property
    def publisher(self) -> Publisher: ...

    def tracks(self, worker: int) -> Sequence[TrackRecord]:
        """What the publisher is going to send, taken in by this worker of the plane. Raises `RillcastError` if that is
        impossible. Nothing begins yet."""
        ...

    def begin(self, sources: Mapping[TrackId, SourceId], *, restored: bool) -> None:
        """The stream is this publisher's: feed these sources, on the worker said before. The plane may have them
        already; then they go on with another feed. `restored`: the stream had media before."""
        ...

    def send_away(self) -> None:
        """The node is going away: ask the publisher to come back through another one. Media goes on meanwhile."""
        ...

    def end(self, reason: EndReason) -> None:
        """Stop feeding, and tell the publisher why. The sources are the owner's to end."""
        ...


class Admission(Protocol):
    """Whether this node takes anything new (`rillcast.node.media_node.MediaNode`)."""

    @property
    def draining(self) -> bool: ...

    def refuse_if_draining(self, what: str) -> None:
        """Raises NO_NODE_AVAILABLE while the node goes away."""
        ...

    def room(self, what: str) -> None:
        """Likewise, and HIGH_RESOURCE_USAGE when it is full."""
        ...


__all__ = ["Admission", "Bus", "Clock", "Ingest", "KeyValue", "Plane", "WallClock"]
