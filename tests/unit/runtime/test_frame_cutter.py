"""Pieces of few frames, whatever a peer sends and however it comes."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.runtime.http.websocket import FrameCutter

LONGEST_HEAD = 14


def frame(size: int, *, masked: bool) -> bytes:
    if size < 126:
        length = bytes([size])
    elif size < 65_536:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    head = bytes([0x81, length[0] | (0x80 if masked else 0)]) + length[1:]
    return head + bytes(4 if masked else 0) + bytes(size)


sizes = st.one_of(st.integers(0, 20), st.integers(120, 130), st.integers(65_530, 65_540), st.integers(0, 100_000))
arrivals = st.lists(st.integers(1, 20_000), min_size=1, max_size=40)


@settings(deadline=None)
@given(st.lists(st.tuples(sizes, st.booleans()), max_size=20), arrivals, st.integers(1, 9), st.integers(200, 20_000))
def test_pieces_have_few_frames_and_no_byte_is_lost(
    sent: list[tuple[int, bool]], parts: list[int], frames: int, most: int
) -> None:
    whole = b"".join(frame(size, masked=masked) for size, masked in sent)
    cutter, received, pieces, begun, at = FrameCutter(), bytearray(), list[bytes](), 0, 0
    least = len(whole) // 300
    for part in itertools.cycle(parts):
        if at >= len(whole):
            break
        received += whole[at : at + least + part]
        at += least + part
        while True:
            size, new = cutter.cut(received, frames, most)
            assert new <= frames
            assert size <= most + LONGEST_HEAD
            if not size:
                assert len(received) < LONGEST_HEAD
                break
            begun += new
            pieces.append(bytes(received[:size]))
            del received[:size]
    assert b"".join(pieces) == whole
    assert begun == len(sent)


def test_a_frame_that_claims_to_be_endless_is_passed_on() -> None:
    head = b"\x81\xff" + b"\xff" * 8 + bytes(4)
    cutter = FrameCutter()
    assert cutter.cut(bytearray(head + bytes(100)), 8, 1_000) == (114, 1)
    assert cutter.cut(bytearray(100), 8, 1_000) == (100, 0)
