"""H.264, VP8 and VP9 in RTP: what a packet adds to its frame, and whether that is a keyframe."""

from __future__ import annotations

import pytest

from services.transcoder.domain.payload_formats import H264Payload, Vp8Payload, Vp9Payload


@pytest.mark.parametrize(
    ("payload", "keyframe"),
    [
        (b"\x65\x88", True),
        (b"\x67\x42", True),
        (b"\x68\xce", False),
        (b"\x41\x9a", False),
        (b"\x7c\x85\x88", True),
        (b"\x7c\x05\x88", False),
        (b"\x7c\x45\x88", False),
        (b"\x7c\x81\x9a", False),
        (b"\x7c", False),
        (b"\x78\x00\x02\x09\x10\x00\x02\x65\x88", True),
        (b"\x78\x00\x02\x09\x10\x00\x02\x41\x9a", False),
        (b"\x78", False),
    ],
    ids=[
        "IDR slice",
        "sequence parameter set",
        "picture parameter set",
        "other slice",
        "first fragment of an IDR slice",
        "middle fragment of an IDR slice",
        "last fragment of an IDR slice",
        "first fragment of another slice",
        "a fragment that ends too early",
        "aggregate with an IDR slice",
        "aggregate without one",
        "empty aggregate",
    ],
)
def test_an_h264_packet_shows_whether_a_keyframe_begins(payload: bytes, keyframe: bool) -> None:
    assert H264Payload().begins_keyframe(payload) is keyframe


def test_fragments_of_an_h264_slice_become_one_slice_with_a_start_code() -> None:
    h264 = H264Payload()

    parts = [h264.data(b"\x7c\x85\x01"), h264.data(b"\x7c\x05\x02"), h264.data(b"\x7c\x45\x03")]

    assert h264.frame(parts) == b"\0\0\0\1\x65\x01\x02\x03"


@pytest.mark.parametrize(
    ("payload", "keyframe"),
    [
        (b"\x10\x00\x9d", True),
        (b"\x10\x01\x9d", False),
        (b"\x00\x00\x9d", False),
        (b"\x11\x00\x9d", False),
        (b"\x90\x80\x85\x01\x00\x9d", True),
    ],
    ids=["keyframe", "predicted", "not the start", "another partition", "with a picture id of 15 bits"],
)
def test_a_vp8_packet_shows_whether_a_keyframe_begins(payload: bytes, keyframe: bool) -> None:
    assert Vp8Payload().begins_keyframe(payload) is keyframe


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
