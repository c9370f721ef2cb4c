"""The frames of a rendition in virtual time: a keyframe every two seconds, and sizes that scatter."""

from __future__ import annotations

import random
from collections.abc import Sequence

from link_model import PACKET

from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.options import Option

FRAMES_PER_S, GOP_S, KEYFRAME_SHARE = 30, 2, 5.0
LAYER_PATTERN, LAYER_SHARES = (0, 2, 1, 2), (0.4, 0.6, 1.0)
LAYER_WEIGHTS = (1.6, 0.8, 0.8)
"""Frames of each temporal layer in frames of one."""


def is_key(number: int) -> bool:
    """Whether this frame is a keyframe without being asked for."""
    return number % (FRAMES_PER_S * GOP_S) == 0


def frame_sizes(
    number: int, current: Option, options: Sequence[Option], scatter: random.Random, *, key: bool
) -> list[int]:
    """The packets of a frame, in bytes; none if its temporal layer is left out. `key`: a keyframe was asked for."""
    key = key or is_key(number)
    whole = next(o for o in options if o.track == current.track and o.layers == ALL_LAYERS)
    usual = whole.bitrate_bps / 8 / FRAMES_PER_S
    if len(options) > len({option.track for option in options}):
        layer = LAYER_PATTERN[number % len(LAYER_PATTERN)]
        if layer > current.layers and not key:
            return []
        usual *= LAYER_WEIGHTS[layer]
    per_gop = FRAMES_PER_S * GOP_S
    size = usual * per_gop / (per_gop - 1 + KEYFRAME_SHARE) * (KEYFRAME_SHARE if key else 1)
    size *= scatter.uniform(0.8, 1.2)
    return [PACKET] * int(size // PACKET) + [max(60, int(size % PACKET))]
