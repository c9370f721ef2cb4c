"""One try of a link: how long each pulse is, what its result shows, and what ends the try."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts.records import AbrSettings
from rillcast.media.protocol import PlaneSession, Probed
from services.edge.domain.bandwidth_probe import (
    FIRST_QUEUE_MS,
    FULL_MS,
    LEAST_BITS,
    MOST_PULSES,
    BandwidthProbe,
    Verdict,
    loss_order,
    more_is_lost,
)
from services.edge.domain.congestion_control import CongestionDetector, LinkFigures

SENT_BPS, WANTED_BPS = 600_000, 2_000_000
QUIET = LinkFigures(estimate_bps=900_000, fraction_lost=0.0, sent_bps=SENT_BPS, rtt_ms=30.0, jitter_ms=2.0)


def pulse(
    rate_bps: int, lasted_ms: float, link_bps: int, *, checks: int = 20, answered: int = 20, before_ms: float = 40.0
) -> Probed:
    """What the plane tells of a pulse on a link that carries `link_bps`."""
    bits = rate_bps * lasted_ms / 1_000
    queue_ms = max(0.0, bits * 1_000 / link_bps - lasted_ms)
    return Probed(
        session=PlaneSession(1),
        track=0,
        padding_bytes=int(bits / 8 * 0.7),
        media_bytes=int(bits / 8 * 0.3),
        lasted_ms=lasted_ms,
        before_ms=before_ms,
        after_ms=before_ms + queue_ms if answered else 0.0,
        checks=checks,
        answered=answered,
    )


class Try:
    """A probe on a link that carries `link_bps`."""

    def __init__(self, link_bps: int, *, carries_bps: int = 0, settings: AbrSettings | None = None) -> None:
        used = settings or AbrSettings()
        self.link_bps = link_bps
        self.trend = CongestionDetector(used)
        self.probe = BandwidthProbe(WANTED_BPS, carries_bps, QUIET, used)
        self.lasted: list[int] = []

    def step(self, **changes: object) -> Verdict:
        order = self.probe.order(QUIET)
        assert order.bitrate_bps == WANTED_BPS
        self.lasted.append(order.duration_ms)
        result = pulse(order.bitrate_bps, order.duration_ms, self.link_bps)
        return self.probe.judge(msgspec.structs.replace(result, **changes), QUIET, self.trend)

    def run(self) -> Verdict:
        while (verdict := self.step()) is Verdict.OPEN:
            pass
        return verdict


def test_pulses_grow_as_far_as_each_proves_until_one_has_lasted_long_enough() -> None:
    wide = Try(10_000_000)

    assert wide.run() is Verdict.FITS
    assert wide.lasted == sorted(wide.lasted)
    assert wide.lasted[0] < 60
    assert wide.lasted[-1] == FULL_MS
    assert 2 <= len(wide.lasted) <= 4
    assert wide.probe.room_bps >= 1_500_000


@pytest.mark.parametrize("link_bps", [620_000, 800_000, 1_200_000, 1_600_000, 1_800_000])
def test_a_link_that_carries_less_is_found_out_and_how_much_it_carries(link_bps: int) -> None:
    narrow = Try(link_bps)

    assert narrow.run() is Verdict.FAILED
    assert narrow.probe.room_bps == pytest.approx(link_bps, rel=0.1)


@pytest.mark.parametrize("link_bps", [620_000, 800_000, 1_200_000, 1_600_000])
def test_no_pulse_leaves_a_long_queue_on_any_link(link_bps: int) -> None:
    narrow = Try(link_bps)
    narrow.run()

    worst_ms = max(ms * (WANTED_BPS / link_bps - 1) for ms in narrow.lasted)
    assert worst_ms <= 110


def test_the_first_pulse_leaves_a_twentieth_of_a_second_on_a_link_that_carries_what_is_sent() -> None:
    (first,) = [Try(SENT_BPS).probe.order(QUIET)]

    assert first.duration_ms * (WANTED_BPS / SENT_BPS - 1) == pytest.approx(FIRST_QUEUE_MS, abs=4)


def test_a_pulse_has_three_packets_at_least_however_little_is_known() -> None:
    little = msgspec.structs.replace(QUIET, sent_bps=50_000)
    order = BandwidthProbe(WANTED_BPS, 0, little, AbrSettings()).order(little)

    assert order.bitrate_bps * order.duration_ms / 1_000 >= LEAST_BITS


def test_what_is_known_already_makes_the_first_pulse_longer() -> None:
    assert Try(10_000_000, carries_bps=1_500_000).step() is Verdict.OPEN
    known, unknown = Try(10_000_000, carries_bps=1_500_000), Try(10_000_000)
    known.step()
    unknown.step()
    assert known.lasted[0] > 3 * unknown.lasted[0]


def test_jitter_asks_for_longer_pulses_and_is_forgiven() -> None:
    jittery = msgspec.structs.replace(QUIET, jitter_ms=40.0)
    probe = BandwidthProbe(WANTED_BPS, 0, jittery, AbrSettings())
    order = probe.order(jittery)

    assert order.duration_ms > BandwidthProbe(WANTED_BPS, 0, QUIET, AbrSettings()).order(QUIET).duration_ms
    result = msgspec.structs.replace(pulse(WANTED_BPS, order.duration_ms, 10_000_000), after_ms=40.0 + 30.0)
    assert probe.judge(result, jittery, CongestionDetector(AbrSettings())) is Verdict.OPEN


def test_a_queue_that_was_there_before_the_pulse_and_drains_is_no_sign() -> None:
    assert Try(10_000_000).step(before_ms=200.0, after_ms=100.0) is Verdict.OPEN


def test_a_keyframe_in_the_pulse_is_no_sign_if_all_of_it_was_carried_fast_enough() -> None:
    attempt = Try(3_000_000)
    result = pulse(4_000_000, 100, 3_000_000)
    attempt.probe.order(QUIET)

    assert attempt.probe.judge(result, QUIET, attempt.trend) is not Verdict.FAILED


@pytest.mark.parametrize(
    "lost", [{"answered": 10}, {"answered": 3, "before_ms": 0.0}, {"answered": 0, "before_ms": 0.0, "after_ms": 0.0}]
)
def test_checks_that_get_lost_end_the_try(lost: dict[str, object]) -> None:
    assert Try(10_000_000).step(**lost) is Verdict.FAILED


def test_a_few_lost_checks_do_not() -> None:
    assert Try(10_000_000).step(answered=18) is Verdict.OPEN


def test_a_pulse_for_which_there_was_nothing_to_send_ends_the_try() -> None:
    assert Try(10_000_000).step(padding_bytes=0, media_bytes=0) is Verdict.FAILED


def test_a_try_that_gets_no_further_ends() -> None:
    attempt = Try(10_000_000)
    verdicts = [attempt.step(lasted_ms=1.0) for _ in range(MOST_PULSES)]

    assert verdicts == [Verdict.OPEN] * (MOST_PULSES - 1) + [Verdict.FAILED]


def test_without_statistics_only_the_estimate_counts() -> None:
    estimate_only = AbrSettings(stats_based_abr_enabled=False)

    assert Try(700_000, settings=estimate_only).run() is Verdict.FITS
    attempt = Try(700_000, settings=estimate_only)
    order = attempt.probe.order(QUIET)
    fallen = msgspec.structs.replace(QUIET, estimate_bps=700_000)
    verdict = attempt.probe.judge(pulse(order.bitrate_bps, order.duration_ms, 10_000_000), fallen, attempt.trend)
    assert verdict is Verdict.FAILED


def test_padding_of_all_pulses_is_counted() -> None:
    attempt = Try(10_000_000)
    attempt.run()

    assert attempt.probe.sent_bits == pytest.approx(sum(attempt.lasted) * WANTED_BPS / 1_000 * 0.7, rel=0.01)


@pytest.mark.parametrize(("percent", "answered", "lost"), [(2.0, 20, False), (2.0, 15, True), (8.0, 17, False)])
def test_loss_that_grows_with_the_rate_is_told_from_the_links_own(percent: float, answered: int, lost: bool) -> None:
    trend = CongestionDetector(AbrSettings())
    trend.loss = percent
    order = loss_order(SENT_BPS)

    assert order.bitrate_bps > SENT_BPS
    assert more_is_lost(pulse(order.bitrate_bps, order.duration_ms, 10_000_000, answered=answered), trend) is lost
