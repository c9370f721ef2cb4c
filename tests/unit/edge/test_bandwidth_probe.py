"""One try of a link: what is sent in which step, and what ends it."""

from __future__ import annotations

import msgspec

from rillcast.contracts.records import AbrSettings
from services.edge.domain.bandwidth_probe import DRIFT, LEAST_SHARE, STEP_S, STEPS, STOP, BandwidthProbe, Verdict
from services.edge.domain.congestion_control import CongestionDetector, LinkFigures

SENT_BPS, WANTED_BPS = 600_000, 2_000_000
QUIET = LinkFigures(estimate_bps=900_000, fraction_lost=0.0, sent_bps=SENT_BPS, rtt_ms=30.0)


class Try:
    """A probe on a link whose figures the test says."""

    def __init__(self, *, wanted_bps: int = WANTED_BPS, settings: AbrSettings | None = None) -> None:
        used = settings or AbrSettings()
        self.now = 0.0
        self.trend = CongestionDetector(used)
        for _ in range(5):
            self._observe(QUIET)
        self.probe = BandwidthProbe(wanted_bps, QUIET, self.trend, used, self.now)

    def judge(self, after_s: float = STEP_S, **changes: float) -> tuple[Verdict, int | None]:
        """The verdict at figures that differ from quiet ones, and the bit rate ordered."""
        self.now += after_s
        link = msgspec.structs.replace(QUIET, **changes)
        self.trend.observe(link, SENT_BPS, self.now)
        verdict, order = self.probe.judge(link, self.trend, self.now)
        return verdict, None if order is None else order.bitrate_bps

    def _observe(self, link: LinkFigures) -> None:
        self.now += 1.0
        self.trend.observe(link, SENT_BPS, self.now)


def test_padding_grows_step_by_step_up_to_more_than_what_is_missing() -> None:
    attempt = Try()
    missing = WANTED_BPS - SENT_BPS
    ordered = [attempt.probe.order().bitrate_bps]

    verdicts = [attempt.judge() for _ in STEPS]

    ordered += [rate for verdict, rate in verdicts if verdict is Verdict.OPEN and rate is not None]
    assert ordered == [int(missing * share) for share in STEPS]
    assert verdicts[-1] == (Verdict.FITS, STOP.bitrate_bps)
    assert attempt.probe.tried_bps == int(WANTED_BPS * DRIFT)


def test_figures_within_a_step_change_nothing() -> None:
    attempt = Try()

    assert attempt.judge(0.2) == attempt.judge(0.2) == (Verdict.OPEN, None)


def test_a_rendition_that_needs_hardly_more_is_tried_all_the_same() -> None:
    attempt = Try(wanted_bps=SENT_BPS)

    assert attempt.probe.order().bitrate_bps == int(SENT_BPS * LEAST_SHARE * STEPS[0])


def test_a_falling_estimate_ends_the_try() -> None:
    assert Try().judge(0.2, estimate_bps=700_000) == (Verdict.FAILED, 0)


def test_a_longer_round_trip_ends_the_try() -> None:
    assert Try().judge(0.2, rtt_ms=30.0 + 90.0) == (Verdict.FAILED, 0)


def test_a_hiccup_of_the_round_trip_is_forgiven_while_the_estimate_rises() -> None:
    assert Try().judge(0.2, rtt_ms=30.0 + 60.0, estimate_bps=950_000) == (Verdict.OPEN, None)


def test_loss_ends_the_try() -> None:
    assert Try().judge(0.2, fraction_lost=0.15) == (Verdict.FAILED, 0)


def test_without_statistics_only_the_estimate_counts() -> None:
    estimate_only = AbrSettings(stats_based_abr_enabled=False)

    assert Try(settings=estimate_only).judge(0.2, fraction_lost=0.15, rtt_ms=500.0) == (Verdict.OPEN, None)
    assert Try(settings=estimate_only).judge(0.2, estimate_bps=700_000) == (Verdict.FAILED, 0)
