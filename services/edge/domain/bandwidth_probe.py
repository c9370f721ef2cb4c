"""A bandwidth probe: one try of a link, with more and more padding on top of the media, until the link carries what the
next rendition needs or shows that it does not. No I/O, no clock.

REMB alone cannot show that much more fits, as it stays near what arrives. The signs of failure come long before a
picture suffers: a longer round trip, loss, a falling estimate.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from rillcast.contracts.records import AbrSettings
from services.edge.domain.congestion_control import CongestionDetector, LinkFigures

STEPS = (0.4, 0.75, 1.1, 1.1)
"""Shares of the missing bit rate, one after the other. The last one is held longer, because figures lag by a round trip
and a report."""
STEP_S = 0.9
"""How long a step is waited for."""
STEP_LASTS_MS = 1_400
"""How long a step goes on unless the next one replaces it. If figures fail to come it ends by itself."""
DRIFT = 1.25
"""The rates of renditions are recent means; during a try they may have grown by this factor."""
LONG_QUEUE_MS = 80.0
"""As long as the estimate rises, the receiver sees no queue grow: a round trip over the limit by less is a hiccup."""
LEAST_SHARE = 0.1
"""A rendition that momentarily needs hardly more than what is sent is still tried with this share of its rate."""


class ProbeOrder(msgspec.Struct, frozen=True):
    """Padding to send from now on, instead of what was ordered before. Rate 0 ends it."""

    bitrate_bps: int
    duration_ms: int


STOP = ProbeOrder(0, 0)


class Verdict(Enum):
    """What a try has shown."""

    OPEN = "open"
    FITS = "fits"
    FAILED = "failed"


class BandwidthProbe:
    """It begins at some figures. Ask it with all figures that follow."""

    def __init__(
        self, wanted_bps: int, link: LinkFigures, trend: CongestionDetector, settings: AbrSettings, now: float
    ) -> None:
        """`wanted_bps`: all that would be sent after the change that is tried."""
        self.wanted_bps = wanted_bps
        self._missing_bps = max(wanted_bps - link.sent_bps, int(wanted_bps * LEAST_SHARE))
        self._settings = settings
        self._step = 0
        self._step_at = now
        self._rtt_limit_ms = trend.rtt_ms + max(
            settings.rtt_measurement_diff_threshold_for_switchback, 4 * trend.rtt_scatter_ms
        )
        self.loss_before = trend.loss
        self._estimate_before_bps = self._last_estimate_bps = link.estimate_bps

    @property
    def tried_bps(self) -> int:
        """What may be sent after a successful try: the rates of renditions, recent means, have drifted meanwhile."""
        return int(self.wanted_bps * DRIFT)

    def order(self) -> ProbeOrder:
        """What to send in the present step."""
        return ProbeOrder(int(self._missing_bps * STEPS[self._step]), STEP_LASTS_MS)

    def judge(self, link: LinkFigures, trend: CongestionDetector, now: float) -> tuple[Verdict, ProbeOrder | None]:
        """The verdict so far, and what to send from now on if that changes."""
        if self._hurts(link, trend):
            return Verdict.FAILED, STOP
        if now - self._step_at < STEP_S:
            return Verdict.OPEN, None
        self._step_at = now
        self._step += 1
        if self._step == len(STEPS):
            return Verdict.FITS, STOP
        return Verdict.OPEN, self.order()

    def _hurts(self, link: LinkFigures, trend: CongestionDetector) -> bool:
        settings = self._settings
        if trend.fell or link.estimate_bps < self._estimate_before_bps * 0.95:
            return True
        if not settings.stats_based_abr_enabled:
            return False
        more_loss = trend.loss - self.loss_before
        rises, self._last_estimate_bps = link.estimate_bps > self._last_estimate_bps, link.estimate_bps
        queue_ms = link.rtt_ms - self._rtt_limit_ms
        return (
            queue_ms > (LONG_QUEUE_MS if rises else 0.0)
            or more_loss > settings.abr_down_scale_packet_lost_ratio + trend.own_loss
            or link.fraction_lost * 100 > settings.packet_loss_diff_threshold_for_switchback + trend.own_loss * 3
        )
