"""Which encoder makes a codec's rungs on this machine: hardware that really works here, else software.

Having a driver says little: cards are busy, forbidden in the container, or too old. So each kind encodes a picture
before it is chosen.
"""

from __future__ import annotations

from collections.abc import Callable

import av
from av.video.frame import VideoFrame

from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.adapters.pyav_codecs import Encoder
from services.transcoder.domain.encoders import KINDS, EncoderKind, software, starts_a_stream

log = get_logger(__name__)

TRIAL_SIZE = (640, 360)
TRIAL_BITRATE_BPS = 500_000
UNUSABLE = (av.error.FFmpegError, ValueError, NotImplementedError, RuntimeError)
"""What FFmpeg and PyAV raise about encoders that aren't built in, lack their device or don't like their settings."""

OpenEncoder = Callable[[EncoderKind, int, int, int, str], Encoder]
"""From kind, width, height, bit rate and preset. Raises one of `UNUSABLE`."""


class EncoderChoice:
    """For one node. `decide` comes first, once; `open` is for any thread."""

    def __init__(self, preset: str, *, hardware: bool, open_encoder: OpenEncoder = Encoder) -> None:
        self._preset = preset
        self._hardware = hardware
        self._open = open_encoder
        self._chosen: dict[str, EncoderKind] = {}

    def decide(self) -> dict[str, str]:
        """Try the encoders out; names by codec. Takes seconds where there are devices to wake: not on the loop."""
        for kind in KINDS:
            if kind.codec not in self._chosen and (not kind.hardware or (self._hardware and self._works(kind))):
                self._chosen[kind.codec] = kind
        return {codec: kind.name for codec, kind in self._chosen.items()}

    def open(self, codec: str, width: int, height: int, bitrate_bps: int, *, safe: bool = False) -> Encoder:
        """An encoder for a rung; by software if the hardware has no room for one more, or if `safe`.
        Raises one of `UNUSABLE`."""
        kind = self._chosen.get(codec)
        if kind is not None and kind.hardware and not safe:
            try:
                return self._opened(kind, width, height, bitrate_bps)
            except UNUSABLE as error:
                metrics.ENCODERS_OPENED.labels(kind.name, "failed").inc()
                log.warning("A hardware encoder takes no more", encoder=kind.name, reason=str(error))
        return self._opened(software(codec), width, height, bitrate_bps)

    def _opened(self, kind: EncoderKind, width: int, height: int, bitrate_bps: int) -> Encoder:
        encoder = self._open(kind, width, height, bitrate_bps, self._preset)
        metrics.ENCODERS_OPENED.labels(kind.name, "ok").inc()
        return encoder

    def _works(self, kind: EncoderKind) -> bool:
        width, height = TRIAL_SIZE
        try:
            encoder = self._open(kind, width, height, TRIAL_BITRATE_BPS, self._preset)
            first = encoder.encode(_grey(width, height), 0, keyframe=True)
        except UNUSABLE as error:
            log.info("No use for a hardware encoder here", encoder=kind.name, reason=str(error))
            return False
        if not first or not starts_a_stream(kind.codec, bytes(first[0])):
            log.warning("A hardware encoder answers too late or without parameter sets", encoder=kind.name)
            return False
        return True


def _grey(width: int, height: int) -> VideoFrame:
    frame = VideoFrame(width, height, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    return frame
