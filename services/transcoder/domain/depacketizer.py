"""From RTP packets to encoded frames. No I/O.

When the jitter buffer gives a packet up, the depacketizer drops its frame and everything after it up to the next
keyframe, because decoding on would put the damage into every rung.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from aiortc.rtp import RtpPacket

from services.transcoder.domain.av1_payload import Av1Payload
from services.transcoder.domain.h265_payload import H265Payload
from services.transcoder.domain.jitter_buffer import JitterBuffer
from services.transcoder.domain.payload_formats import Depayload, H264Payload, Vp8Payload, Vp9Payload

MAX_FRAME_BYTES = 8 << 20


class EncodedFrame(msgspec.Struct, frozen=True):
    """One picture, as the decoder takes it."""

    data: bytes
    rtp_ts: int
    keyframe: bool
    arrived_at: float


_FORMATS: dict[str, Callable[[], Depayload]] = {
    "H264": H264Payload,
    "VP8": Vp8Payload,
    "VP9": Vp9Payload,
    "AV1": Av1Payload,
    "H265": H265Payload,
}


def payload_format(codec: str) -> Depayload:
    """For a codec of `ladder_wish.DECODED`."""
    return _FORMATS[codec]()


class Depacketizer:
    """The depacketizer of one source. While `wants_keyframe` is true, nothing comes out before the next keyframe: ask
    upstream for one."""

    def __init__(self, codec: str) -> None:
        self._format = payload_format(codec)
        self._order = JitterBuffer()
        self._parts: list[bytes] = []
        self._size = 0
        self._rtp_ts: int | None = None
        self._keyframe = False
        self._damaged = False
        self._after_loss = False
        self.wants_keyframe = True
        self.losses = 0
        self.malformed = 0
        """How many packets were no RTP, or had no payload of the codec."""

    def add(self, data: bytes, now: float) -> list[EncodedFrame]:
        """Take a packet in. Returns the frames that are complete now. Called for every packet."""
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
