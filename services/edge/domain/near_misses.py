"""Tries that failed late: the link carries nearly what was wanted, which only long pulses show, and these are not to
come often. No I/O, no clock.

Short ones go on meanwhile, but aim higher. A link that got wider is found out by them at once, and then the long ones
are worth their price.
"""

from __future__ import annotations

from services.edge.domain.bandwidth_probe import BandwidthProbe

LONG_MS = 100.0
NEAR = 0.7
"""A link that carries this share of what was wanted, as a long pulse has shown, is nearly wide enough."""
AIM = 1.4
"""Short pulses aim so many times higher than what was missed."""
CLEARLY = 1.25
"""A short pulse shows a wider link if it carries so many times what was missed."""
SAME = 0.1
"""Rates of renditions are means that change a little."""
FIRST_REST_S, MOST_REST_S = 8.0, 60.0
"""How long nothing is tried with long pulses that was nearly carried; twice as long after each further time."""


class NearMisses:
    """Of one viewer's video, since it last went up or down."""

    def __init__(self) -> None:
        self._wanted_bps = 0
        self._until = 0.0
        self._times = 0

    def failed(self, probe: BandwidthProbe, now: float) -> None:
        """A try has failed."""
        if probe.longest_ms >= LONG_MS and probe.room_bps >= probe.wanted_bps * NEAR:
            self._wanted_bps = probe.wanted_bps
            self._until = now + min(MOST_REST_S, FIRST_REST_S * 2.0**self._times)
            self._times += 1

    def aim_bps(self, wanted_bps: int, now: float) -> int:
        """What to try first if so much is wanted."""
        return max(wanted_bps, int(self._wanted_bps * AIM)) if now < self._until else wanted_bps

    def is_hopeless(self, wanted_bps: int, room_bps: int, now: float) -> bool:
        """Whether it is not worth trying, on a link that seems to carry `room_bps`."""
        same = self._wanted_bps * (1 - SAME) <= wanted_bps <= self._wanted_bps * (1 + SAME)
        return now < self._until and same and room_bps < self._wanted_bps * CLEARLY
