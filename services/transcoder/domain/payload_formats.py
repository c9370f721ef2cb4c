"""RTP payload formats of video: RFC 6184 (H.264), RFC 7741 (VP8), RFC 9628 (VP9). H.265 is in `h265_payload`, and AV1
in `av1_payload`. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import vp8_depayload


class Depayload(Protocol):
    """How one codec lies in RTP packets. One object per source."""

    def data(self, payload: bytes) -> bytes:
        """What a packet, never an empty one, adds to its frame. Raises ValueError or IndexError on anything else."""
        ...

    def begins_keyframe(self, payload: bytes) -> bool:
        """Whether the packet shows that its frame is a keyframe. Raises as `data` does."""
        ...

    def frame(self, parts: Sequence[bytes]) -> bytes:
        """The frame of everything its packets added, in order. Raises as `data` does."""
        ...


class _Joined:
    def frame(self, parts: Sequence[bytes]) -> bytes:
        return b"".join(parts)


class H264Payload(_Joined):
    """H.264 in RTP (RFC 6184), packetization modes 0 and 1."""

    def data(self, payload: bytes) -> bytes:
        return h264_depayload(payload)

    def begins_keyframe(self, payload: bytes) -> bool:
        kind = payload[0] & 0x1F
        if kind == 28:
            return len(payload) > 1 and payload[1] & 0x9F == 0x85  # the first fragment of an IDR slice
        if kind == 24:
            position = 1
            while position + 2 < len(payload):
                if payload[position + 2] & 0x1F in (5, 7):
                    return True
                position += 2 + int.from_bytes(payload[position : position + 2], "big")
        return kind in (5, 7)


class Vp8Payload(_Joined):
    """VP8 in RTP (RFC 7741)."""

    def data(self, payload: bytes) -> bytes:
        return vp8_depayload(payload)

    def begins_keyframe(self, payload: bytes) -> bool:
        if not payload[0] & 0x10 or payload[0] & 0x07:
            return False
        data = vp8_depayload(payload)
        return bool(data) and not data[0] & 0x01


class Vp9Payload(_Joined):
    """VP9 in RTP (RFC 9628), in flexible mode or not. The spatial layers of a picture are joined; the decoder shows the
    highest one."""

    def data(self, payload: bytes) -> bytes:
        data = payload[_vp9_descriptor(payload) :]
        if not data:
            raise ValueError("a VP9 packet without a picture")
        return data

    def begins_keyframe(self, payload: bytes) -> bool:
        first = payload[0]
        if first & 0x40 or not first & 0x08:  # predicted from others, or not the start of a frame
            return False
        if not first & 0x20:  # no layers
            return True
        layer = payload[1 + _picture_id(payload)]
        return layer >> 1 & 0x07 == 0


def _picture_id(payload: bytes) -> int:
    """How many bytes the picture id takes."""
    return (2 if payload[1] & 0x80 else 1) if payload[0] & 0x80 else 0


def _vp9_descriptor(payload: bytes) -> int:
    """The length of the payload descriptor (RFC 9628 §4.2)."""
    first = payload[0]
    predicted, layered, flexible, structured = first & 0x40, first & 0x20, first & 0x10, first & 0x02
    position = 1 + _picture_id(payload)
    if layered:
        position += 1 if flexible else 2
    if flexible and predicted:
        more = 1
        while more:
            more = payload[position] & 0x01
            position += 1
    return _vp9_structure(payload, position) if structured else position


def _vp9_structure(payload: bytes, position: int) -> int:
    """The position behind the scalability structure (RFC 9628 §4.2.1)."""
    head = payload[position]
    position += 1
    if head & 0x10:
        position += 4 * ((head >> 5) + 1)
    if head & 0x08:
        pictures = payload[position]
        position += 1
        for _ in range(pictures):
            position += 1 + (payload[position] >> 2 & 0x03)
    return position
