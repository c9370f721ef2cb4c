"""Packets come out in order, and each sequence number at most once."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.domain.jitter_buffer import CAPACITY, MAX_WAIT_S, JitterBuffer


def packet(sequence: int) -> RtpPacket:
    return RtpPacket(sequence_number=sequence % (1 << 16))


def numbers(ready: list[RtpPacket | None]) -> list[int | None]:
    return [None if one is None else one.sequence_number for one in ready]


def test_packets_in_order_come_out_at_once_also_over_the_wrap() -> None:
    buffer = JitterBuffer()
    assert [numbers(buffer.add(packet(65_534 + n), 0.0)) for n in range(4)] == [[65_534], [65_535], [0], [1]]


def test_a_late_packet_lets_those_behind_it_out() -> None:
    buffer = JitterBuffer()
    buffer.add(packet(10), 0.0)
    assert buffer.add(packet(12), 0.01) == []
    assert buffer.add(packet(13), 0.02) == []
    assert numbers(buffer.add(packet(11), 0.03)) == [11, 12, 13]
    assert buffer.add(packet(11), 0.04) == [], "a repetition"


def test_a_missing_packet_is_a_loss_after_its_time_and_no_earlier() -> None:
    buffer = JitterBuffer()
    buffer.add(packet(10), 0.0)
    assert buffer.add(packet(12), 1.0) == []
    assert buffer.add(packet(13), 1.0 + MAX_WAIT_S - 0.01) == []
    assert numbers(buffer.add(packet(14), 1.0 + MAX_WAIT_S)) == [None, 12, 13, 14]


@pytest.mark.parametrize("jump", [CAPACITY, CAPACITY + 1, 30_000])
def test_a_jump_beyond_the_capacity_is_one_loss_and_begins_anew(jump: int) -> None:
    buffer = JitterBuffer()
    buffer.add(packet(10), 0.0)
    buffer.add(packet(12), 0.0)
    assert numbers(buffer.add(packet(11 + jump), 0.0)) == [None, 11 + jump]
    assert numbers(buffer.add(packet(12 + jump), 0.0)) == [12 + jump]


@given(st.integers(0, 65_535), st.permutations(range(40)))
def test_whatever_the_order_every_packet_comes_out_once_and_in_order(first: int, order: list[int]) -> None:
    buffer = JitterBuffer()
    out = numbers(buffer.add(packet(first), 0.0))
    for offset in order:
        out += numbers(buffer.add(packet(first + 1 + offset), 0.0))
    assert out == [(first + n) % (1 << 16) for n in range(41)]
