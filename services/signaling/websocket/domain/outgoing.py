"""Frames that wait for one client to read them. Both their number and their bytes are bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rillcast.cluster.shares import NoPlace, SharedPlaces

MAX_FRAMES = 1_000
"""A page with as many streams as it may have gets some hundred frames at once."""
MAX_BYTES = 512 * 1024
"""64 offers of 6 KiB, and room."""
MAX_TOTAL = 128 * 1024 * 1024
"""Bytes for all clients: the offers of some twenty thousand viewers that are moved in one moment."""


class OutgoingRoom:
    """Of all sockets of one signaling instance. Each address has its share of it, in bytes."""

    def __init__(self, most: int = MAX_TOTAL, on_refused: Callable[[NoPlace], None] = lambda why: None) -> None:
        """`on_refused` hears why a frame had no room."""
        self._room = SharedPlaces(most)
        self._on_refused = on_refused

    def __len__(self) -> int:
        """Bytes that wait."""
        return len(self._room)

    def take(self, client: str, size: int) -> bool:
        """Whether there is room for a frame; then it is to be left, once."""
        if refused := self._room.take(client, size):
            self._on_refused(refused)
        return refused is None

    def leave(self, client: str, size: int) -> None:
        """Frames of this client wait no longer."""
        self._room.leave(client, size)


class Outgoing:
    """The frames of one socket, in their order. Whatever is added and taken, at most
    `MAX_FRAMES` frames and `MAX_BYTES` bytes wait."""

    def __init__(self, room: OutgoingRoom, client: str) -> None:
        """`client`: whose share of the room the frames take: `Client.counted_as`."""
        self._room = room
        self._client = client
        self._frames: deque[tuple[str, int]] = deque()
        self._over = False
        self.bytes = 0
        """Of all frames together, in UTF-8."""

    def __len__(self) -> int:
        """How many frames wait, the one that is being sent included."""
        return len(self._frames)

    def add(self, frame: str) -> bool:
        """Add a frame behind the others. False, and nothing is added, when it would exceed a bound: the client reads
        too slowly, or those of its address do."""
        if self._over:
            return True
        size = len(frame) if frame.isascii() else len(frame.encode("utf-8", "surrogatepass"))
        if len(self._frames) >= MAX_FRAMES or self.bytes + size > MAX_BYTES:
            return False
        if size and not self._room.take(self._client, size):
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
        self._left(size)

    def clear(self) -> None:
        """The socket has ended: nothing waits any more, and nothing is kept of what is added yet."""
        self._over = True
        self._frames.clear()
        self._left(self.bytes)

    def _left(self, size: int) -> None:
        self.bytes -= size
        if size:
            self._room.leave(self._client, size)
