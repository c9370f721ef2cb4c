"""RTP packets in any order, with losses and nonsense, to frames."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.apps.ladder_wish import DECODED
from services.transcoder.domain.depacketizer import Depacketizer
from services.transcoder.domain.jitter_buffer import MAX_WAIT_S
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
