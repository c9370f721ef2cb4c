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
"""Tells the Unix time in milliseconds."""


class Ingest(Protocol):
    """One publisher's session, whatever protocol it speaks: it brings media into the plane. `StreamOwner` decides
    whether it has the stream, and has the sources; an ingest feeds them and nothing more.

    The owner calls `tracks` first, then `begin`. The ingest says `StreamOwner.media_began` with its first packet. The
    owner calls `went_live` if the stream is this publisher's then. It calls `end` exactly once,
    also after the ingest itself said `StreamOwner.lost`, so that the publisher can be told how it ended.
    """

    @property
    def publisher(self) -> Publisher: ...

    def tracks(self, worker: int) -> Sequence[TrackRecord]:
        """What the publisher is going to send, taken in by this worker of the plane. Raises `RillcastError` if that is
        impossible. Nothing begins yet."""
        ...

    def begin(self, sources: Mapping[TrackId, SourceId], *, restored: bool) -> None:
        """Feed these new sources, on the worker said before. Nobody watches them. `restored`: the stream lives
        already, in another session."""
        ...

    def went_live(self, sources: Mapping[TrackId, SourceId]) -> None:
        """The stream is this publisher's. Its media goes to these sources from now on: those of `begin`, or those that
        the stream had before, which have adopted their feed."""
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

    def room(self, what: str, client: str = "") -> None:
        """Likewise, and HIGH_RESOURCE_USAGE when it is full, for all or for this client."""
        ...


__all__ = ["Admission", "Bus", "Clock", "Ingest", "KeyValue", "Plane", "WallClock"]
