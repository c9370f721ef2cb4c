"""Payload formats written the way libwebrtc writes them: VP9 (RFC 9628, not flexible, one layer), AV1 (AOMedia), H.265
(RFC 7798)."""

from __future__ import annotations

import re
from collections.abc import Sequence

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


class H265Packer:
    """Short NAL units that follow each other in one aggregation packet, long ones in fragments."""

    def pack(self, packet: av.Packet[av.VideoStream]) -> tuple[list[bytes], int]:
        payloads: list[bytes] = []
        short: list[bytes] = []
        for unit in nal_units(bytes(packet)):
            if len(unit) + sum(len(other) + 2 for other in short) > PAYLOAD_BYTES:
                payloads += _aggregated(short)
                short = []
            if len(unit) > PAYLOAD_BYTES:
                payloads += _fragments(unit)
            else:
                short.append(unit)
        return payloads + _aggregated(short), packet.pts or 0


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream with start codes (H.264 and H.265, annex B)."""
    return [unit for unit in re.split(rb"\x00*\x00\x00\x01", data) if unit]


def _aggregated(units: Sequence[bytes]) -> list[bytes]:
    """A packet of units, if there are any: itself for a single one, or type 48 (RFC 7798 §4.4.2)."""
    if len(units) < 2:
        return list(units)
    return [bytes([48 << 1, 1]) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)]


def _fragments(unit: bytes) -> list[bytes]:
    """Packets of type 49 (RFC 7798 §4.4.3)."""
    head, body = unit[:2], unit[2:]
    payloads = []
    for start in range(0, len(body), PAYLOAD_BYTES):
        first, last = start == 0, start + PAYLOAD_BYTES >= len(body)
        fragment = first << 7 | last << 6 | head[0] >> 1 & 0x3F
        payloads.append(bytes([head[0] & 0x81 | 49 << 1, head[1], fragment]) + body[start : start + PAYLOAD_BYTES])
    return payloads


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
