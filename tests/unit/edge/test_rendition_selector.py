"""The choice of a rendition for one viewer, figure by figure."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from test_bandwidth_probe import pulse

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import AbrSettings
from services.edge.domain.bandwidth_probe import FULL_MS, ProbeOrder, Verdict
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.options import Option, first_choice, nearest
from services.edge.domain.relapses import GROWTH, MARGIN
from services.edge.domain.rendition_selector import (
    LOST_S,
    MOST_PAID_S,
    QUIET_S,
    REST_S,
    STARVED_S,
    TRY_AGAIN_S,
    RenditionSelector,
)

LOW, MIDDLE, HIGH = TrackId("v0.240p"), TrackId("v0.480p"), TrackId("v0")
OPTIONS = (Option(LOW, 240, 400_000), Option(MIDDLE, 480, 1_000_000), Option(HIGH, 720, 2_500_000))
AUDIO_BPS = 50_000
WIDE_BPS, NARROW_BPS = 10_000_000, 700_000
PULSE_S = 0.1


def link(
    estimate_bps: int, *, loss: float = 0.0, sent_bps: int = 450_000, rtt_ms: float = 30.0, jitter_ms: float = 2.0
) -> LinkFigures:
    return LinkFigures(
        estimate_bps=estimate_bps,
        fraction_lost=loss,
        sent_bps=sent_bps,
        other_bps=AUDIO_BPS,
        rtt_ms=rtt_ms,
        jitter_ms=jitter_ms,
    )


class Session:
    """A selector asked once a second, whose pulses meet a link of `link_bps`, and lose checks if `loses`."""

    def __init__(self, current: TrackId, link_bps: int = WIDE_BPS, **settings: object) -> None:
        self.selector = RenditionSelector(msgspec.convert(settings, AbrSettings))
        self.current = current
        self.link_bps = link_bps
        self.loses = False
        self.now = 0.0
        self.pulses: list[tuple[float, ProbeOrder]] = []
        self.tried: list[tuple[float, Verdict]] = []
        self.pace_bps = 0

    def seconds(self, count: float, figures: LinkFigures) -> TrackId:
        for _ in range(int(count)):
            self.ask(figures)
            self.now = round(self.now) + 1.0
        return self.current

    def ask(self, figures: LinkFigures) -> None:
        """Once, and as often again as there is the result of a pulse."""
        choice = self.selector.choose(OPTIONS, self.current, figures, self.now)
        while True:
            assert choice.track is not None
            self.current, self.pace_bps = choice.track, choice.pace_bps
            if choice.tried is not None:
                self.tried.append((self.now, choice.tried))
            if choice.probe is None:
                return
            self.pulses.append((self.now, choice.probe))
            self.now += PULSE_S
            answered = 8 if self.loses else 20
            result = pulse(choice.probe.bitrate_bps, choice.probe.duration_ms, self.link_bps, answered=answered)
            choice = self.selector.choose(OPTIONS, self.current, figures, self.now, probed=result)


# ------------------------------------------------------------------ first


@pytest.mark.parametrize(
    ("room_bps", "first"), [(0, LOW), (300_000, LOW), (1_200_000, LOW), (1_400_000, MIDDLE), (3_300_000, HIGH)]
)
def test_a_viewer_begins_with_what_four_fifths_of_its_path_take_and_with_the_lowest_if_nothing_is_known(
    room_bps: int, first: TrackId
) -> None:
    assert RenditionSelector().begin(OPTIONS, room_bps, AUDIO_BPS).track == first


def test_a_height_that_was_chosen_is_begun_with_whatever_the_path_takes() -> None:
    selector = RenditionSelector()
    selector.force(720)

    assert selector.begin(OPTIONS, 300_000).track == HIGH


@pytest.mark.parametrize(("room_bps", "first"), [(1_000_000, LOW), (50_000_000, HIGH)])
def test_rates_that_nobody_has_measured_are_taken_for_large_ones(room_bps: int, first: TrackId) -> None:
    unmeasured = [msgspec.structs.replace(option, bitrate_bps=0) for option in OPTIONS]

    assert RenditionSelector().begin(unmeasured, room_bps).track == first


# ------------------------------------------------------------------ down


def test_a_link_that_fits_is_left_alone() -> None:
    session = Session(HIGH)

    assert session.seconds(60, link(3_000_000, sent_bps=2_550_000)) == HIGH
    assert session.pulses == []


def test_a_fall_far_below_what_is_sent_goes_straight_down_to_what_fits() -> None:
    for estimate_bps, fitting in ((1_500_000, MIDDLE), (600_000, LOW)):
        session = Session(HIGH)
        session.seconds(3, link(3_000_000, sent_bps=2_550_000))
        assert session.seconds(1, link(estimate_bps, sent_bps=2_550_000)) == fitting


def test_a_queue_through_which_less_comes_goes_down_to_what_comes_through() -> None:
    session = Session(HIGH)
    session.seconds(3, link(3_000_000, sent_bps=2_550_000))
    figures = link(1_300_000, sent_bps=2_550_000)
    queued = msgspec.structs.replace(figures, backlogged=True, delivered_bps=1_200_000, lag_ms=400.0)

    assert session.seconds(1, queued) == MIDDLE


@pytest.mark.parametrize("sign", [{"rtt_ms": 200.0}, {"loss": 0.05}], ids=["queue", "loss"])
def test_a_small_fall_with_a_second_sign_goes_down(sign: dict[str, Any]) -> None:
    session = Session(HIGH)
    session.seconds(3, link(2_600_000))

    session.seconds(1, link(2_200_000, **sign))
    assert session.seconds(1, link(2_200_000, **sign)) == MIDDLE


def test_audio_is_set_aside_before_anything_is_compared() -> None:
    session = Session(HIGH)
    session.seconds(1, link(3_000_000, sent_bps=2_550_000))

    assert session.seconds(1, link(1_080_000, sent_bps=2_550_000)) == LOW


def test_the_lowest_is_kept_however_bad_the_link_is_and_that_is_said() -> None:
    session = Session(LOW)
    session.seconds(1, link(3_000_000))
    assert session.selector.starved is False

    assert session.seconds(3, link(20_000, loss=0.5)) == LOW
    assert session.selector.starved is True

    session.seconds(STARVED_S + 2, link(500_000))
    assert session.selector.starved is False


def test_much_loss_alone_goes_down_to_what_arrives() -> None:
    assert Session(HIGH).seconds(1, link(0, loss=0.5, sent_bps=2_550_000)) == MIDDLE
    assert Session(HIGH).seconds(1, link(0, loss=0.8, sent_bps=2_550_000)) == LOW


# ------------------------------------------------------------------ loss


def test_loss_that_lasts_is_looked_into_by_sending_more_and_is_the_links_own_if_no_more_gets_lost() -> None:
    session = Session(HIGH)

    assert session.seconds(60, link(0, loss=0.04, sent_bps=2_550_000)) == HIGH
    assert [order for _, order in session.pulses] == [ProbeOrder(int(2_550_000 * 1.3), FULL_MS)]


def test_loss_that_grows_with_what_is_sent_goes_down_to_what_arrives() -> None:
    session = Session(HIGH)
    session.loses = True

    assert session.seconds(3, link(0, loss=0.06, sent_bps=2_550_000)) == MIDDLE
    assert session.seconds(30, link(0, sent_bps=1_050_000)) == MIDDLE, "the cause is gone"


def test_one_lost_packet_and_loss_below_the_setting_are_not_looked_into() -> None:
    session = Session(HIGH)
    session.seconds(1, link(0, loss=0.02))
    session.seconds(10, link(0))
    assert session.pulses == []

    tolerant = Session(HIGH, abrDownScalePacketLostRatio=3.0)
    tolerant.seconds(20, link(0, loss=0.02))
    assert tolerant.pulses == []


def test_loss_says_nothing_where_the_settings_say_so() -> None:
    session = Session(HIGH, statsBasedABREnabled=False)

    assert session.seconds(20, link(0, loss=0.5)) == HIGH
    assert session.pulses == []


# ------------------------------------------------------------------ up


def test_up_needs_a_quiet_link_and_then_a_probe_that_succeeds() -> None:
    session = Session(LOW)

    assert session.seconds(QUIET_S, link(800_000)) == LOW
    assert session.pulses == []
    assert session.seconds(1, link(800_000)) == HIGH
    assert [verdict for _, verdict in session.tried] == [Verdict.FITS]
    assert {order.bitrate_bps for _, order in session.pulses} == {int((2_500_000 + AUDIO_BPS) * MARGIN)}


@pytest.mark.parametrize(
    ("link_bps", "best"),
    [(450_000, LOW), (1_100_000, LOW), (1_300_000, MIDDLE), (2_000_000, MIDDLE), (3_500_000, HIGH)],
)
def test_a_try_ends_with_the_highest_that_fits_with_room_to_spare(link_bps: int, best: TrackId) -> None:
    session = Session(LOW, link_bps)

    assert session.seconds(3 * QUIET_S, link(800_000)) == best


def test_while_a_pulse_is_under_way_everything_stays_as_it_is_and_a_result_that_never_comes_ends_the_try() -> None:
    selector = RenditionSelector()
    figures, now = link(800_000), 0.0
    while not selector.probing:
        choice = selector.choose(OPTIONS, LOW, figures, now)
        now += 0.5
    assert choice.probe is not None

    for _ in range(int(LOST_S / 0.5)):
        choice = selector.choose(OPTIONS, LOW, figures, now)
        assert (choice.track, choice.probe) == (LOW, None)
        now += 0.5
    assert selector.choose(OPTIONS, LOW, figures, now).probe is not None


@pytest.mark.parametrize("why", [{"switching": True}, {"may_probe": False}])
def test_nothing_is_tried_while_a_switch_is_under_way_or_another_track_probes(why: dict[str, Any]) -> None:
    selector = RenditionSelector()

    for second in range(60):
        choice = selector.choose(OPTIONS, LOW, link(4_000_000), float(second), **why)
        assert (choice.track, choice.probe) == (LOW, None)


def test_failed_tries_come_again_after_a_time_that_grows_and_stays_short() -> None:
    session = Session(LOW, NARROW_BPS)
    session.seconds(60, link(800_000))

    begun = [at for at, verdict in session.tried if verdict is Verdict.FAILED]
    waits = [after - before for before, after in itertools.pairwise(begun)]
    assert len(waits) > 8
    assert waits[0] <= TRY_AGAIN_S + 1.5
    assert max(waits) <= MOST_PAID_S + 1.5


def test_failed_tries_cost_little() -> None:
    session = Session(LOW, NARROW_BPS)
    session.seconds(300, link(800_000))

    bits = sum(order.bitrate_bps * order.duration_ms / 1_000 for _, order in session.pulses)
    assert bits / 300 < 0.06 * NARROW_BPS


def test_a_link_that_is_wide_again_is_found_out_within_some_seconds() -> None:
    session = Session(LOW, NARROW_BPS)
    session.seconds(200, link(800_000))
    assert session.current == LOW
    session.link_bps = WIDE_BPS

    assert session.seconds(6, link(800_000)) == HIGH


def test_who_has_relapsed_goes_up_again_only_if_far_more_fits_and_then_at_once() -> None:
    session = Session(LOW, 3_000_000)
    session.seconds(3, link(800_000))
    assert session.current == HIGH
    session.seconds(3, link(3_000_000, sent_bps=2_550_000))
    session.seconds(1, link(1_600_000, sent_bps=2_550_000))
    assert session.current == MIDDLE

    assert session.seconds(120, link(1_300_000, sent_bps=1_050_000)) == MIDDLE
    session.link_bps = int(2_550_000 * MARGIN * GROWTH * 1.1)
    assert session.seconds(8, link(1_300_000, sent_bps=1_050_000)) == HIGH


@pytest.mark.parametrize(
    "figures",
    [link(4_000_000, loss=0.004), link(4_000_000, rtt_ms=160.0), link(4_000_000, jitter_ms=35.0)],
    ids=["loss", "round trip", "jitter"],
)
def test_loss_round_trip_and_jitter_forbid_trying_unless_settings_allow_it(figures: LinkFigures) -> None:
    session = Session(LOW)
    assert session.seconds(60, figures) == LOW
    assert session.pulses == []

    tolerant: dict[str, Any] = {"abrUpScalePacketLostRatio": 2.0, "abrUpScaleRTTMs": 300.0, "abrUpScaleJitterMs": 90.0}
    assert Session(LOW, **tolerant).seconds(3, figures) != LOW
    assert Session(LOW, statsBasedABREnabled=False).seconds(3, figures) != LOW


def test_excessive_bandwidth_is_tried_after_so_many_measurements_whatever_the_round_trip_is() -> None:
    settings: dict[str, Any] = {"excessiveBandwidthAlgorithmEnabled": True, "excessiveBandwidthCallThreshold": 5}
    session = Session(LOW, **settings)

    session.seconds(4, link(800_000, rtt_ms=200.0))
    assert session.pulses == []
    session.seconds(1, link(800_000, rtt_ms=200.0))
    assert session.pulses != []

    few = Session(LOW, excessiveBandwidthAlgorithmEnabled=True, excessiveBandwidthValue=900_000)
    few.seconds(60, link(800_000, rtt_ms=200.0))
    assert few.pulses == []


def test_excessive_bandwidth_rests_after_so_many_failed_tries() -> None:
    session = Session(
        LOW, NARROW_BPS, excessiveBandwidthAlgorithmEnabled=True, excessiveBandwithTryCountBeforeSwitchback=3
    )
    session.seconds(100, link(800_000))

    begun = [at for at, _ in session.tried]
    waits = [after - before for before, after in itertools.pairwise(begun)]
    assert [wait >= REST_S for wait in waits[:6]] == [False, False, True, False, False, True]


# ------------------------------------------------------------------ by choice, and otherwise


def test_a_forced_height_holds_whatever_the_link_says_and_ends_a_probe_and_can_be_given_up() -> None:
    selector = RenditionSelector()
    for second in range(5):
        selector.choose(OPTIONS, LOW, link(800_000), float(second))
    assert selector.probing
    selector.force(720)

    for second in range(5, 25):
        assert selector.choose(OPTIONS, LOW, link(100_000, loss=0.3), float(second)).track == HIGH
    assert not selector.probing
    selector.force(0)
    assert selector.choose(OPTIONS, HIGH, link(300_000, loss=0.3, sent_bps=2_550_000), 26.0).track == LOW


def test_a_rendition_that_vanished_is_replaced_by_what_fits() -> None:
    gone = TrackId("v0.999p")

    assert RenditionSelector().choose(OPTIONS, gone, link(1_200_000), 0.0).track == MIDDLE
    assert RenditionSelector().choose(OPTIONS, gone, link(0, sent_bps=2_700_000), 0.0).track == HIGH
    assert RenditionSelector().choose(OPTIONS, gone, link(0, sent_bps=0), 0.0).track == LOW
    assert RenditionSelector().choose((), MIDDLE, link(1_200_000), 0.0).track is None


def test_a_link_that_takes_little_more_is_sent_keyframes_slowly() -> None:
    session = Session(LOW)
    session.selector.begin(OPTIONS, 600_000, AUDIO_BPS)
    session.ask(link(600_000))
    assert 400_000 < session.pace_bps <= 1_000_000

    session.selector.begin(OPTIONS, WIDE_BPS, AUDIO_BPS)
    session.ask(link(600_000))
    assert session.pace_bps == 0


def test_the_room_is_the_estimate_or_what_was_seen_to_pass() -> None:
    session = Session(LOW)
    assert session.selector.room_bps(link(800_000), 0.0) == 800_000

    session.seconds(3, link(800_000))
    assert session.selector.room_bps(link(800_000), session.now) == int(2_550_000 * MARGIN)

    for estimate_bps in (3_000_000, 250_000):
        session.seconds(1, link(estimate_bps, sent_bps=2_550_000))
    assert session.selector.room_bps(link(250_000, sent_bps=2_550_000), session.now) == 250_000


def test_the_first_choice_fits_the_budget() -> None:
    assert first_choice(OPTIONS, 1_200_000) == MIDDLE
    assert first_choice(OPTIONS, 0) == HIGH
    assert first_choice(OPTIONS, 1) == LOW
    assert first_choice((Option(HIGH, 0, 0),), 1) == HIGH


def test_the_nearest_height_is_never_above_the_asked_one_unless_all_are() -> None:
    assert nearest(OPTIONS, 720).track == HIGH
    assert nearest(OPTIONS, 700).track == MIDDLE
    assert nearest(OPTIONS, 144).track == LOW
