"""What a media job does, apart from who does it. One kind of work per module: `ladder_work` makes renditions.

A new kind (HLS, recording, previews) is a `WorkKind`, which `app.py` adds to the list, and its `Work`. Claims, leases,
feeds, overload and the move to another node are the job's (`media_job`) and the same for every kind.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import Protocol

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import AppName, JobKind, TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import ClockSeen, SourceId


class Intake(Enum):
    """How much of its source a work needs now."""

    NOTHING = auto()
    LOOK = auto()
    """The source comes to this node, so that its size is seen, but nobody takes its packets."""
    PACKETS = auto()


class Order(msgspec.Struct, frozen=True):
    """What is asked for of one stream. A job goes on as long as its order stays equal but for the source's figures."""

    source: TrackRecord
    """The track of the stream that comes to this node."""
    wish: Hashable


class OrderRefused(ValueError):
    """The work can't be done for this stream; the message says why."""


class Host(Protocol):
    """What a work may tell its job. Call on the event loop."""

    def announce(self) -> None:
        """`Work.tracks` is another one now: write the job's record."""
        ...

    def wake(self) -> None:
        """Something is to be begun or ended: call `Work.step` soon, not after a second."""
        ...

    def load_changed(self) -> None:
        """Something was begun or left out on purpose. What that costs is seen only after a while."""
        ...

    def taken(self) -> set[TrackId]:
        """The tracks that other nodes take from here now."""
        ...

    def end_relays(self, track: TrackId) -> None:
        """The track is no longer there for other nodes. Call before its source ends."""
        ...

    def want_keyframe(self) -> None:
        """The source is to send a keyframe. May be called for every packet; the job asks twice a second at most."""
        ...


class Work(Protocol):
    """One job's work, from `WorkKind.start` to `close`. Every call comes from its job, on the event loop."""

    @property
    def tracks(self) -> tuple[TrackRecord, ...]:
        """The renditions that other nodes may have; empty for work whose results go elsewhere."""
        ...

    @property
    def parts(self) -> int:
        """How many things are being made now, each of which costs something; 0 = at rest."""
        ...

    @property
    def cpu_s(self) -> float:
        """CPU time that the work has used since it left its rest the last time."""
        ...

    def update(self, live: LiveStream, source: TrackRecord) -> None:
        """The stream's record changed, the order did not."""
        ...

    async def step(self, now: float) -> Intake:
        """Begin and end what is due. Called once a second and after `Host.wake`."""
        ...

    def progress(self) -> tuple[int, int]:
        """Pictures (or the like) made, and left out because the machine was too slow, since the last call. Called once
        a second while there are `parts`."""
        ...

    def shed(self, now: float) -> None:
        """Too much for this machine: do without the dearest part for a while. Called only if there are two at least."""
        ...

    def on_packet(self, data: bytes) -> None:
        """A whole RTP packet of the source, in the clear."""
        ...

    def on_size(self, width: int, height: int) -> None:
        """The source's size, once a second; 0 while unknown."""
        ...

    def on_clock(self, seen: ClockSeen) -> None:
        """A sender report of the source."""
        ...

    def on_feed_replaced(self) -> None:
        """Packets come from another parent now, with sequence numbers of their own."""
        ...

    def on_keyframe_wanted(self, source: SourceId) -> None:
        """A viewer of a source in this node's plane needs a keyframe. It may be anybody's source."""
        ...

    def makes(self, track: TrackId) -> bool:
        """Whether this one of `tracks` is being made already."""
        ...

    def source_of(self, track: TrackId) -> SourceId:
        """The plane's source of one of `tracks`, which another node is about to take. It is begun if there was none."""
        ...

    async def close(self) -> None:
        """End everything. Called once, when the job ends; no other call follows."""
        ...


class WorkKind(Protocol):
    """One kind of work. One object per node."""

    @property
    def kind(self) -> JobKind: ...

    def order(self, live: LiveStream) -> Order | None:
        """What is asked for of this stream; None = nothing. Called at every change of the stream. Raises
        OrderRefused."""
        ...

    def start(self, host: Host, live: LiveStream, order: Order, worker: int) -> Work:
        """Work that rests until `step`. `worker`: the plane's worker for whatever it opens."""
        ...

    def on_change(self, listener: Callable[[AppName], None]) -> None:
        """Tell `listener` of each app for whose streams `order` may answer differently now."""
        ...
