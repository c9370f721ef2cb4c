"""From encoded pictures to the RTP packets of a rung, on the source's own timeline. No I/O."""

from __future__ import annotations

import struct
from typing import Protocol

import av
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

PAYLOAD_TYPE = 96
_HEADER = struct.Struct("!BBHII")


class Packer(Protocol):
    """The part of aiortc's encoders that cuts pictures into payloads."""

    def pack(self, packet: av.Packet[av.VideoStream]) -> tuple[list[bytes], int]: ...


class Packetizer:
    """The packetizer of one rung. Its sequence numbers go on without a gap for the life of the push source, even if the
    encoder is replaced."""

    def __init__(self, codec: str, ssrc: int, sequence: int) -> None:
        self._packer: Packer = H264Encoder() if codec == "H264" else Vp8Encoder()
        self._ssrc = ssrc
        self._sequence = sequence

    def packets(self, picture: av.Packet[av.VideoStream]) -> list[bytes]:
        """The packets of one picture; its pts is the RTP timestamp, unwrapped."""
        payloads, _ = self._packer.pack(picture)
        assert picture.pts is not None
        rtp_ts = picture.pts & 0xFFFFFFFF
        packets = []
        for index, payload in enumerate(payloads):
            marker = 0x80 if index == len(payloads) - 1 else 0
            packets.append(_HEADER.pack(0x80, marker | PAYLOAD_TYPE, self._sequence, rtp_ts, self._ssrc) + payload)
            self._sequence = (self._sequence + 1) & 0xFFFF
        return packets
