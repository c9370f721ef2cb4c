"""Puts RTP packets in order and says which are lost. No I/O.

The relay repairs losses by itself (NACK), so a packet that is still missing after `MAX_WAIT_S` is lost for good.
"""

from __future__ import annotations

from aiortc.rtp import RtpPacket

MAX_WAIT_S = 0.25
"""Longer than two NACK round trips between nodes, shorter than what a viewer takes for a freeze."""
CAPACITY = 1024
"""Packets. More than a second of a 10 Mbit/s stream."""
_WRAP = 1 << 16


class JitterBuffer:
    """The jitter buffer of one source. It gives a missing packet up after `MAX_WAIT_S`, or when a packet comes that is
    `CAPACITY` ahead of it."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}

    def add(self, packet: RtpPacket, now: float) -> list[RtpPacket | None]:
        """Take a packet in. Returns the packets that are in order now; None stands for a loss."""
        sequence = packet.sequence_number
        if self._next is None:
            self._next = sequence
        ahead = (sequence - self._next) % _WRAP
        if ahead >= _WRAP - CAPACITY:
            return self._release(now)
        if ahead >= CAPACITY:
            self._waiting.clear()
            self._next = (sequence + 1) % _WRAP
            return [None, packet]
        self._waiting[sequence] = (packet, now)
        return self._release(now)

    def _release(self, now: float) -> list[RtpPacket | None]:
        ready: list[RtpPacket | None] = []
        assert self._next is not None
        while self._waiting:
            found = self._waiting.pop(self._next, None)
            if found is None:
                oldest = min(arrived for _, arrived in self._waiting.values())
                if now - oldest < MAX_WAIT_S:
                    break
                first = self._next
                self._next = min(self._waiting, key=lambda sequence: (sequence - first) % _WRAP)
                ready.append(None)
                continue
            ready.append(found[0])
            self._next = (self._next + 1) % _WRAP
        return ready
