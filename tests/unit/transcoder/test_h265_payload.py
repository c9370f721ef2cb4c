"""H.265 in RTP: NAL units of every kind of packet to frames."""

from __future__ import annotations

import pytest

from services.transcoder.domain.depacketizer import Depacketizer
from services.transcoder.domain.h265_payload import H265Payload
from tests.unit.transcoder.pictures import Camera, decode, frames_of

START = b"\x00\x00\x00\x01"
VPS, SPS, PPS = b"\x40\x01v", b"\x42\x01s", b"\x44\x01p"
IDR, CRA, TRAIL, END = b"\x28\x01\xa0idr", b"\x2a\x01\xa0cra", b"\x02\x03\xd0", b"\x48\x01"


def aggregate(*units: bytes) -> bytes:
    return b"\x60\x01" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def test_a_frame_is_put_together_from_packets_of_every_kind() -> None:
    h265 = H265Payload()
    fragments = [b"\x62\x02\x93abc", b"\x62\x02\x13def", b"\x62\x02\x53ghi"]
    payloads = [aggregate(VPS, SPS, PPS), *fragments, END]
    frame = h265.frame([h265.data(payload) for payload in payloads])
    assert frame == b"".join(START + unit for unit in (VPS, SPS, PPS, b"\x26\x02abcdefghi", END))


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        (VPS, True),
        (SPS, True),
        (PPS, False),
        (IDR, True),
        (CRA, True),
        (TRAIL, False),
        (aggregate(PPS, IDR), True),
        (aggregate(PPS, TRAIL), False),
        (b"\x62\x01\x93abc", True),
        (b"\x62\x01\x13abc", False),
        (b"\x62\x01\x81abc", False),
    ],
)
def test_a_keyframe_begins_with_its_slices_or_its_parameter_sets(payload: bytes, begins: bool) -> None:
    assert H265Payload().begins_keyframe(payload) is begins


@pytest.mark.parametrize(
    "payload",
    [
        b"\x26",
        b"\x62\x01",
        b"\x62\x01\x93",
        b"\x64\x01\x26\x00\x80abc",
        aggregate(VPS)[:-1],
        b"\x60\x01\x00",
        aggregate(b"\x40"),
        aggregate(b"\x62\x01\x93abc"),
        aggregate(aggregate(VPS)),
    ],
    ids=["half a header", "no fragment", "of nothing", "PACI", "cut", "half a length", "short", "fragment", "nested"],
)
def test_packets_that_make_no_sense_are_malformed(payload: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        H265Payload().data(payload)


def test_a_stream_of_paci_packets_is_counted_and_gives_no_picture() -> None:
    depacketizer = Depacketizer("H265")
    for sequence in range(10):
        header = bytes([0x80, 0xE0, 0, sequence, 0, 0, 0, sequence, 0, 0, 0, 1])
        assert depacketizer.add(header + b"\x64\x01\x26\x00\x80abc", sequence / 30) == []
    assert depacketizer.malformed == 10
    assert depacketizer.wants_keyframe


def test_what_x265_makes_is_decoded_from_its_first_keyframe_on() -> None:
    camera = Camera("H265")
    packets = [packet for index in range(20) for packet in camera.frame(keyframe=index == 8)]
    frames = frames_of("H265", packets)
    assert [index for index, frame in enumerate(frames) if frame.keyframe] == [0, 8]
    assert len(decode("H265", frames)) == 20
    assert len(decode("H265", frames[8:])) == 12, "its parameter sets come again"
