"""A moving picture for aiortc to publish."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import av
import numpy as np
from aiortc import MediaStreamTrack

FRAMES_PER_SECOND = 20
CLOCK_RATE = 90_000


class MovingPicture(MediaStreamTrack):
    """160×120 at 20 frames/s, every frame another grey."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(1 / FRAMES_PER_SECOND)
        self._count += 1
        picture = np.full((120, 160, 3), (self._count * 8) % 256, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self._count * CLOCK_RATE // FRAMES_PER_SECOND, Fraction(1, CLOCK_RATE)
        return frame
