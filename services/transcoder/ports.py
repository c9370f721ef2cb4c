"""What the transcoder needs from outside. Real ones come from `rillcast.runtime`, `rillcast.media` and `adapters`,
fakes from `rillcast.testing`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.media.plane import Plane
from rillcast.runtime.ports import Bus, KeyValue
from services.transcoder.domain.depacketizer import EncodedFrame
from services.transcoder.domain.ladder import Rung
from services.transcoder.domain.picture_words import Made

__all__ = [
    "Bus",
    "Clock",
    "Codecs",
    "KeyValue",
    "Outcome",
    "Peers",
    "Pictures",
    "Plane",
    "Produced",
    "StartCodecs",
    "WallClock",
]

Clock = Callable[[], float]
"""Tells the time in seconds. The clock is monotonic and counts from anywhere."""
WallClock = Callable[[], int]
"""Tells the Unix time in milliseconds."""


class Peers(Protocol):
    """The other transcoders of the cluster."""

    def have_room(self) -> bool:
        """Whether at least one of them takes new work and isn't full."""
        ...


class Pictures(Protocol):
    """Makes small pictures of keyframes, where a hostile one harms nobody."""

    async def make(self, codec: str, keyframe: bytes) -> Made:
        """A picture of a keyframe, or why there is none. The codec is one of `ladder_wish.DECODED`. It takes 2 s at
        most once it is its turn."""
        ...


class Produced(msgspec.Struct, frozen=True):
    """RTP packets of one picture of one rung."""

    track: TrackId
    packets: list[bytes]


class Outcome(msgspec.Struct):
    """What one encoded frame of the source led to."""

    produced: list[Produced] = []
    pictures: int = 0
    undecodable: bool = False
    """Nothing more comes out before the next keyframe."""
    failed: list[TrackId] = []
    """Rungs whose encoder doesn't work."""
    size: tuple[int, int] | None = None
    """Width and height of the last picture that was decoded; None if there was none."""


class Codecs(Protocol):
    """The decoder of one source and the encoders of its rungs, off the event loop. Call on the loop."""

    @property
    def encoded(self) -> int:
        """Pictures encoded since the start."""
        ...

    @property
    def left_out(self) -> int:
        """Frames not encoded because of overload, since the start."""
        ...

    @property
    def overflows(self) -> int:
        """How often the queue was emptied because it was late, since the start."""
        ...

    @property
    def cpu_s(self) -> float:
        """The CPU time used since the start, in seconds."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """Errors by kind, since the start: labels of `metrics.ERRORS`."""
        ...

    def put(self, frame: EncodedFrame) -> bool:
        """Queue a frame. False when it was dropped because the queue is late; a keyframe is needed then."""
        ...

    def set_rungs(self, rungs: tuple[Rung, ...]) -> None:
        """Encode these from the next picture on."""
        ...

    def want_keyframe(self, track: TrackId) -> None:
        """Make the rung's next picture a keyframe."""
        ...

    async def stop(self) -> None:
        """End. Nothing is delivered from now on."""
        ...


StartCodecs = Callable[[str, Callable[[Outcome], None]], Codecs]
"""From the source's codec and whoever hears of outcomes, on the event loop."""
