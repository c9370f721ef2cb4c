"""Is a viewer's link congested? Figures go in, and what the link seems to take comes out."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts.records import AbrSettings
from services.edge.domain.congestion_control import (
    FRESH_S,
    LOSS_LASTS_S,
    MUCH_LOSS,
    SECOND_SIGN_S,
    Congestion,
    CongestionDetector,
    LinkFigures,
)

NEEDS_BPS = 1_000_000
USUAL_LAG_MS = 50.0


def link(
    estimate_bps: int = 2_000_000,
    *,
    loss: float = 0.0,
    sent_bps: int = NEEDS_BPS,
    other_bps: int = 0,
    rtt_ms: float = 0.0,
    lag_ms: float = 0.0,
    jitter_ms: float = 0.0,
    delivered_bps: int = 0,
    backlogged: bool = False,
) -> LinkFigures:
    return LinkFigures(
        estimate_bps=estimate_bps,
        fraction_lost=loss,
        sent_bps=sent_bps,
        other_bps=other_bps,
        rtt_ms=rtt_ms,
        lag_ms=lag_ms,
        jitter_ms=jitter_ms,
        delivered_bps=delivered_bps,
        backlogged=backlogged,
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


# ------------------------------------------------------------------ what is delivered while a queue stands


def test_what_comes_through_a_queue_is_what_the_link_takes() -> None:
    seen = Link(lag_ms=USUAL_LAG_MS)

    found = seen.feed(link(800_000, lag_ms=300.0, other_bps=50_000, delivered_bps=600_000, backlogged=True))

    assert found == Congestion(650_000)
    assert Link(lag_ms=USUAL_LAG_MS).feed(link(0, lag_ms=300.0, delivered_bps=600_000, backlogged=True)) is not None


def test_a_receiver_that_is_late_and_whose_estimate_stays_has_no_queue() -> None:
    seen = Link(lag_ms=USUAL_LAG_MS)

    assert seen.feed(link(2_000_000, lag_ms=300.0, delivered_bps=600_000, backlogged=True)) is None


def test_of_a_source_that_stands_still_for_a_moment_no_more_arrives_than_is_sent() -> None:
    """Recorded: the processor was taken from the publisher for half a second."""
    late = link(800_000, lag_ms=300.0, sent_bps=170_000, other_bps=20_000, delivered_bps=145_000, backlogged=True)

    assert Link(lag_ms=USUAL_LAG_MS).feed(late) is None
    assert Link(lag_ms=USUAL_LAG_MS).feed(msgspec.structs.replace(late, backlogged=False)) is None


@pytest.mark.parametrize("backlogged", [True, False])
def test_a_link_that_stands_still_for_a_moment_is_not_believed_to_be_that_slow(backlogged: bool) -> None:
    stall = link(750_000, lag_ms=375.0, other_bps=50_000, delivered_bps=33_000, backlogged=backlogged)

    assert Link(lag_ms=USUAL_LAG_MS).feed(stall) is None
    slow = msgspec.structs.replace(stall, delivered_bps=100_000)
    assert Link(lag_ms=USUAL_LAG_MS).feed(slow) == Congestion(150_000)


def test_a_low_estimate_is_none_if_as_much_as_is_needed_comes_through_all_the_same() -> None:
    burst = link(500_000, lag_ms=250.0, sent_bps=1_500_000, other_bps=50_000, delivered_bps=1_800_000)

    assert Link(lag_ms=USUAL_LAG_MS).feed(burst) is None
    assert Link(lag_ms=USUAL_LAG_MS).feed(msgspec.structs.replace(burst, delivered_bps=0)) is not None


def test_a_fall_with_a_queue_through_which_far_less_comes_counts_before_the_estimate_is_far_down() -> None:
    seen = Link(lag_ms=USUAL_LAG_MS)

    assert seen.feed(link(750_000, lag_ms=300.0, other_bps=50_000, delivered_bps=500_000)) == Congestion(550_000)
    assert Link(lag_ms=USUAL_LAG_MS).feed(link(750_000, lag_ms=300.0, delivered_bps=700_000)) is None
    assert Link(lag_ms=USUAL_LAG_MS).feed(link(750_000, lag_ms=90.0, delivered_bps=500_000)) is None
    slow = Link(lag_ms=USUAL_LAG_MS)
    slow.detector.forget_estimate()
    slow.feed(link(760_000, lag_ms=USUAL_LAG_MS))
    assert slow.feed(link(750_000, lag_ms=300.0, delivered_bps=500_000)) is None, "it did not fall"


def test_the_queue_of_a_keyframe_is_none_if_enough_comes_through_it_whatever_the_estimate_says() -> None:
    seen = Link(lag_ms=USUAL_LAG_MS)

    assert seen.feed(link(500_000, lag_ms=400.0, delivered_bps=1_300_000, backlogged=True)) is None


def test_what_is_delivered_without_a_queue_says_nothing() -> None:
    assert Link(lag_ms=USUAL_LAG_MS).feed(link(lag_ms=60.0, delivered_bps=300_000)) is None


# ------------------------------------------------------------------ the estimate


@pytest.mark.parametrize(("estimate_bps", "congested"), [(670_000, True), (690_000, False)])
def test_a_fall_by_which_a_fifth_of_what_was_sent_did_not_arrive_counts_at_once(
    estimate_bps: int, congested: bool
) -> None:
    assert (Link().feed(link(estimate_bps)) is not None) is congested


def test_with_the_lag_of_the_newest_packet_known_a_fall_counts_only_if_packets_wait() -> None:
    assert Link(lag_ms=USUAL_LAG_MS).feed(link(600_000, lag_ms=300.0)) == Congestion(600_000, fresh=True)
    assert Link(lag_ms=USUAL_LAG_MS).feed(link(600_000, lag_ms=60.0)) is None
    assert Link(lag_ms=USUAL_LAG_MS).feed(link(600_000)) is None, "nobody reported"


def test_a_second_fall_counts_without_a_report_since_the_receiver_may_report_once_a_second() -> None:
    seen = Link(lag_ms=USUAL_LAG_MS)

    assert seen.feed(link(640_000)) is None
    assert seen.feed(link(560_000), 0.1) == Congestion(560_000, fresh=True)


def test_a_report_that_comes_a_moment_after_a_fall_shows_why_it_fell() -> None:
    late, quiet = Link(lag_ms=USUAL_LAG_MS), Link(lag_ms=USUAL_LAG_MS)

    assert (late.feed(link(600_000)), quiet.feed(link(600_000))) == (None, None)
    assert late.feed(link(600_000, lag_ms=350.0), 0.1) == Congestion(600_000, fresh=True)
    assert quiet.feed(link(600_000, lag_ms=60.0), 0.1) is None


def test_the_room_is_no_more_than_what_is_delivered_since_an_estimate_is_a_mean() -> None:
    seen = Link(lag_ms=USUAL_LAG_MS)

    found = seen.feed(link(650_000, lag_ms=300.0, other_bps=50_000, delivered_bps=300_000))

    assert found == Congestion(350_000, fresh=False)


def test_the_sound_may_be_no_part_of_an_estimate() -> None:
    assert Link().feed(link(600_000, other_bps=150_000)) is None


def test_the_room_is_the_estimate_and_it_is_fresh_until_the_series_has_lasted() -> None:
    seen = Link()

    assert seen.feed(link(650_000)) == Congestion(650_000, fresh=True)
    assert seen.feed(link(500_000, sent_bps=NEEDS_BPS), FRESH_S + 0.1) == Congestion(500_000, fresh=False)


def test_a_first_estimate_that_is_far_too_low_counts() -> None:
    assert CongestionDetector(AbrSettings()).observe(link(500_000), NEEDS_BPS, 1.0) == Congestion(500_000, fresh=False)


def test_an_estimate_that_is_low_and_does_not_fall_says_nothing() -> None:
    seen = Link()
    seen.feed(link(500_000))

    assert [seen.feed(link(500_000), 2.0) for _ in range(5)] == [None] * 5


def test_an_estimate_that_only_follows_says_nothing_by_its_fall() -> None:
    seen = Link()
    seen.detector.forget_estimate()
    seen.feed(link(700_000))

    assert seen.feed(link(550_000)) is None


def test_a_small_fall_without_a_second_sign_does_not_count() -> None:
    assert [Link().feed(link(900_000)) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize("sign", [{"rtt_ms": 300.0}, {"loss": 0.05, "rtt_ms": 20.0}], ids=["queue", "loss"])
def test_a_small_fall_counts_with_a_second_sign_if_no_lag_is_known(sign: dict[str, float]) -> None:
    seen = Link(rtt_ms=20.0)
    assert seen.feed(link(900_000, rtt_ms=20.0)) is None
    seen.feed(link(900_000, **sign))  # type: ignore[arg-type]

    assert seen.feed(link(900_000, **sign), 0.5) is not None  # type: ignore[arg-type]


def test_a_small_fall_and_a_long_round_trip_are_none_if_the_lag_says_so() -> None:
    seen = Link(rtt_ms=20.0, lag_ms=USUAL_LAG_MS)

    assert [seen.feed(link(900_000, rtt_ms=300.0, lag_ms=60.0), 0.5) for _ in range(4)] == [None] * 4


def test_a_second_sign_that_comes_too_late_does_not_count() -> None:
    seen = Link(rtt_ms=20.0)
    seen.feed(link(900_000, rtt_ms=20.0))
    seen.feed(link(900_000, rtt_ms=300.0), SECOND_SIGN_S)

    assert seen.feed(link(900_000, rtt_ms=300.0), 0.5) is None


def test_a_fall_of_our_own_making_is_forgiven() -> None:
    seen = Link(rtt_ms=20.0)
    seen.feed(link(900_000, rtt_ms=20.0))
    seen.detector.forgive()

    assert [seen.feed(link(900_000, rtt_ms=300.0), 0.5) for _ in range(3)] == [None] * 3


def test_the_mean_of_what_was_sent_is_that_of_the_last_second() -> None:
    seen = Link()
    for passed, bps in ((0.5, 400_000), (0.25, 2_000_000), (0.25, 1_200_000)):
        seen.feed(link(sent_bps=bps), passed)

    assert seen.detector.sent_bps == pytest.approx(1_000_000)


# ------------------------------------------------------------------ loss


def test_much_loss_over_a_second_is_enough_and_the_room_is_what_arrived() -> None:
    assert Link().feed(link(loss=0.25)) == Congestion(750_000, overflows=True)


def test_much_loss_in_a_moment_is_not() -> None:
    assert Link().feed(link(loss=0.5), 0.1) is None
    seen = Link()
    found = [seen.feed(link(loss=0.5), 0.1) for _ in range(8)]
    assert found.index(next(c for c in found if c is not None)) * 10 > MUCH_LOSS


def test_loss_that_lasts_makes_a_suspicion_and_is_no_sign_by_itself() -> None:
    seen = Link()

    assert [seen.feed(link(loss=0.05), LOSS_LASTS_S) for _ in range(3)] == [None] * 3
    assert seen.detector.lossy
    assert not Link(AbrSettings(abr_down_scale_packet_lost_ratio=10.0)).detector.lossy


def test_loss_that_is_over_soon_makes_none() -> None:
    seen = Link()
    seen.feed(link(loss=0.05), 0.3)
    seen.feed(link(), 0.3)
    for _ in range(5):
        seen.feed(link())

    assert not seen.detector.lossy


def test_the_links_own_loss_is_no_suspicion_any_more_and_allows_going_up() -> None:
    seen = Link()
    for _ in range(10):
        seen.feed(link(loss=0.05))
    assert not seen.detector.is_quiet(link())
    seen.detector.loss_is_its_own()
    for _ in range(5):
        assert seen.feed(link(loss=0.05)) is None

    assert not seen.detector.lossy
    assert seen.detector.is_quiet(link())
    for _ in range(10):
        seen.feed(link(loss=0.2))
    assert seen.detector.lossy


def test_loss_is_no_sign_where_the_settings_say_so() -> None:
    seen = Link(AbrSettings(stats_based_abr_enabled=False))

    assert [seen.feed(link(loss=0.5)) for _ in range(5)] == [None] * 5
    assert seen.feed(link(delivered_bps=100_000, backlogged=True, lag_ms=300.0)) is None
    assert not seen.detector.lossy
    assert seen.feed(link(500_000, lag_ms=60.0)) is not None
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
