"""A publisher for transcoder tests: a moving picture as H.264, VP8, VP9, AV1 or H.265 in RTP, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from services.transcoder.domain.depacketizer import Depacketizer, EncodedFrame
from services.transcoder.domain.packetizer import Packer, Packetizer
from tests.unit.transcoder.payload_writers import Av1Packer, H265Packer, Vp9Packer

FRAME_TICKS = 3_000  # 30 frames/s at 90 kHz


def picture(index: int, width: int, height: int, pixels: str = "yuv420p") -> VideoFrame:
    """A grey ramp with a white bar that moves 1/60 of the width per frame."""
    luma = np.tile(np.linspace(30, 130, width, dtype=np.uint8), (height, 1))
    bar = max(2, width // 16)
    left = (index * width // 60) % (width - bar)
    luma[:, left : left + bar] = 235
    planes = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    planes[:height] = luma
    return VideoFrame.from_ndarray(planes, format="yuv420p").reformat(format=pixels)


def bar_position(frame: VideoFrame) -> float:
    """Where the middle of the bar of `picture` is, as a share of the width; its left end is at index / 60, it is 1/16
    wide."""
    columns = frame.reformat(format="gray").to_ndarray().mean(axis=0)
    return float(np.flatnonzero(columns > 180).mean() / frame.width)


_ENCODERS = {
    "H264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "-12", "lag-in-frames": "0"}),
    "VP9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
    "AV1": ("libsvtav1", {"preset": "12", "svtav1-params": "rc=2:pred-struct=1:lp=1"}),
    "H265": (
        "libx265",
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "x265-params": "log-level=none:pools=none:frame-threads=1:wpp=0",
        },
    ),
}
_PACKERS: dict[str, Callable[[], Packer]] = {"VP9": Vp9Packer, "AV1": Av1Packer, "H265": H265Packer}
"""Of codecs that no ladder is made in."""


class Camera:
    """Encodes `picture`s and makes RTP packets of them."""

    def __init__(
        self,
        codec: str = "H264",
        width: int = 640,
        height: int = 360,
        *,
        first_ts: int = 0,
        pixels: str = "yuv420p",
        ssrc: int = 1234,
    ) -> None:
        self._codec = codec
        self._pixels = pixels
        self._packetizer = Packetizer("H264" if codec in _PACKERS else codec, ssrc=ssrc, sequence=65_530)
        if codec in _PACKERS:
            self._packetizer._packer = _PACKERS[codec]()
        self.index = 0
        self.rtp_ts = first_ts
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Go on with another size, beginning with a keyframe."""
        self._size = (width, height)
        name, options = _ENCODERS[self._codec]
        self._encoder = cast(VideoCodecContext, av.CodecContext.create(name, "w"))
        self._encoder.width, self._encoder.height = width, height
        self._encoder.pix_fmt = self._pixels
        self._encoder.bit_rate = 1_500_000
        self._encoder.time_base = Fraction(1, 90_000)
        self._encoder.framerate = Fraction(30, 1)
        self._encoder.thread_count = 1
        self._encoder.options = dict(options)
        self._fresh = True

    def frame(self, *, keyframe: bool = False, ticks: int = FRAME_TICKS) -> list[bytes]:
        """The next picture's packets."""
        image = picture(self.index, *self._size, self._pixels)
        image.pts, image.time_base = self.index * FRAME_TICKS, Fraction(1, 90_000)
        image.pict_type = PictureType.I if keyframe or self._fresh else PictureType.NONE
        self._fresh = False
        packets = []
        for unit in self._encoder.encode(image):
            unit.pts, unit.time_base = self.rtp_ts, Fraction(1, 90_000)
            packets += self._packetizer.packets(unit)
        self.index += 1
        self.rtp_ts = (self.rtp_ts + ticks) % (1 << 32)
        return packets


def frames_of(codec: str, packets: Iterable[bytes]) -> list[EncodedFrame]:
    """What a receiver makes of packets."""
    depacketizer = Depacketizer(codec)
    return [frame for packet in packets for frame in depacketizer.add(packet, 0.0)]


def decode(codec: str, frames: Iterable[EncodedFrame]) -> list[VideoFrame]:
    """Decoded by a decoder of its own."""
    name = "hevc" if codec == "H265" else codec.lower()
    decoder = cast(VideoCodecContext, av.CodecContext.create(name, "r"))
    return [picture for frame in frames for picture in decoder.decode(av.Packet(frame.data))]
