"""Payload formats written the way libwebrtc writes them: VP9 (RFC 9628, not flexible, one layer), AV1 (AOMedia)."""

from __future__ import annotations

import av

PAYLOAD_BYTES = 1100
_SIZE_GIVEN = 0x02


class Vp9Packer:
    """Picture id of 15 bits, TL0PICIDX, scalability structure on keyframes."""

    def __init__(self) -> None:
        self._picture = 0x7FF0

    def pack(self, packet: av.Packet[av.VideoStream]) -> tuple[list[bytes], int]:
        data = bytes(packet)
        payloads = []
        for start in range(0, len(data), PAYLOAD_BYTES):
            first, last = start == 0, start + PAYLOAD_BYTES >= len(data)
            structured = packet.is_keyframe and first
            head = 0xA0 | (0 if packet.is_keyframe else 0x40) | first << 3 | last << 2 | structured << 1
            layers = bytes([0x00, self._picture & 0xFF])
            structure = bytes([0x18, 0x02, 0x80, 0x01, 0x68, 0x01, 0x04, 0x01]) if structured else b""
            picture = (0x8000 | self._picture).to_bytes(2, "big")
            payloads.append(bytes([head]) + picture + layers + structure + data[start : start + PAYLOAD_BYTES])
        self._picture = (self._picture + 1) & 0x7FFF
        return payloads, packet.pts or 0


class Av1Packer:
    """One OBU element a packet (W=1), OBUs without size and temporal delimiter, long ones over several packets."""

    def pack(self, packet: av.Packet[av.VideoStream]) -> tuple[list[bytes], int]:
        payloads: list[bytes] = []
        for obu in _obus(bytes(packet)):
            for start in range(0, len(obu), PAYLOAD_BYTES):
                goes_on = start + PAYLOAD_BYTES < len(obu)
                begins_sequence = packet.is_keyframe and not payloads
                head = (start > 0) << 7 | goes_on << 6 | 1 << 4 | begins_sequence << 3
                payloads.append(bytes([head]) + obu[start : start + PAYLOAD_BYTES])
        return payloads, packet.pts or 0


def _obus(unit: bytes) -> list[bytes]:
    """The OBUs of a temporal unit without their sizes."""
    obus, position = [], 0
    while position < len(unit):
        head = unit[position]
        assert head & _SIZE_GIVEN
        header = unit[position : position + (2 if head & 0x04 else 1)]
        position += len(header)
        length, shift = 0, 0
        while True:
            byte = unit[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        if head >> 3 & 0x0F != 2:
            obus.append(bytes([head & ~_SIZE_GIVEN]) + header[1:] + unit[position : position + length])
        position += length
    return obus
