"""Is a viewer's link congested? Figures go in, and what the link seems to take comes out."""

from __future__ import annotations

import pytest

from rillcast.contracts.records import AbrSettings
from services.edge.domain.congestion_control import (
    FRESH_S,
    LOSS_TEST_S,
    SECOND_SIGN_S,
    SERIES_S,
    Congestion,
    CongestionDetector,
    LinkFigures,
)

NEEDS_BPS = 1_000_000


def link(
    estimate_bps: int = 2_000_000,
    *,
    loss: float = 0.0,
    sent_bps: int = NEEDS_BPS,
    rtt_ms: float = 0.0,
    lag_ms: float = 0.0,
    jitter_ms: float = 0.0,
) -> LinkFigures:
    return LinkFigures(
        estimate_bps=estimate_bps,
        fraction_lost=loss,
        sent_bps=sent_bps,
        rtt_ms=rtt_ms,
        lag_ms=lag_ms,
        jitter_ms=jitter_ms,
    )


class Link:
    """A detector that is fed once a second unless told otherwise."""

    def __init__(self, settings: AbrSettings | None = None, seconds: int = 3, **usual: float) -> None:
        self.detector = CongestionDetector(settings or AbrSettings())
        self.now = 0.0
        for _ in range(seconds):
            assert self.feed(link(rtt_ms=usual.get("rtt_ms", 0.0), lag_ms=usual.get("lag_ms", 0.0))) is None

    def feed(self, figures: LinkFigures, passed: float = 1.0) -> Congestion | None:
        self.now += passed
        return self.detector.observe(figures, NEEDS_BPS, self.now)


def test_a_link_that_takes_everything_is_not_congested() -> None:
    assert Link(seconds=20).feed(link()) is None


@pytest.mark.parametrize(("estimate_bps", "congested"), [(790_000, True), (810_000, False), (960_000, False)])
def test_one_fall_from_enough_to_far_too_little_counts_at_once(estimate_bps: int, congested: bool) -> None:
    assert (Link().feed(link(estimate_bps)) is not None) is congested


def test_the_room_is_the_estimate_and_it_is_fresh_until_the_series_has_lasted() -> None:
    seen = Link()

    assert seen.feed(link(700_000)) == Congestion(700_000, fresh=True)
    assert seen.feed(link(500_000), FRESH_S + 0.1) == Congestion(500_000, fresh=False)


def test_a_first_estimate_that_is_far_too_low_counts() -> None:
    assert CongestionDetector(AbrSettings()).observe(link(500_000), NEEDS_BPS, 1.0) == Congestion(500_000, fresh=False)


def test_an_estimate_that_is_low_and_does_not_fall_says_nothing() -> None:
    seen = Link()
    seen.detector.forget_estimate()
    seen.feed(link(700_000, sent_bps=650_000), SERIES_S + 0.1)

    assert [seen.feed(link(700_000, sent_bps=650_000), 2.0) for _ in range(5)] == [None] * 5


def test_a_fall_far_below_what_is_sent_counts_even_if_the_estimate_was_low_before() -> None:
    seen = Link()
    seen.feed(link(790_000))
    for _ in range(5):
        seen.feed(link(790_000))

    assert seen.feed(link(600_000)) == Congestion(600_000, fresh=True)


def test_a_small_fall_counts_with_the_lag_of_the_newest_packet() -> None:
    assert Link(lag_ms=50.0).feed(link(900_000, lag_ms=300.0)) is not None
    assert Link(lag_ms=50.0).feed(link(900_000, lag_ms=150.0)) is None


def test_a_small_fall_counts_once_a_queue_has_lasted() -> None:
    seen = Link(rtt_ms=20.0)
    assert seen.feed(link(900_000, rtt_ms=300.0)) is None

    assert seen.feed(link(900_000, rtt_ms=300.0), 0.5) is not None


def test_a_second_sign_that_comes_too_late_does_not_count() -> None:
    seen = Link(rtt_ms=20.0)
    seen.feed(link(900_000, rtt_ms=20.0))
    seen.feed(link(900_000, rtt_ms=300.0), SECOND_SIGN_S)

    assert seen.feed(link(900_000, rtt_ms=300.0), 0.5) is None


def test_much_loss_in_one_report_is_enough_and_the_room_is_what_arrived() -> None:
    congestion = Link().feed(link(loss=0.25))

    assert congestion == Congestion(750_000)


def test_loss_that_lasts_is_tested_once_and_is_the_links_own_if_less_does_not_cure_it() -> None:
    seen = Link()
    verdicts = [seen.feed(link(loss=0.08)) for _ in range(int(LOSS_TEST_S) + 8)]

    assert [verdict for verdict in verdicts if verdict is not None] == [Congestion(0)]
    assert seen.detector.own_loss == pytest.approx(8.0, abs=1.0)


def test_loss_is_no_sign_where_the_settings_say_so() -> None:
    seen = Link(AbrSettings(stats_based_abr_enabled=False))

    assert [seen.feed(link(loss=0.5)) for _ in range(5)] == [None] * 5
    assert seen.feed(link(700_000)) is not None
    assert seen.detector.is_quiet(link(rtt_ms=10_000))


@pytest.mark.parametrize(
    ("figures", "quiet"),
    [
        (link(), True),
        (link(rtt_ms=AbrSettings().abr_up_scale_rtt_ms), False),
        (link(jitter_ms=AbrSettings().abr_up_scale_jitter_ms), False),
    ],
)
def test_a_link_is_quiet_below_the_settings_for_going_up(figures: LinkFigures, quiet: bool) -> None:
    assert Link().detector.is_quiet(figures) is quiet


def test_recent_loss_is_not_quiet_until_it_is_forgotten() -> None:
    seen = Link()
    seen.feed(link(loss=0.1))
    assert not seen.detector.is_quiet(link())

    seen.detector.forget_loss(0.0)

    assert seen.detector.is_quiet(link())
