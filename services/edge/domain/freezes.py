"""When the picture of a viewer most likely stands still, by what an edge sees of it. No client is asked: those that can
report what they show."""

from __future__ import annotations

from enum import StrEnum

from rillcast.media.protocol import SessionStats

LATE_MS = 500.0
"""The newest packet of a viewer is older than that: more than its jitter buffer makes up for without a pause."""
SLOW_FRAMES_MS = 400
"""Where pictures are so far apart, half a second without one is no freeze."""


class Freeze(StrEnum):
    """What speaks for it."""

    UNDECODABLE = "undecodable"
    """It asked for a keyframe while it was shown something: what came since then was of no use to it."""
    LATE = "late"
    """What it has became old."""
    SILENT = "silent"
    """No packet of its video came in here."""


def freeze(before: SessionStats | None, after: SessionStats) -> Freeze | None:
    """What a second's figures of a viewer show that the ones before did not. `before`: None in its first second, in
    which a keyframe is asked for anyhow."""
    if before is None or not before.packets_sent:
        return None
    if after.keyframe_requests > before.keyframe_requests:
        return Freeze.UNDECODABLE
    return Freeze.LATE if after.lag_ms > LATE_MS >= before.lag_ms else None


def silent_freezes(viewers: int, frame_interval_ms: int) -> int:
    """How many of the viewers of a video see a still picture when it has been silent for half a second."""
    return viewers if frame_interval_ms < SLOW_FRAMES_MS else 0
