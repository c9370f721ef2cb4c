"""The encoders that are known, and how they are told to answer at once."""

from __future__ import annotations

import pytest

from services.transcoder.domain.encoders import KINDS, EncoderKind, software, starts_a_stream

SPS, PPS, IDR, SLICE = (b"\0\0\1" + bytes([kind]) + b"\x42" for kind in (0x67, 0x68, 0x65, 0x41))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_encoder_keeps_to_its_rate_and_holds_no_picture_back(kind: EncoderKind) -> None:
    options = kind.options(1_000_000, "superfast")

    assert options["maxrate"] == "1000000"
    assert options["bufsize"] == "500000", "half a second, so that a picture never waits for long"
    without_delay = {"delay": "0", "async_depth": "1", "tune": "zerolatency", "lag-in-frames": "0"}
    assert without_delay.items() & options.items()


def test_hardware_is_tried_before_software() -> None:
    of_h264 = [kind.hardware for kind in KINDS if kind.codec == "H264"]

    assert of_h264 == sorted(of_h264, reverse=True)


@pytest.mark.parametrize(("codec", "name"), [("H264", "libx264"), ("VP8", "libvpx")])
def test_every_codec_of_a_rung_has_an_encoder_that_needs_no_hardware(codec: str, name: str) -> None:
    assert software(codec).name == name


def test_only_x264_takes_the_preset_of_the_settings() -> None:
    taking = [kind.name for kind in KINDS if kind.options(1, "faster").get("preset") == "faster"]

    assert taking == ["libx264"]


@pytest.mark.parametrize(
    ("codec", "data", "starts"),
    [
        ("H264", SPS + PPS + IDR, True),
        ("H264", PPS + IDR, False),
        ("H264", SPS + IDR, False),
        ("H264", SPS + PPS + SLICE, False),
        ("H264", b"", False),
        ("VP8", b"\x10", True),
        ("VP8", b"", False),
    ],
)
def test_a_first_output_that_can_not_be_decoded_alone_is_noticed(codec: str, data: bytes, starts: bool) -> None:
    assert starts_a_stream(codec, data) is starts
