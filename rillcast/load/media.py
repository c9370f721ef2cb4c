"""Pre-encoded media for publishers: encoded once, sent over and over, so that no encoder is measured."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from aiortc.codecs import get_encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

Frame = tuple[int, int, list[bytes]]
"""(due in the loop, µs; RTP timestamp; RTP payloads)"""
Loop = tuple[list[Frame], int, int]
"""(frames, length µs, length in RTP ticks)"""

LOOP_S = 2
FRAMES_PER_S = 30
HEIGHT = 720
VIDEO_CLOCK, AUDIO_CLOCK = 90_000, 48_000
AUDIO_FRAME_S = 0.02
AUDIO_BPS = 48_000


class Layer(NamedTuple):
    """What is encoded of the picture."""

    height: int
    """The height in lines; the picture is 16:9."""
    bitrate_bps: int
    burst_s: float = 0.5
    """How much of the bit rate a keyframe may take at once."""


BROWSER_BURST_S = 0.3
"""libwebrtc's VP8 keyframes have at most nine pictures' share."""
SIMULCAST = tuple(
    Layer(height, bps, BROWSER_BURST_S) for height, bps in ((180, 150_000), (360, 500_000), (720, 1_500_000))
)
"""Lowest first, as browsers send them."""


def encode(video_bps: int, audio_bps: int = AUDIO_BPS) -> tuple[Loop, Loop]:
    """A moving picture in H.264 720p30, a keyframe every 2 s, and a tone in Opus."""
    (video,), audio = encode_layers([Layer(HEIGHT, video_bps)], audio_bps)
    return video, audio


def encode_layers(layers: Sequence[Layer], audio_bps: int = AUDIO_BPS) -> tuple[list[Loop], Loop]:
    """The same picture in several sizes, keyframes on the same pictures."""
    return [_video(layer) for layer in layers], _audio(audio_bps)


def _video(layer: Layer) -> Loop:
    height, bitrate_bps, burst_s = layer
    width = height * 16 // 9
    options = {
        "preset": "superfast",
        "tune": "zerolatency",
        "profile": "baseline",
        "g": str(LOOP_S * FRAMES_PER_S),
        "sc_threshold": "0",
        "maxrate": str(bitrate_bps),
        "bufsize": str(round(bitrate_bps * burst_s)),
        "forced-idr": "1",
    }
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FRAMES_PER_S), Fraction(FRAMES_PER_S, 1)
    codec.bit_rate, codec.options = bitrate_bps, options
    packer = get_encoder(RTCRtpCodecParameters(mimeType="video/H264", clockRate=VIDEO_CLOCK, payloadType=102))
    noise = np.random.default_rng(1).integers(0, 256, (height, width * 2, 3), dtype=np.uint8)
    frames: list[Frame] = []

    def take(packets: list[av.Packet[av.VideoStream]]) -> None:
        for packet in packets:
            i = len(frames)
            payloads, _ = packer.pack(packet)
            frames.append((i * 1_000_000 // FRAMES_PER_S, i * VIDEO_CLOCK // FRAMES_PER_S, payloads))

    for i in range(LOOP_S * FRAMES_PER_S):
        picture = np.full((height, width, 3), 40, dtype=np.uint8)
        shift, bar = i * width // 160, width // 32
        picture[:, ::4] = noise[:, shift : shift + width : 4]
        picture[:, bar * (i % 30) : bar * (i % 30) + bar] = 220
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = i
        take(codec.encode(frame))
    take(codec.encode(None))
    return frames, LOOP_S * 1_000_000, LOOP_S * VIDEO_CLOCK


def _audio(bitrate_bps: int) -> Loop:
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = AUDIO_CLOCK, "stereo", "s16", bitrate_bps
    codec.options = {"vbr": "off", "application": "lowdelay"}
    step = int(AUDIO_CLOCK * AUDIO_FRAME_S)
    frames: list[Frame] = []
    total = round(LOOP_S / AUDIO_FRAME_S)
    for n in range(total + 2):
        t = (np.arange(step) + n * step) / AUDIO_CLOCK
        tone = (np.sin(2 * np.pi * 440 * t) * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = AUDIO_CLOCK, n * step
        for packet in codec.encode(frame):
            if len(frames) < total:
                i = len(frames)
                frames.append((int(i * AUDIO_FRAME_S * 1_000_000), i * step, [bytes(packet)]))
    return frames, LOOP_S * 1_000_000, LOOP_S * AUDIO_CLOCK
