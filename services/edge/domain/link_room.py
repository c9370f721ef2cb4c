"""How much one viewer's link was seen to carry, and how fast a video may be sent because of that. No I/O, no clock."""

from __future__ import annotations

from services.edge.domain.congestion_control import Congestion
from services.edge.domain.options import Option

SURE_SHARE = 0.8
"""The share of what a link was seen to carry that it carries in any case."""
PACED_BELOW = 2.5
"""A link that takes more than so many times what is sent gets keyframes at once."""
PACE_SHARE = 0.95
"""The share of what a link takes beside the sound that a video is sent at most."""
LEAST_PACE = 2.0
"""A video that fits is never sent slower than so many times its mean."""
LEAST_PACE_BPS = 30_000
"""A video that does not fit is never sent slower than this."""
STARVES_S, STARVES_MOST_S = 5.0, 60.0
"""How long a video that does not fit is sent as slowly as it has to be; twice as long each time that it turns out not
to fit."""
STARVED_LATELY_S = 120.0


class LinkRoom:
    """Everything in bit/s; 0 = unknown."""

    def __init__(self) -> None:
        self.seen_bps = 0
        """What was seen last."""
        self._width_bps = 0
        """The same, but for what a short pulse has seemed to show: it may be far less in truth."""
        self._starves_until = 0.0
        self._starved_times = 0

    @property
    def sure_bps(self) -> int:
        """What the link carries in any case."""
        return int(self.seen_bps * SURE_SHARE)

    def path_measured(self, bps: int) -> None:
        """Before any media was sent."""
        self.seen_bps = self._width_bps = bps

    def congested(self, congestion: Congestion, least_bps: int, now: float) -> None:
        """The link is full. `least_bps`: what the lowest rendition needs; only much loss shows that it does not fit."""
        self.seen_bps = congestion.room_bps
        starves = congestion.overflows or now < self._starves_until
        self._width_bps = max(congestion.room_bps, 0 if starves else least_bps)
        if self._width_bps < least_bps and now >= self._starves_until:
            self._starved_times = self._starved_times + 1 if now - self._starves_until < STARVED_LATELY_S else 1
            self._starves_until = now + min(STARVES_MOST_S, STARVES_S * 2.0 ** (self._starved_times - 1))

    def proven(self, bps: int) -> None:
        """A probe has shown that so much fits."""
        self.seen_bps = bps
        self._width_bps = max(self._width_bps, bps)

    def fell_short(self, bps: int) -> None:
        """A probe has failed, and shown about what fits."""
        self.seen_bps = bps
        self._width_bps = max(self._width_bps, bps) if self._width_bps else 0

    def pace_bps(self, option: Option, other_bps: int, now: float) -> int:
        """How fast a rendition may be sent at most, so that its keyframes fit a link that takes little more than it;
        0 = as fast as it comes. `other_bps`: what is sent besides."""
        needs_bps = option.bitrate_bps + other_bps
        if not option.bitrate_bps or not self._width_bps or self._width_bps >= needs_bps * PACED_BELOW:
            return 0
        fits = self._width_bps >= needs_bps or now >= self._starves_until
        least_bps = int(option.bitrate_bps * LEAST_PACE) if fits else LEAST_PACE_BPS
        return max(least_bps, int(self._width_bps * PACE_SHARE) - other_bps)
