"""Congestion control of one viewer's link, as seen by the sender: is the link congested, is it quiet, or does it just
lose packets? No I/O, no clock.

The estimate is the receiver's REMB (draft-alvestrand-rmcat-remb), which libwebrtc makes by delay-based congestion
control (GCC, draft-ietf-rmcat-gcc). It is about 85 % of what arrives when queues grow, and rises by some percent a
second to at most 1.5 times what arrives. So a fall tells at once that a link is full, while a low value that does not
fall tells nothing: not enough was sent for it to know better.

Loss counts until sending less has been seen not to cure it. Then it is the link's own (Wi-Fi, radio), and only what
comes on top of it counts.
"""

from __future__ import annotations

import math

import msgspec

from rillcast.contracts.records import AbrSettings

FELL = 0.95
"""An estimate below this share of the one before fell. The smallest step of libwebrtc is 15 %."""
SHORT = 0.95
"""An estimate below this share of what is needed is too low."""
VERY_SHORT = 0.8
"""An estimate below this share of what is needed is too low without a second sign."""
SERIES_S = 1.5
"""Falls this close are one series. The second fall says that even less arrives, which a mere hiccup never does."""
FRESH_S = 0.5
"""For so long after the first fall of a series an estimate is a mean of before and after."""
FAR_LESS = 0.65
"""A fall to below this share of what is sent: much less arrives, however little the estimate was before."""
SECOND_SIGN_S = 3.0
"""How long a fall waits for a second sign: loss, or a longer round trip."""
RTT_GREW_MS, RTT_GREW_SHARE = 50.0, 0.25
"""A round trip that is longer than the shortest by this much and by this share, and beyond its scatter, means a
queue."""
LAG_GREW_MS = 120.0
"""A newest packet that is older than usual by this much waited in a queue. It comes with each estimate and is no
mean."""
STEEP = 0.75
"""An estimate that falls below this share of the one before, while packets wait, means less room and not a hiccup."""
QUEUE_LASTS_S = 0.4
"""The queue of a keyframe is shorter than this. Only a longer one is a sign."""
LOSS_MEMORY_S = 2.0
"""The time constant of the mean loss: one lost audio packet is 2 % of a second's packets."""
MUCH_LOSS = 20.0
"""The percentage of one report at which no other sign is needed."""
LOSS_TEST_S = 6.0
"""How long after going down because of loss it is judged whether that helped."""
UNCURED = 0.6
"""Loss that is still at this share of what it was is the link's own."""
MOST_OWN_LOSS = 10.0
"""The most percent that count as the link's own."""


class LinkFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the viewer's link shows right now."""

    estimate_bps: int
    """0 = the receiver sends none; then only loss counts."""
    fraction_lost: float
    """Of the last receiver report; 0 when none came since the last figures."""
    sent_bps: int
    """The mean of the last second, everything included."""
    other_bps: int = 0
    """The part of `sent_bps` that is audio and other videos."""
    rtt_ms: float = 0.0
    """The round trip to the viewer; 0 while it is not known."""
    jitter_ms: float = 0.0
    lag_ms: float = 0.0
    """Age of the newest packet that the viewer has reported; 0 = it reported nothing since the last figures."""


class Congestion(msgspec.Struct, frozen=True):
    """More is sent than the link takes."""

    room_bps: int
    """What it seems to take; 0 = unknown, just less."""
    fresh: bool = False
    """The room is partly that of before; there may be much less."""


class CongestionDetector:
    """One for each video of a viewer. It is fed with all figures of the link, about once a second."""

    def __init__(self, settings: AbrSettings) -> None:
        self._settings = settings
        self.loss = 0.0
        """The mean loss of the last seconds, in percent."""
        self.own_loss = 0.0
        """What the link loses however little is sent, in percent."""
        self.rtt_ms = 0.0
        """The smoothed round trip; 0 while it is not known."""
        self.rtt_scatter_ms = 0.0
        self.fell = False
        """Whether the estimate fell with the last figures."""
        self.sent_bps = 0.0
        """Mean of about the last second, which is what an estimate is made of."""
        self._at: float | None = None
        self._estimate_bps = 0
        self._fell_at = self._series_at = self._last_fall_at = -math.inf
        self._knew_better_at = -math.inf
        self._queue_since: float | None = None
        self._shortest_rtt_ms = self._shortest_lag_ms = 0.0
        self._lossy_since: float | None = None
        self._tested_loss: tuple[float, float] | None = None
        """The time of going down because of loss, and the percentage that was lost then."""

    def forget_estimate(self) -> None:
        """Judge the next estimate as if it were the first."""
        self._estimate_bps = 0

    def forget_loss(self, percent: float) -> None:
        """What got lost meanwhile had a cause that is gone; before, it was so much."""
        self.loss = percent
        self._lossy_since = None

    def observe(self, link: LinkFigures, needs_bps: int, now: float) -> Congestion | None:
        """Take figures in. `needs_bps`: what all that is chosen needs."""
        before_bps, self._estimate_bps = self._estimate_bps, link.estimate_bps
        queue = self._take_rtt(link.rtt_ms)
        lags = self._take_lag(link.lag_ms)
        self._queue_since = (self._queue_since if self._queue_since is not None else now) if queue else None
        passed = min(LOSS_MEMORY_S, now - self._at) if self._at is not None else 1.0
        self._at = now
        self.sent_bps += (link.sent_bps - self.sent_bps) * (min(passed, 1.0) if self.sent_bps else 1.0)
        self._take_loss(link.fraction_lost * 100, passed)
        self.fell = 0 < link.estimate_bps < before_bps * FELL
        if self.fell:
            self._series_at = now if now - self._last_fall_at > SERIES_S else self._series_at
            self._last_fall_at = now
        if self._estimate_says_short(link, before_bps, needs_bps, now, lags=lags):
            return Congestion(link.estimate_bps, now - self._series_at < FRESH_S)
        return self._judge_loss(link, queue, now) if self._settings.stats_based_abr_enabled else None

    def is_quiet(self, link: LinkFigures) -> bool:
        """Whether loss, round trip and jitter allow going up."""
        settings = self._settings
        if not settings.stats_based_abr_enabled:
            return True
        return (
            self.loss <= settings.abr_up_scale_packet_lost_ratio + self.own_loss * 1.5
            and link.rtt_ms < settings.abr_up_scale_rtt_ms
            and link.jitter_ms < settings.abr_up_scale_jitter_ms
        )

    def _estimate_says_short(
        self, link: LinkFigures, before_bps: int, needs_bps: int, now: float, *, lags: bool
    ) -> bool:
        if not 0 < link.estimate_bps < needs_bps * SHORT:
            return False
        if before_bps == 0 or (self.fell and before_bps >= needs_bps * SHORT):
            self._knew_better_at = now
        knew_better = (self.fell or before_bps == 0) and now - self._knew_better_at <= SERIES_S
        arrives_less = self.fell and link.estimate_bps < self.sent_bps * FAR_LESS
        steep = link.estimate_bps < before_bps * STEEP
        very_short = link.estimate_bps < needs_bps * VERY_SHORT
        if (knew_better or arrives_less) and very_short:
            return True
        if self.fell and lags and (steep or very_short):
            return True
        if self.fell:
            self._fell_at = now
        elif now - self._fell_at > SECOND_SIGN_S:
            return False
        lasts = self._queue_since is not None and now - self._queue_since >= QUEUE_LASTS_S
        return lasts or (link.fraction_lost > 0 and self.loss > self._loss_limit)

    @property
    def _loss_limit(self) -> float:
        return self._settings.abr_down_scale_packet_lost_ratio + self.own_loss * 2

    def _judge_loss(self, link: LinkFigures, queue: bool, now: float) -> Congestion | None:
        percent = link.fraction_lost * 100
        if percent > max(MUCH_LOSS, self.own_loss * 3):
            arrived = int(self.sent_bps * (1 - link.fraction_lost))
            return Congestion(min(arrived, link.estimate_bps or arrived))
        if self.loss <= self._loss_limit:
            self._lossy_since = None
            return None
        self._lossy_since = now if self._lossy_since is None else self._lossy_since
        if percent == 0 or now - self._lossy_since < 0.9:
            return None
        return self._test_loss(queue, now)

    def _test_loss(self, queue: bool, now: float) -> Congestion | None:
        """Going down is a test; what did not help once is not done again."""
        if self._tested_loss is not None:
            tested_at, tested = self._tested_loss
            if now - tested_at < LOSS_TEST_S:
                return None
            self._tested_loss = None
            if self.loss >= tested * UNCURED and not queue:
                self.own_loss = min(self.loss, MOST_OWN_LOSS)
                return None
        self._tested_loss = (now, self.loss)
        return Congestion(0)

    def _take_loss(self, percent: float, passed: float) -> None:
        self.loss += (percent - self.loss) * (1 - math.exp(-passed / LOSS_MEMORY_S))
        if self.loss < self.own_loss:
            self.own_loss += (self.loss - self.own_loss) * 0.05 * passed

    def _take_lag(self, lag_ms: float) -> bool:
        """Whether the newest packet shows a queue."""
        if lag_ms <= 0:
            return False
        usual = self._shortest_lag_ms or lag_ms
        self._shortest_lag_ms = min(lag_ms, usual + (lag_ms - usual) * 0.02)
        return lag_ms > usual + LAG_GREW_MS

    def _take_rtt(self, rtt_ms: float) -> bool:
        """Whether the round trip shows a queue."""
        if rtt_ms <= 0:
            return False
        if not self.rtt_ms:
            self.rtt_ms = self._shortest_rtt_ms = rtt_ms
            self.rtt_scatter_ms = rtt_ms / 4
            return False
        longer = max(RTT_GREW_MS, self._shortest_rtt_ms * RTT_GREW_SHARE, self.rtt_scatter_ms * 4)
        grew = rtt_ms > self._shortest_rtt_ms + longer
        self.rtt_scatter_ms += (min(abs(rtt_ms - self.rtt_ms), longer) - self.rtt_scatter_ms) / 4
        self.rtt_ms += (rtt_ms - self.rtt_ms) / 4
        self._shortest_rtt_ms = min(rtt_ms, self._shortest_rtt_ms + (rtt_ms - self._shortest_rtt_ms) * 0.02)
        return grew
