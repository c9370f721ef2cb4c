"""Decoding, scaling and encoding with PyAV. Every call releases the GIL while it works; objects belong to one thread.

Settings and their cost: `docs/` (encoders, ladder cost). One thread per codec: a node carries many ladders, and CPU
time per frame is lowest that way.
"""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from services.transcoder.domain.encoders import EncoderKind
from services.transcoder.domain.ladder import MAX_SOURCE_SIDE
from services.transcoder.domain.timeline import CLOCK_RATE

TIME_BASE = Fraction(1, CLOCK_RATE)
DECODERS = {"H264": "h264", "VP8": "vp8", "VP9": "libvpx-vp9", "AV1": "libdav1d", "H265": "hevc"}
"""libvpx rather than FFmpeg's own VP9: that one wants spatial layers framed as WebRTC doesn't."""
_NEVER = 1_000_000
"""Frames between keyframes as the encoder is told: ours come by time, not by count, since cameras vary their rate."""


class FrameTooLarge(Exception):
    """The source turned into something of which no ladder can be made."""


class Decoder:
    """The decoder of one source. After an error it has to be replaced by a new one."""

    def __init__(self, codec: str) -> None:
        self._context = cast(VideoCodecContext, av.CodecContext.create(DECODERS[codec], "r"))
        self._context.thread_count = 1
        self._context.flags |= Flags.low_delay  # there are no B-frames in WebRTC: nothing to wait for

    def decode(self, data: bytes, pts: int) -> list[VideoFrame]:
        """Decoded pictures, each with its pts in 90 kHz. Raises av.error.FFmpegError, FrameTooLarge."""
        packet = av.Packet(data)
        packet.pts = packet.dts = pts
        packet.time_base = TIME_BASE
        frames = self._context.decode(packet)
        for frame in frames:
            if frame.width > MAX_SOURCE_SIDE or frame.height > MAX_SOURCE_SIDE or frame.pts is None:
                raise FrameTooLarge(f"{frame.width}×{frame.height}")
        return frames


class Scaler:
    """The scaler of one height. It adapts when the size or the pixel format of the source changes."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._made_for: tuple[tuple[int, int, str], int] | None = None
        self._graph: Graph | None = None

    def scale(self, frame: VideoFrame, width: int) -> VideoFrame:
        """The picture at the rung's height and this width in yuv420p. Raises av.error.FFmpegError."""
        shape = (frame.width, frame.height, frame.format.name)
        if (shape, width) != self._made_for:
            self._made_for = (shape, width)
            fits = (width, self._height, "yuv420p") == shape
            self._graph = None if fits else _scaling(shape, width, self._height)
        if self._graph is None:
            return frame
        self._graph.vpush(frame)
        return self._graph.vpull()


def _scaling(shape: tuple[int, int, str], width: int, height: int) -> Graph:
    graph = Graph()
    graph.threads = 1  # by itself it takes one per processor: dearer, and each waits for the slowest
    source = graph.add_buffer(width=shape[0], height=shape[1], format=av.VideoFormat(shape[2]), time_base=TIME_BASE)
    scale = graph.add("scale", f"{width}:{height}:flags=fast_bilinear")
    pixels = graph.add("format", "yuv420p")
    sink = graph.add("buffersink")
    source.link_to(scale)
    scale.link_to(pixels)
    pixels.link_to(sink)
    graph.configure()
    return graph


class Encoder:
    """The encoder of one rung: constant rate, no look-ahead, no B-frames, keyframes only where they are asked for."""

    def __init__(self, kind: EncoderKind, width: int, height: int, bitrate_bps: int, preset: str) -> None:
        """Opens the encoder.

        Raises av.error.FFmpegError, ValueError (no such encoder) or NotImplementedError (no device).
        """
        self.name = kind.name
        self.width = width
        self.height = height
        self.hardware = kind.hardware
        self._pixels = kind.pixels
        device = HWAccel(kind.device) if kind.device else None
        context = cast(VideoCodecContext, av.CodecContext.create(kind.name, "w", device))
        context.width, context.height = width, height
        context.pix_fmt = kind.pixels
        context.bit_rate = bitrate_bps
        context.time_base = TIME_BASE
        context.framerate = Fraction(30, 1)
        context.gop_size = _NEVER
        context.max_b_frames = 0
        context.thread_count = 1
        context.options = kind.options(bitrate_bps, preset)
        context.open()
        self._context = context

    def encode(self, frame: VideoFrame, pts: int, *, keyframe: bool) -> list[av.Packet[av.VideoStream]]:
        """Encode a picture; the packets come back at once. `pts` must grow. Raises av.error.FFmpegError."""
        if frame.format.name != self._pixels:
            frame = frame.reformat(format=self._pixels, threads=1)
        frame.pts = pts
        frame.time_base = TIME_BASE
        frame.pict_type = PictureType.I if keyframe else PictureType.NONE
        return self._context.encode(frame)
