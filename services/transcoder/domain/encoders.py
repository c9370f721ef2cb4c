"""Which encoders can make a rung, and how each is told to answer at once: constant rate, no look-ahead, no B-frames,
parameter sets in the stream. No I/O; `adapters.pyav_encoders` tries them out."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class EncoderKind(msgspec.Struct, frozen=True, kw_only=True):
    """One of FFmpeg's encoders, and how it is told what we want."""

    name: str
    codec: str
    pixels: str
    """The pixel format that it takes from us."""
    options: Callable[[int, str], dict[str, str]]
    """From bit rate in bit/s and x264 preset."""
    device: str = ""
    """FFmpeg's name of the kind of device that pictures are uploaded to first; empty = it does that itself."""
    hardware: bool = True


def _rate(bitrate_bps: int) -> dict[str, str]:
    return {"maxrate": str(bitrate_bps), "bufsize": str(bitrate_bps // 2)}


def _nvenc(bitrate_bps: int, _preset: str) -> dict[str, str]:
    return {
        "preset": "p2",
        "tune": "ull",
        "rc": "cbr",
        "zerolatency": "1",
        "delay": "0",
        "forced-idr": "1",
        "profile": "baseline",
        **_rate(bitrate_bps),
    }


def _qsv(bitrate_bps: int, _preset: str) -> dict[str, str]:
    return {
        "preset": "veryfast",
        "async_depth": "1",
        "look_ahead": "0",
        "forced_idr": "1",
        "profile": "baseline",
        **_rate(bitrate_bps),
    }


def _vaapi(bitrate_bps: int, _preset: str) -> dict[str, str]:
    return {"rc_mode": "CBR", "async_depth": "1", "profile": "constrained_baseline", **_rate(bitrate_bps)}


def _x264(bitrate_bps: int, preset: str) -> dict[str, str]:
    return {
        "preset": preset,
        "tune": "zerolatency",
        "profile": "baseline",
        "forced-idr": "1",
        "sc_threshold": "0",
        **_rate(bitrate_bps),
    }


def _vp8(bitrate_bps: int, _preset: str) -> dict[str, str]:
    return {
        "deadline": "realtime",
        "cpu-used": "-12",
        "lag-in-frames": "0",
        "minrate": str(bitrate_bps),
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        **_rate(bitrate_bps),
    }


KINDS = (
    EncoderKind(name="h264_nvenc", codec="H264", pixels="yuv420p", options=_nvenc),
    EncoderKind(name="h264_qsv", codec="H264", pixels="nv12", options=_qsv),
    EncoderKind(name="h264_vaapi", codec="H264", pixels="nv12", options=_vaapi, device="vaapi"),
    EncoderKind(name="libx264", codec="H264", pixels="yuv420p", options=_x264, hardware=False),
    EncoderKind(name="libvpx", codec="VP8", pixels="yuv420p", options=_vp8, hardware=False),
)
"""All that are known. Of the same codec, the first one that works is chosen."""


def software(codec: str) -> EncoderKind:
    """The encoder of a codec that needs no hardware and is always there."""
    return next(kind for kind in KINDS if kind.codec == codec and not kind.hardware)


def starts_a_stream(codec: str, data: bytes) -> bool:
    """Whether an encoder's first output can be decoded without anything else: H.264 has its parameter sets in front
    (ITU-T H.264 §7.4.1.2.1), else viewers who join later see nothing."""
    if codec != "H264":
        return bool(data)
    kinds = [unit[0] & 0x1F for unit in data.split(b"\0\0\1") if unit]
    return {5, 7, 8} <= set(kinds)
