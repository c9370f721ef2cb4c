"""A process that makes small pictures of keyframes: `python -m services.transcoder.adapters.picture_process`.

It reads questions and writes answers (`domain.picture_words`), one after the other, and ends when nobody asks any more.
What it decodes comes from strangers. So it has nothing that is worth having, may not take much memory or time, and may
be killed at any moment: nobody but who asked notices.
"""

from __future__ import annotations

import os
import resource
import sys
from fractions import Fraction
from typing import BinaryIO, cast

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation

from rillcast.contracts.messages.previews import LONGEST_SIDE, MOST_PICTURE_BYTES, NoPreview
from services.transcoder.adapters.pyav_codecs import DECODERS, TIME_BASE
from services.transcoder.domain import picture_words as words
from services.transcoder.domain.depacketizer import MAX_FRAME_BYTES

MOST_PIXELS = 8192 * 4320
MOST_MEMORY = 1 << 30
"""Bytes of what it has taken for itself: a picture of `MOST_PIXELS` in 10 bits is 106 MB, and decoders keep some."""
MOST_CPU_S = 4
"""For one picture, for the case that whoever asks is gone and can't kill it."""
QUALITIES = (4, 8, 16, 31)
"""Of FFmpeg, 2 is best. The next one is taken when a picture is too large."""


def main() -> None:
    """Answer until the input ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    av.logging.set_level(av.logging.PANIC)
    _say(sink, words.READY)
    while len(head := source.read(words.QUESTION.size)) == words.QUESTION.size:
        codec, size = words.asked(head)
        if size > MAX_FRAME_BYTES or len(keyframe := source.read(size)) < size:
            return
        used_s = int(sum(os.times()[:2])) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (used_s + MOST_CPU_S, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        _say(sink, words.answer(picture_of(codec, keyframe)))


def picture_of(codec: str, keyframe: bytes) -> words.Made:
    """A small picture of a keyframe."""
    try:
        frame = _decoded(codec, keyframe)
        if frame is None or frame.is_corrupt:
            return words.Made(why=NoPreview.UNDECODABLE)
        if frame.width * frame.height > MOST_PIXELS:
            return words.Made(why=NoPreview.TOO_LARGE)
        small = _scaled(frame)
        for quality in QUALITIES:
            if len(picture := _jpeg(small, quality)) <= MOST_PICTURE_BYTES:
                return words.Made(picture, small.width, small.height)
    except (av.error.FFmpegError, ValueError, KeyError):
        return words.Made(why=NoPreview.UNDECODABLE)
    except MemoryError:
        pass
    return words.Made(why=NoPreview.TOO_LARGE)


def _decoded(codec: str, keyframe: bytes) -> VideoFrame | None:
    """The last picture that comes of it: a spatial layer is the larger, the later it comes."""
    context = cast(VideoCodecContext, av.CodecContext.create(DECODERS[codec], "r"))
    context.thread_count = 1
    context.flags |= Flags.low_delay
    context.options = {"max_pixels": str(MOST_PIXELS)}
    packet = av.Packet(keyframe)
    packet.pts = packet.dts = 0
    packet.time_base = TIME_BASE
    frames = [*context.decode(packet), *context.decode(None)]
    return frames[-1] if frames else None


def _scaled(frame: VideoFrame) -> VideoFrame:
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    return frame.reformat(
        width,
        height,
        "yuvj420p",
        interpolation=Interpolation.AREA,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )


def _jpeg(frame: VideoFrame, quality: int) -> bytes:
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuvj420p"
    context.time_base = Fraction(1, 1)
    context.thread_count = 1
    context.qmin = context.qmax = quality
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def _say(sink: BinaryIO, data: bytes) -> None:
    sink.write(data)
    sink.flush()


if __name__ == "__main__":
    main()
