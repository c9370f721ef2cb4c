"""Frames that wait for one client to read them. Both their number and their bytes are bounded."""

from __future__ import annotations

from collections import deque

MAX_FRAMES = 1_000
"""A page with as many streams as it may have gets some hundred frames at once."""
MAX_BYTES = 512 * 1024
"""64 offers of 6 KiB, and room."""


class Outgoing:
    """The frames of one socket, in their order. Whatever is added and taken, at most
    `MAX_FRAMES` frames and `MAX_BYTES` bytes wait."""

    def __init__(self) -> None:
        self._frames: deque[tuple[str, int]] = deque()
        self.bytes = 0
        """Of all frames together, in UTF-8."""

    def __len__(self) -> int:
        """How many frames wait, the one that is being sent included."""
        return len(self._frames)

    def add(self, frame: str) -> bool:
        """Add a frame behind the others. False, and nothing is added, when it would exceed a bound: the client reads
        too slowly."""
        size = len(frame.encode("utf-8", "surrogatepass"))
        if len(self._frames) >= MAX_FRAMES or self.bytes + size > MAX_BYTES:
            return False
        self._frames.append((frame, size))
        self.bytes += size
        return True

    @property
    def first(self) -> str | None:
        """The frame that is to be sent next; None when none waits. It counts until it is `sent`."""
        return self._frames[0][0] if self._frames else None

    def sent(self) -> None:
        """The first frame has been handed to the transport."""
        _, size = self._frames.popleft()
        self.bytes -= size
