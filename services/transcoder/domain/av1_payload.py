"""The RTP payload format of AV1 (AOMedia, "RTP Payload Format For AV1" 1.0). No I/O.

A packet carries OBU elements; an OBU may go on from packet to packet. In RTP OBUs have no size field and temporal
delimiters are left out; a decoder wants both.
"""

from __future__ import annotations

from collections.abc import Sequence

SEQUENCE_HEADER, TEMPORAL_DELIMITER, TILE_LIST, PADDING = 1, 2, 8, 15
_DELIMITER = b"\x12\x00"
_SEQUENCE_HEADERS = (bytes([SEQUENCE_HEADER << 3]), bytes([SEQUENCE_HEADER << 3 | 0x02]))
"""The first byte of one, without and with a size."""
_HAS_EXTENSION, _HAS_SIZE = 0x04, 0x02
_MAX_LEB128 = 8


class Av1Payload:
    """`payload_formats.Depayload` for AV1. What a packet adds is the packet itself: OBUs need all of them."""

    def data(self, payload: bytes) -> bytes:
        if len(payload) < 2:
            raise ValueError("an AV1 packet without an OBU")
        _elements(payload)
        return payload

    def begins_keyframe(self, payload: bytes) -> bool:
        """By the N bit, the first packet of a coded video sequence; not everybody sets it before a sequence header."""
        if payload[0] & 0x80:
            return False
        return bool(payload[0] & 0x08) or _elements(payload)[0][:1] in _SEQUENCE_HEADERS

    def frame(self, parts: Sequence[bytes]) -> bytes:
        """A temporal unit in the low-overhead format (AV1 specification §5.2)."""
        unit = bytearray(_DELIMITER)
        open_obu: bytearray | None = None
        for part in parts:
            elements = _elements(part)
            if bool(part[0] & 0x80) != (open_obu is not None):
                raise ValueError("an OBU's fragments don't fit each other")
            for index, element in enumerate(elements):
                obu = open_obu if index == 0 and open_obu is not None else bytearray()
                obu += element
                open_obu = None
                if index == len(elements) - 1 and part[0] & 0x40:
                    open_obu = obu
                else:
                    unit += _sized(bytes(obu))
        if open_obu is not None:
            raise ValueError("the frame's last OBU has no end")
        return bytes(unit)


def _elements(payload: bytes) -> list[bytes]:
    """The OBU elements of a packet (§4.4). Raises ValueError, IndexError."""
    count, position = payload[0] >> 4 & 0x03, 1
    elements: list[bytes] = []
    while position < len(payload):
        if count and len(elements) == count - 1:
            length = len(payload) - position
        else:
            length, position = _leb128(payload, position)
        if position + length > len(payload):
            raise ValueError("an OBU element is longer than its packet")
        elements.append(payload[position : position + length])
        position += length
    if not elements or (count and len(elements) != count):
        raise ValueError("a packet has fewer OBU elements than it says")
    return elements


def _sized(obu: bytes) -> bytes:
    """The OBU with its size in it; nothing for those that say nothing about the picture."""
    if not obu:
        return b""
    kind, header = obu[0] >> 3 & 0x0F, 2 if obu[0] & _HAS_EXTENSION else 1
    if kind in (TEMPORAL_DELIMITER, TILE_LIST, PADDING):
        return b""
    if obu[0] & _HAS_SIZE:
        return obu
    body = obu[header:]
    return bytes([obu[0] | _HAS_SIZE]) + obu[1:header] + _to_leb128(len(body)) + body


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_MAX_LEB128):
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, position + index + 1
    raise ValueError("a number that never ends")


def _to_leb128(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
