"""Congestion control of one viewer's link, as seen by the sender: is the link congested, is it quiet, or does it just
lose packets? No I/O, no clock.

The estimate is the receiver's REMB (draft-alvestrand-rmcat-remb), which libwebrtc makes by delay-based congestion
control (GCC, draft-ietf-rmcat-gcc). It is about 85 % of what arrives when queues grow, and rises by some percent a
second to at most 1.5 times what arrives. So a fall tells at once that a link is full, while a low value that does not
fall tells nothing: not enough was sent for it to know better.

Loss counts until sending more has been seen not to make it worse. Then it is the link's own (Wi-Fi, radio), and only
what comes on top of it counts.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from rillcast.contracts.records import AbrSettings

FELL = 0.95
"""An estimate below this share of the one before fell. The smallest step of libwebrtc is 15 %."""
SHORT = 0.95
"""An estimate below this share of what is needed is too low."""
VERY_SHORT = 0.8
"""An estimate below this share of what is needed is too low without a second sign."""
FAR_SHORT, FALLS_S = 0.6, 0.5
"""If so little of what is needed comes through while a queue grows, and the estimate fell not longer ago than this, it
is more than the queue of a keyframe."""
STANDS_STILL = 0.1
"""If less than this share of what is needed comes through, the link stands still for a moment, as wireless ones do. If
it does so for longer, estimate and loss tell."""
SERIES_S = 1.5
"""Falls this close are one series. The second fall says that even less arrives, which a mere hiccup never does."""
FRESH_S = 0.5
"""For so long after the first fall of a series an estimate is a mean of before and after."""
FAR_LESS = 0.68
"""An estimate below this share of the video that was sent: at most 80 % of it has arrived, of which an estimate is
85 %."""
TELLING = 0.75
"""An estimate that was less than this share of what was sent says nothing by its fall: it follows what is sent only by
some percent a second."""
ESTIMATE_SPAN_S = 1.0
"""The time over which libwebrtc counts what arrives."""
SECOND_SIGN_S = 3.0
"""How long a fall waits for a second sign: loss, or a longer round trip."""
RTT_GREW_MS, RTT_GREW_SHARE = 50.0, 0.25
"""A round trip that is longer than the shortest by this much and by this share, and beyond its scatter, means a
queue."""
LAG_GREW_MS = 100.0
"""A newest packet that is older than usual by this much waited in a queue. It comes with each estimate and is no
mean."""
QUEUE_LASTS_S = 0.4
"""The queue of a keyframe is shorter than this. Only a longer one is a sign."""
LOSS_MEMORY_S = 2.0
"""The time constant of the mean loss: one lost audio packet is 2 % of a second's packets."""
MUCH_LOSS = 20.0
"""The percentage of a second at which no other sign is needed."""
LOSS_LASTS_S = 0.9
"""Loss that is over before is not looked into."""
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
    delivered_bps: int = 0
    """The video that reached the viewer between its last report and an earlier one; 0 = there is no telling."""
    backlogged: bool = False
    """Whether all of that waited in a queue."""


class Congestion(msgspec.Struct, frozen=True):
    """More is sent than the link takes."""

    room_bps: int
    """What it seems to take."""
    fresh: bool = False
    """The room is partly that of before; there may be much less."""
    overflows: bool = False
    """Much of what is sent gets lost, the sound as well."""


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
        self.lags = False
        """Whether the newest packet shows a queue."""
        self.sent_bps = 0.0
        """The mean of the last second, which is what an estimate is made of."""
        self._last: deque[tuple[float, int, float]] = deque()
        """(seconds, bit/s sent, percent lost) of the last figures, a second's at least."""
        self._at: float | None = None
        self._estimate_bps = 0
        self._fell_at = self._series_at = self._last_fall_at = -math.inf
        self._falls_alone = 0
        """Falls in a row with which no report came, so that there is no telling whether there is a queue."""
        self._told_at = -math.inf
        """When the estimate fell last from where it told something."""
        self._queue_since: float | None = None
        self._shortest_rtt_ms = self._shortest_lag_ms = 0.0
        self._lossy_since: float | None = None
        self._much_loss = 0.0
        """The loss of the last second, in percent."""

    def forgive(self) -> None:
        """The last fall of the estimate was of our own making."""
        self._fell_at = self._last_fall_at = self._told_at = -math.inf

    def forget_estimate(self) -> None:
        """Judge the next estimate as if it were the first."""
        self._estimate_bps = 0

    def forget_loss(self, percent: float) -> None:
        """What got lost meanwhile had a cause that is gone; before, it was so much."""
        self.loss = percent
        self._much_loss = 0.0
        self._lossy_since = None

    def observe(self, link: LinkFigures, needs_bps: int, now: float) -> Congestion | None:
        """Take figures in. `needs_bps`: what all that is chosen needs."""
        before_bps, self._estimate_bps = self._estimate_bps, link.estimate_bps
        queue = self._take_rtt(link.rtt_ms)
        self.lags = self._take_lag(link.lag_ms)
        self._queue_since = (self._queue_since if self._queue_since is not None else now) if queue else None
        passed = min(LOSS_MEMORY_S, now - self._at) if self._at is not None else 1.0
        self._at = now
        self._take_second(link.sent_bps, link.fraction_lost * 100, passed)
        self._take_loss(link.fraction_lost * 100, passed)
        self.fell = 0 < link.estimate_bps < before_bps * FELL
        if self.fell:
            self._series_at = now if now - self._last_fall_at > SERIES_S else self._series_at
            self._last_fall_at = now
            self._falls_alone += 1
        if link.lag_ms > 0:
            self._falls_alone = 0
        short = self._short(link, before_bps, needs_bps, now)
        if short is not None or not self._settings.stats_based_abr_enabled:
            return short
        return self._judge_loss()

    def is_quiet(self, link: LinkFigures) -> bool:
        """Whether queue, loss, round trip and jitter allow going up."""
        settings = self._settings
        if not settings.stats_based_abr_enabled:
            return True
        return (
            not self.lags
            and self.loss <= settings.abr_up_scale_packet_lost_ratio + self.own_loss * 1.5
            and link.rtt_ms < settings.abr_up_scale_rtt_ms
            and link.jitter_ms < settings.abr_up_scale_jitter_ms
        )

    def _short(self, link: LinkFigures, before_bps: int, needs_bps: int, now: float) -> Congestion | None:
        """What queue and estimate say, apart from loss."""
        low = link.estimate_bps < needs_bps * SHORT
        if link.backlogged and self._settings.stats_based_abr_enabled:
            # A receiver that is late for want of its processor sees no queue, and its estimate stays. Of a source that
            # stands still for a moment, no more can arrive than is sent.
            room_bps = link.delivered_bps + link.other_bps
            too_little = needs_bps * STANDS_STILL < room_bps < min(needs_bps, link.sent_bps) * SHORT
            return Congestion(room_bps) if low and too_little else None
        if not link.estimate_bps or not low:
            return None
        if self._falls_behind(link, needs_bps, now):
            return Congestion(link.delivered_bps + link.other_bps)
        short = self._arrives_less(link, before_bps, needs_bps, now)
        return self._short_by_round_trip(link, now) if short is None and not self._shortest_lag_ms else short

    def _arrives_less(self, link: LinkFigures, before_bps: int, needs_bps: int, now: float) -> Congestion | None:
        """What a low estimate says, compared with what was sent."""
        video_bps = self.sent_bps - link.other_bps
        if self.fell and before_bps >= video_bps * TELLING:
            self._told_at = now
        fell = self.fell or (self.lags and now - self._last_fall_at <= FALLS_S)
        tells = before_bps == 0 or (fell and now - self._told_at <= SERIES_S)
        arrives_less = tells and link.estimate_bps < video_bps * FAR_LESS
        says_nothing = not self._shortest_lag_ms or not self._settings.stats_based_abr_enabled
        says_nothing = says_nothing or self._falls_alone > 1
        waits = self.lags or link.fraction_lost > 0 or says_nothing
        if arrives_less and waits and link.estimate_bps < needs_bps * VERY_SHORT:
            # An estimate is made of a second, of which most may have been before.
            known = self.lags and link.delivered_bps > 0
            passes_bps = link.delivered_bps + link.other_bps
            if known and passes_bps >= needs_bps * SHORT:
                return None
            room_bps = min(link.estimate_bps, passes_bps) if known else link.estimate_bps
            return Congestion(room_bps, not known and now - self._series_at < FRESH_S)
        return None

    def _short_by_round_trip(self, link: LinkFigures, now: float) -> Congestion | None:
        """What a fall of the estimate says if nothing but the round trip of sender reports tells of queues."""
        if self.fell:
            self._fell_at = now
        elif now - self._fell_at > SECOND_SIGN_S:
            return None
        lasts = self._queue_since is not None and now - self._queue_since >= QUEUE_LASTS_S
        if lasts or (link.fraction_lost > 0 and self.loss > self._loss_limit):
            return Congestion(link.estimate_bps, now - self._series_at < FRESH_S)
        return None

    def _falls_behind(self, link: LinkFigures, needs_bps: int, now: float) -> bool:
        """Whether the estimate fell just now, and far too little comes through a queue that grows."""
        falls = now - self._last_fall_at <= FALLS_S and self._settings.stats_based_abr_enabled
        room_bps = link.delivered_bps + link.other_bps
        far_short = needs_bps * STANDS_STILL < room_bps < min(needs_bps * FAR_SHORT, link.sent_bps * SHORT)
        return falls and self.lags and far_short and link.delivered_bps > 0

    @property
    def _loss_limit(self) -> float:
        return self._settings.abr_down_scale_packet_lost_ratio + self.own_loss * 2

    def _judge_loss(self) -> Congestion | None:
        """Much loss is believed at once. A little that lasts makes it a suspicion: see `lossy`."""
        if self._much_loss > max(MUCH_LOSS, self.own_loss * 3):
            return Congestion(int(self.sent_bps * (1 - self._much_loss / 100)), overflows=True)
        if self.loss <= self._loss_limit:
            self._lossy_since = None
        elif self._lossy_since is None:
            self._lossy_since = self._at
        return None

    @property
    def lossy(self) -> bool:
        """Whether the link loses so much for so long that it has to be found out why."""
        return (
            self._lossy_since is not None
            and self._at is not None
            and self._at - self._lossy_since >= LOSS_LASTS_S
            and self._settings.stats_based_abr_enabled
        )

    def loss_is_its_own(self) -> None:
        """What gets lost now would get lost however little was sent."""
        self.own_loss = min(self.loss, MOST_OWN_LOSS)
        self._lossy_since = None

    def _take_second(self, sent_bps: int, percent: float, passed: float) -> None:
        self._last.append((passed, sent_bps, percent))
        while len(self._last) > 1 and sum(seconds for seconds, *_ in self._last) - self._last[0][0] >= ESTIMATE_SPAN_S:
            self._last.popleft()
        bits = lost = left = 0.0
        for seconds, bps, share in reversed(self._last):
            taken = min(seconds, ESTIMATE_SPAN_S - left)
            bits, lost, left = bits + bps * taken, lost + share * taken, left + taken
        self.sent_bps = bits / left if left else float(sent_bps)
        self._much_loss = lost / ESTIMATE_SPAN_S

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
