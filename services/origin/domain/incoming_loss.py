"""How much of what a publisher sends never comes, lately."""

from __future__ import annotations

LEAST_S = 2.0
"""What is lost in a shorter time says little."""
WEIGHT = 0.4
"""Of the newest figure in the average."""


class IncomingLoss:
    """Of one stream, all its tracks together. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self.share = 0.0
        """Of its packets, averaged over some seconds."""
        self._before: tuple[int, int] | None = None
        self._at = 0.0

    def counted(self, packets: int, lost: int, now: float) -> None:
        """So many have come, and so many never came, since the stream began. Call as often as there are figures."""
        if self._before is None:
            self._before, self._at = (packets, lost), now
        elif now - self._at >= LEAST_S:
            came, missed = packets - self._before[0], lost - self._before[1]
            share = missed / (came + missed) if came >= 0 and missed > 0 else 0.0
            self.share += (share - self.share) * WEIGHT
            self._before, self._at = (packets, lost), now
