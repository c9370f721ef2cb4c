"""The RTP payload format of H.265 (RFC 7798 §4.4), without decoding order numbers. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

VPS, SPS = 32, 33
AGGREGATE, FRAGMENT = 48, 49
_START_CODE = b"\x00\x00\x00\x01"
_HEADER = 2
_FIRST, _KIND = 0x80, 0x3F
"""Of the byte that follows the header of a fragment."""


class H265Payload:
    """`payload_formats.Depayload` for H.265. PACI packets (RFC 7798 §4.4.4) are refused: nobody sends them."""

    def data(self, payload: bytes) -> bytes:
        kind = _kind(payload)
        if kind == AGGREGATE:
            return b"".join(_START_CODE + unit for unit in _units(payload))
        if kind == FRAGMENT:
            return _fragment(payload)
        if kind > FRAGMENT:
            raise ValueError(f"an H.265 packet of type {kind}")
        return _START_CODE + payload

    def begins_keyframe(self, payload: bytes) -> bool:
        """By a slice of a picture at which decoding may begin, or by the parameter sets before it."""
        kind = _kind(payload)
        if kind == AGGREGATE:
            return any(_begins_keyframe(_kind(unit)) for unit in _units(payload))
        if kind == FRAGMENT:
            return bool(payload[_HEADER] & _FIRST) and _begins_keyframe(payload[_HEADER] & _KIND)
        return _begins_keyframe(kind)

    def frame(self, parts: Sequence[bytes]) -> bytes:
        return b"".join(parts)


def _kind(unit: bytes) -> int:
    """The type of a NAL unit, or of a payload. Raises ValueError for what is shorter than its header."""
    if len(unit) < _HEADER:
        raise ValueError("an H.265 NAL unit without a header")
    return unit[0] >> 1 & _KIND


def _begins_keyframe(kind: int) -> bool:
    return 16 <= kind <= 21 or kind in (VPS, SPS)


def _units(payload: bytes) -> list[bytes]:
    """The NAL units of an aggregation packet (§4.4.2). Raises ValueError."""
    units: list[bytes] = []
    position = _HEADER
    while position < len(payload):
        length = int.from_bytes(payload[position : position + 2], "big")
        unit = payload[position + 2 : position + 2 + length]
        if len(unit) != length or _kind(unit) >= AGGREGATE:
            raise ValueError("an H.265 aggregation packet with a unit that is none")
        units.append(unit)
        position += 2 + length
    return units


def _fragment(payload: bytes) -> bytes:
    """A part of a NAL unit (§4.4.3). The header of the unit is made of those of the packet and of the fragment."""
    head, body = payload[_HEADER], payload[_HEADER + 1 :]
    if not body:
        raise ValueError("an H.265 fragment of nothing")
    if not head & _FIRST:
        return body
    return _START_CODE + bytes([payload[0] & 0x81 | (head & _KIND) << 1, payload[1]]) + body
