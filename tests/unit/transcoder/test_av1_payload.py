"""AV1 in RTP: OBU elements to temporal units."""

from __future__ import annotations

import pytest

from services.transcoder.domain.av1_payload import Av1Payload


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
