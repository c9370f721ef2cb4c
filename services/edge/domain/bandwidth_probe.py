"""A bandwidth probe: one try whether a viewer's link carries what a larger rendition needs. No I/O, no clock.

It is a few pulses, in which padding beside the media makes the rate that is wanted. The plane tells how much longer the
round trip was after each: what the pulse left in the link's queue, which gives the rate of the link. The first pulse is
so short that a link which carries no more than is known by then gets a queue of some hundredths of a second. What it
proves allows a longer one, which tells more, until one has lasted as long as it takes to be sure. So a try in vain is
hardly noticed, and may come often.

REMB alone cannot show that much more fits: it stays near what arrives, and rises by some percent a second.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from rillcast.contracts.records import AbrSettings
from rillcast.media.protocol import Probed
from services.edge.domain.congestion_control import CongestionDetector, LinkFigures

FIRST_QUEUE_MS, QUEUE_MS = 50.0, 100.0
"""The queue that the first pulse, and a later one, may leave on a link that carries no more than is known."""
FULL_MS = 500
"""A pulse that has lasted so long is proof. It is half the time in which a stream's rate is that of its mean."""
LEAST_BITS = 3 * 1_200 * 8
"""A pulse of fewer packets tells nothing."""
SCATTER_MS = 10.0
"""How far off the rate that a pulse has shown may be, in time."""
MOST_PULSES = 6
JITTER_SHARE = 2.0
"""A pulse has to leave so many times the queue that jitter could pass for."""


class ProbeOrder(msgspec.Struct, frozen=True):
    """A pulse to send now."""

    bitrate_bps: int
    """Media and padding together."""
    duration_ms: int


class Verdict(Enum):
    """What a try has shown."""

    OPEN = "open"
    """The next pulse is to be ordered."""
    FITS = "fits"
    FAILED = "failed"


class BandwidthProbe:
    """Order a pulse, and judge its result, until there is a verdict."""

    def __init__(self, wanted_bps: int, carries_bps: int, link: LinkFigures, settings: AbrSettings) -> None:
        """`wanted_bps`: all that has to fit, the margin included. `carries_bps`: what the link is known to carry, at
        least what is sent now."""
        self.wanted_bps = wanted_bps
        self.room_bps = max(carries_bps, link.sent_bps, 1)
        """What the link carries, as far as is known: at least while the verdict is open, about after a failure."""
        self.sent_bits = 0
        """Padding of all pulses."""
        self._settings = settings
        self._estimate_bps = link.estimate_bps
        self._pulses = 0
        self.longest_ms = 0.0
        """How long the longest pulse has lasted."""

    def order(self, link: LinkFigures) -> ProbeOrder:
        """The next pulse to send, as long as is safe after what the earlier ones have shown."""
        queue_ms = QUEUE_MS if self._pulses else FIRST_QUEUE_MS
        queue_ms = max(queue_ms, JITTER_SHARE * self._slack_ms(link))
        excess_bps = max(self.wanted_bps - self.room_bps, self.wanted_bps * 0.05)
        longest_ms = queue_ms * self.room_bps / excess_bps
        least_ms = LEAST_BITS * 1_000 / excess_bps
        self._pulses += 1
        return ProbeOrder(self.wanted_bps, round(min(FULL_MS, max(longest_ms, least_ms))))

    def judge(self, pulse: Probed, link: LinkFigures, trend: CongestionDetector) -> Verdict:
        """The verdict after one more pulse."""
        self.sent_bits += pulse.padding_bytes * 8
        self.longest_ms = max(self.longest_ms, pulse.lasted_ms)
        bits = (pulse.padding_bytes + pulse.media_bytes) * 8
        if not bits:
            return Verdict.FAILED
        if not self._settings.stats_based_abr_enabled:
            fell = link.estimate_bps < self._estimate_bps * 0.95
            return Verdict.FAILED if fell else self._passed(pulse, self.wanted_bps)
        if self._loses(pulse, trend):
            return Verdict.FAILED
        grown_ms = pulse.after_ms - pulse.before_ms
        carried_bps = int(bits * 1_000 / max(1.0, pulse.lasted_ms + grown_ms))
        if grown_ms > self._slack_ms(link) and carried_bps < self.wanted_bps:
            self.room_bps = carried_bps
            return Verdict.FAILED
        return self._passed(pulse, int(bits * 1_000 / (pulse.lasted_ms + max(0.0, grown_ms) + SCATTER_MS)))

    def _passed(self, pulse: Probed, carries_bps: int) -> Verdict:
        if pulse.lasted_ms >= FULL_MS * 0.9:
            return Verdict.FITS
        self.room_bps = max(carries_bps, self.room_bps)
        return Verdict.OPEN if self._pulses < MOST_PULSES else Verdict.FAILED

    def _loses(self, pulse: Probed, trend: CongestionDetector) -> bool:
        """Whether checks got lost that had to pass with the padding."""
        lost = pulse.checks - pulse.answered
        usual = self._settings.packet_loss_diff_threshold_for_switchback + trend.own_loss * 3
        gone = not pulse.before_ms or not pulse.after_ms
        return gone or (lost > 2 and lost * 100 > pulse.checks * usual)

    def _slack_ms(self, link: LinkFigures) -> float:
        """A round trip that is longer by no more than this is scatter."""
        most = self._settings.rtt_measurement_diff_threshold_for_switchback
        return most * 0.75 + min(most, link.jitter_ms / 2)


LOSS_FACTOR = 1.3
"""To find out why packets get lost, so many times what is sent is sent for a while."""
MORE_LOST = 15.0
"""If more checks than this get lost meanwhile, in percent, and three times as many as media does, the rate is the
cause."""


def loss_order(sent_bps: int) -> ProbeOrder:
    """The pulse that tells why packets get lost."""
    return ProbeOrder(int(sent_bps * LOSS_FACTOR), FULL_MS)


def more_is_lost(pulse: Probed, trend: CongestionDetector) -> bool:
    """Whether the link has lost more while more was sent, or its queue was full."""
    lost = (pulse.checks - pulse.answered) * 100
    return lost > pulse.checks * max(MORE_LOST, 3 * min(trend.loss, MORE_LOST)) or not pulse.after_ms
