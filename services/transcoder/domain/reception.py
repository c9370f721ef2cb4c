"""From RTP packets to encoded frames: order, loss, payload formats. No I/O.

The relay repairs losses by itself (NACK), so what is missing here for `MAX_WAIT_S` is lost for good: the frame is
dropped and everything after it up to the next keyframe, since decoding on would put the damage into every rung.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from aiortc.rtp import RtpPacket

from services.transcoder.domain.av1 import Av1Payload
from services.transcoder.domain.payloads import Depayload, H264Payload, Vp8Payload, Vp9Payload

MAX_WAIT_S = 0.25
"""Longer than two NACK round trips between nodes, shorter than what a viewer takes for a freeze."""
CAPACITY = 1024
MAX_FRAME_BYTES = 8 << 20
_WRAP = 1 << 16


class EncodedFrame(msgspec.Struct, frozen=True):
    """One picture as the decoder takes it."""

    data: bytes
    rtp_ts: int
    keyframe: bool
    arrived_at: float


class ReorderBuffer:
    """Puts packets in order; gives up on a missing one after `MAX_WAIT_S` or when too many wait behind it."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, tuple[RtpPacket, float]] = {}

    def add(self, packet: RtpPacket, now: float) -> list[RtpPacket | None]:
        """Packets that are in order now; None stands for a loss."""
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


_FORMATS: dict[str, Callable[[], Depayload]] = {
    "H264": H264Payload,
    "VP8": Vp8Payload,
    "VP9": Vp9Payload,
    "AV1": Av1Payload,
}


def payload_format(codec: str) -> Depayload:
    """For a codec of `ladder.DECODED`."""
    return _FORMATS[codec]()


class Reception:
    """One source. `wants_keyframe` says that nothing comes out before the next keyframe: ask upstream for it."""

    def __init__(self, codec: str) -> None:
        self._format = payload_format(codec)
        self._order = ReorderBuffer()
        self._parts: list[bytes] = []
        self._size = 0
        self._rtp_ts: int | None = None
        self._keyframe = False
        self._damaged = False
        self._after_loss = False
        self.wants_keyframe = True
        self.losses = 0
        self.malformed = 0
        """Packets that were no RTP, or no payload of the codec."""

    def add(self, data: bytes, now: float) -> list[EncodedFrame]:
        """Take a packet in; frames that are complete now."""
        try:
            packet = RtpPacket.parse(data)
        except (ValueError, IndexError):
            self.malformed += 1
            return []
        frames: list[EncodedFrame] = []
        for ready in self._order.add(packet, now):
            if ready is None:
                self.losses += 1
                self._after_loss = True
                self._lose()
            else:
                self._take(ready, now, frames)
        return frames

    def _take(self, packet: RtpPacket, now: float, frames: list[EncodedFrame]) -> None:
        if not packet.payload:
            return
        if self._rtp_ts is not None and packet.timestamp != self._rtp_ts:
            self._complete(now, frames)
        if self._after_loss:
            # What is missing may have been the head of this packet's frame.
            self._after_loss = False
            self._damaged = True
        self._rtp_ts = packet.timestamp
        try:
            self._keyframe = self._format.begins_keyframe(packet.payload) or self._keyframe
            part = self._format.data(packet.payload)
        except (ValueError, IndexError):
            self.malformed += 1
            self._lose()
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_FRAME_BYTES:
            self.malformed += 1
            self._lose()
        if packet.marker:
            self._complete(now, frames)
            self._rtp_ts = None

    def _complete(self, now: float, frames: list[EncodedFrame]) -> None:
        assert self._rtp_ts is not None
        if self._parts and not self._damaged and (self._keyframe or not self.wants_keyframe):
            try:
                data = self._format.frame(self._parts)
            except (ValueError, IndexError):
                self.malformed += 1
                self.wants_keyframe = True
            else:
                self.wants_keyframe = False
                frames.append(EncodedFrame(data, self._rtp_ts, self._keyframe, now))
        self._parts, self._size = [], 0
        self._keyframe = self._damaged = False

    def _lose(self) -> None:
        self._parts, self._size = [], 0
        self._damaged = True
        self.wants_keyframe = True
