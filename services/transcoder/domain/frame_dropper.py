"""Which pictures are encoded when frames come faster than they are done. No I/O.

Every frame is decoded, because the next one refers to it. A picture that is left out saves its scaling and encoding,
which are most of the cost, and brings the ladder back to the present. So a machine that was busy for a moment, or
always is, shows fewer pictures but none late. Without this, a machine that just keeps up would stay behind by whatever
its queue has ever held.
"""

from __future__ import annotations

from collections.abc import Callable

CREDIT = 3.0
"""So many pictures may be encoded although the next frame waits already, because frames sometimes arrive in pairs."""
EARNED = 0.1
"""Credit that a picture in time earns. A machine too slow for all pictures has none left and makes the newest only."""
STILL_S = 0.5
"""A picture is shown at least so often, however far behind the machine is: decoding alone may take long to catch up."""


class FrameDropper:
    """Decides for each picture of a job whether the machine has time to encode it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._credit = CREDIT
        self._encoded_at = clock()

    def encode(self, waiting: int) -> bool:
        """Whether to encode the frame whose turn it is. Call once per frame, with the number of newer ones waiting."""
        now = self._clock()
        if waiting == 0:
            self._credit = min(CREDIT, self._credit + EARNED)
        elif waiting == 1 and self._credit >= 1:
            self._credit -= 1
        elif now - self._encoded_at < STILL_S:
            return False
        self._encoded_at = now
        return True
