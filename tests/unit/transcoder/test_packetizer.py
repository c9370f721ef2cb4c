"""Encoded pictures to the RTP packets of a rung."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import cast

import av
import pytest

from services.transcoder.domain.packetizer import PAYLOAD_TYPE, Packetizer

PICTURES = {"H264": b"\0\0\0\1\x65" + b"\x5a" * 3_000, "VP8": b"\x10\x00\x9d" + b"\x5a" * 3_000}
HEADER = struct.Struct("!BBHII")


def picture(codec: str, pts: int) -> av.Packet[av.VideoStream]:
    made = cast("av.Packet[av.VideoStream]", av.Packet(PICTURES[codec]))
    made.pts, made.time_base = pts, Fraction(1, 90_000)
    return made


def headers(packets: list[bytes]) -> list[tuple[int, int, int, int, int]]:
    return [HEADER.unpack(packet[:12]) for packet in packets]


@pytest.mark.parametrize("codec", PICTURES)
def test_the_packets_of_a_picture_share_its_time_and_the_last_one_is_marked(codec: str) -> None:
    packets = headers(Packetizer(codec, ssrc=7, sequence=10).packets(picture(codec, 90_000)))

    assert len(packets) > 2
    assert {first for first, *_ in packets} == {0x80}
    assert [kind for _, kind, *_ in packets] == [PAYLOAD_TYPE] * (len(packets) - 1) + [0x80 | PAYLOAD_TYPE]
    assert [sequence for _, _, sequence, *_ in packets] == list(range(10, 10 + len(packets)))
    assert {(rtp_ts, ssrc) for *_, rtp_ts, ssrc in packets} == {(90_000, 7)}


def test_sequence_numbers_and_timestamps_wrap() -> None:
    packetizer = Packetizer("H264", ssrc=7, sequence=0xFFFF)

    packets = headers(packetizer.packets(picture("H264", 0x1_0000_0005)))

    assert [sequence for _, _, sequence, *_ in packets][:2] == [0xFFFF, 0]
    assert {rtp_ts for *_, rtp_ts, _ in packets} == {5}


def test_sequence_numbers_go_on_from_picture_to_picture() -> None:
    packetizer = Packetizer("VP8", ssrc=7, sequence=0)

    numbers = [
        sequence for pts in (0, 3_000, 6_000) for _, _, sequence, *_ in headers(packetizer.packets(picture("VP8", pts)))
    ]

    assert numbers == list(range(len(numbers)))
