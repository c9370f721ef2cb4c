"""The source's RTP timeline: unwrapped for the codecs, checked for order, with the grid on which keyframes lie. No
I/O."""

from __future__ import annotations

from enum import StrEnum

CLOCK_RATE = 90_000
_WRAP = 1 << 32
MAX_STEP_BACK = CLOCK_RATE
"""A frame up to a second older than the last one is late or a repeat, one older still begins a new timeline."""
MAX_STEP = 30 * CLOCK_RATE


class Unwrapper:
    """Turns RTP timestamps of 32 bits into a line without wraps."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, rtp_ts: int) -> int:
        """The timestamp nearest to the last one that is equal modulo 2³²."""
        if self._last is None:
            self._last = rtp_ts + _WRAP  # never negative, even if the first packets come in the wrong order
        else:
            step = (rtp_ts - self._last) % _WRAP
            self._last += step if step < _WRAP // 2 else step - _WRAP
        return self._last


class Place(StrEnum):
    """Where a decoded frame lies on the timeline."""

    NEXT = "next"
    STALE = "stale"
    """It does not lie after the last one: drop it."""
    RESTART = "restart"
    """It lies so far away that encoders must not take the jump for time that passed: begin them anew."""


class Timeline:
    """Orders decoded frames and says where keyframes belong: on multiples of the GOP length, so that all rungs, and
    (until timestamps wrap, each 13 hours) a rung taken over by another node, have them at the same pictures."""

    def __init__(self, gop_s: float) -> None:
        self._gop = int(gop_s * CLOCK_RATE)
        self._last: int | None = None
        self._cell: int | None = None

    def place(self, pts: int) -> Place:
        """Take the next frame in, by its unwrapped timestamp, and say where it lies."""
        last, self._last = self._last, pts
        if last is None:
            return Place.NEXT
        if last - MAX_STEP_BACK <= pts <= last:
            self._last = last
            return Place.STALE
        return Place.NEXT if last < pts <= last + MAX_STEP else Place.RESTART

    def keyframe_due(self, pts: int) -> bool:
        """Whether this frame is the first in its cell of the grid. Call once per frame."""
        cell, self._cell = self._cell, (pts - _WRAP) // self._gop
        return self._cell != cell
