"""RTP packets in any order, with losses and nonsense, to frames."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.apps.ladder_wish import DECODED
from services.transcoder.domain.av1_payload import Av1Payload
from services.transcoder.domain.depacketizer import Depacketizer
from services.transcoder.domain.jitter_buffer import MAX_WAIT_S
from services.transcoder.domain.payload_formats import Vp9Payload
from tests.unit.transcoder.pictures import Camera, frames_of


def burst(codec: str, frames: int, keyframes: tuple[int, ...] = (0,)) -> list[list[bytes]]:
    camera = Camera(codec)
    return [camera.frame(keyframe=index in keyframes) for index in range(frames)]


@pytest.mark.parametrize("codec", DECODED)
def test_packets_in_the_wrong_order_give_the_same_frames(codec: str) -> None:
    packets = [packet for frame in burst(codec, 20) for packet in frame]
    shuffled = packets[:]
    rng = random.Random(3)
    for start in range(1, len(packets) - 4, 4):
        part = shuffled[start : start + 4]
        rng.shuffle(part)
        shuffled[start : start + 4] = part
    assert frames_of(codec, shuffled) == frames_of(codec, packets)
    assert len(frames_of(codec, packets)) == 20


def test_repeated_packets_change_nothing() -> None:
    packets = [packet for frame in burst("H264", 10) for packet in frame]
    assert frames_of("H264", [packet for packet in packets for _ in range(2)]) == frames_of("H264", packets)


def test_a_missing_packet_is_waited_for_and_then_given_up_until_the_next_keyframe() -> None:
    frames = burst("H264", 16, keyframes=(0, 8))
    depacketizer = Depacketizer("H264")
    got = []
    for index, packets in enumerate(frames):
        now = index / 30
        for number, packet in enumerate(packets):
            if (index, number) != (3, 0):
                got += [(index, frame) for frame in depacketizer.add(packet, now)]
    released = [index for index, _ in got]
    timestamps = [frame.rtp_ts // 3000 for _, frame in got]
    assert timestamps == [0, 1, 2, *range(8, 16)]
    assert min(index for index in released if index > 2) / 30 >= 4 / 30 + MAX_WAIT_S - 1 / 30
    assert depacketizer.losses == 1
    assert not depacketizer.wants_keyframe


def test_nothing_comes_out_before_the_first_keyframe() -> None:
    frames = burst("VP8", 6, keyframes=(0, 4))
    depacketizer = Depacketizer("VP8")
    got = [frame for packets in frames[1:] for packet in packets for frame in depacketizer.add(packet, 0.0)]
    assert [frame.rtp_ts // 3000 for frame in got] == [4, 5]
    assert got[0].keyframe


def test_a_sequence_that_jumps_far_is_a_loss_and_goes_on() -> None:
    camera = Camera()
    depacketizer = Depacketizer("H264")
    for packet in camera.frame():
        depacketizer.add(packet, 0.0)
    other = Camera()
    other._packetizer._sequence = 20_000
    got = [frame for _ in range(3) for packet in other.frame() for frame in depacketizer.add(packet, 0.1)]
    assert depacketizer.losses == 1
    assert depacketizer.wants_keyframe == (not got)


def test_padding_only_packets_are_skipped() -> None:
    camera = Camera()
    depacketizer = Depacketizer("H264")
    frames = []
    for _ in range(3):
        for packet in camera.frame():
            frames += depacketizer.add(packet, 0.0)
        sequence = camera._packetizer._sequence
        padding = bytes([0xA0, 96, sequence >> 8, sequence & 0xFF]) + bytes(8) + bytes(3) + bytes([4])
        camera._packetizer._sequence = (sequence + 1) & 0xFFFF
        frames += depacketizer.add(padding, 0.0)
    assert len(frames) == 3
    assert depacketizer.malformed == 0


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=20), st.sampled_from(DECODED))
def test_arbitrary_payloads_never_raise(payloads: list[bytes], codec: str) -> None:
    depacketizer = Depacketizer(codec)
    for index, payload in enumerate(payloads):
        header = bytes([0x80, 96, 0, index, 0, 0, 0, index // 3, 0, 0, 0, 1])
        depacketizer.add(header + payload, index / 10)
        depacketizer.add(payload, index / 10)


def test_a_frame_without_end_does_not_grow_for_ever() -> None:
    depacketizer = Depacketizer("H264")
    fragment = bytes([0x7C, 0x05]) + bytes(60_000)
    for index in range(400):
        depacketizer.add(bytes([0x80, 96, index >> 8, index & 0xFF]) + bytes(8) + fragment, 0.0)
    assert depacketizer.malformed >= 1
    assert sum(len(part) for part in depacketizer._parts) < 9 << 20


VP9_KEYFRAME = bytes([0xAA, 0x80, 0x01, 0x00, 0x00, 0x18, 2, 128, 1, 104, 1, 0x04, 1])
"""Picture id of 15 bits, layers, a scalability structure with one size and one picture of one reference."""


@pytest.mark.parametrize(
    ("descriptor", "keyframe"),
    [
        (VP9_KEYFRAME, True),
        (bytes([0x08]), True),
        (bytes([0x00]), False),
        (bytes([0x48]), False),
        (bytes([0x88, 0x05]), True),
        (bytes([0xA8, 0x05, 0x00, 0x07]), True),
        (bytes([0xA8, 0x05, 0x02, 0x07]), False),
        (bytes([0xD8, 0x05, 0x03, 0x04]), False),
        (bytes([0xF8, 0x05, 0x20, 0x03, 0x04]), False),
        (bytes([0x0A, 0x30, 1, 64, 0, 180, 2, 128, 1, 104]), True),
    ],
    ids=[
        "all of it",
        "bare",
        "not the start",
        "predicted",
        "short picture id",
        "layers",
        "spatial layer 1",
        "flexible with two references",
        "flexible with layers",
        "structure with two sizes",
    ],
)
def test_vp9_descriptors_are_read(descriptor: bytes, keyframe: bool) -> None:
    vp9 = Vp9Payload()
    assert vp9.data(descriptor + b"picture") == b"picture"
    assert vp9.begins_keyframe(descriptor + b"picture") is keyframe


@pytest.mark.parametrize("cut", range(len(VP9_KEYFRAME) + 1))
def test_a_vp9_packet_that_ends_too_early_is_malformed(cut: int) -> None:
    with pytest.raises((ValueError, IndexError)):
        Vp9Payload().data(VP9_KEYFRAME[:cut])


def test_av1_obus_are_put_together_from_elements_of_every_kind() -> None:
    av1 = Av1Payload()
    lengths = bytes([0x48, 2, 0x08, 0xAA, 3, 0x30, 1, 2])  # W=0, N, Y: a sequence header, the start of a frame
    goes_on = bytes([0xD0, 3, 4])  # W=1, Z, Y: its middle
    ends = bytes([0xA0, 2, 5, 6, 0x78, 9])  # W=2, Z: its end, then padding
    assert av1.begins_keyframe(lengths)
    assert not av1.begins_keyframe(goes_on)
    parts = [av1.data(payload) for payload in (lengths, goes_on, ends)]
    assert av1.frame(parts) == bytes([0x12, 0, 0x0A, 1, 0xAA, 0x32, 6, 1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    "payloads",
    [
        [b"\x90\x01"],
        [b"\x50\x30\x01"],
        [b"\x50\x30\x01", b"\x10\x30\x01"],
        [b"\x00\x05\x30"],
        [b"\x20\x01\x30"],
        [b"\x00" + b"\x80" * 9],
        [b"\x10"],
    ],
    ids=["middle first", "no end", "a new one before the end", "too long", "one of two", "endless length", "empty"],
)
def test_av1_packets_that_make_no_sense_are_malformed(payloads: list[bytes]) -> None:
    av1 = Av1Payload()
    with pytest.raises((ValueError, IndexError)):
        av1.frame([av1.data(payload) for payload in payloads])


def test_an_av1_sequence_header_begins_a_keyframe_without_the_n_bit_too() -> None:
    assert Av1Payload().begins_keyframe(b"\x20\x01\x08\x30")
    assert not Av1Payload().begins_keyframe(b"\x10\x30\x08")
