"""The choice of a rendition for one viewer, figure by figure."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import AbrSettings
from services.edge.domain.bandwidth_probe import STEPS, STOP, ProbeOrder
from services.edge.domain.congestion_control import LOSS_TEST_S, LinkFigures
from services.edge.domain.rendition_selector import (
    BLIND_QUIET_S,
    MOST_PATIENCE_S,
    QUIET_S,
    STARVED_S,
    Option,
    RenditionSelector,
    first_choice,
    nearest,
)

LOW, MIDDLE, HIGH = TrackId("v0.240p"), TrackId("v0.480p"), TrackId("v0")
OPTIONS = (Option(LOW, 240, 400_000), Option(MIDDLE, 480, 1_000_000), Option(HIGH, 720, 2_500_000))
AUDIO_BPS = 50_000
PROBE_S = len(STEPS)
TRY_S = QUIET_S + PROBE_S + 1


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
    """A selector asked once a second."""

    def __init__(self, current: TrackId, *, can_probe: bool = True, **settings: object) -> None:
        self.selector = RenditionSelector(msgspec.convert(settings, AbrSettings), can_probe=can_probe)
        self.current = current
        self.now = 0.0
        self.probes: list[tuple[float, ProbeOrder]] = []

    def seconds(self, count: float, figures: LinkFigures) -> TrackId:
        for _ in range(int(count)):
            choice = self.selector.choose(OPTIONS, self.current, figures, self.now)
            assert choice.track is not None
            if choice.probe is not None:
                self.probes.append((self.now, choice.probe))
            self.current = choice.track
            self.now += 1.0
        return self.current

    def probing(self, figures: LinkFigures) -> None:
        """Until the first padding is ordered."""
        while not self.probes or self.probes[-1][1] == STOP:
            assert self.now < 200
            self.seconds(1, figures)


def test_a_link_that_fits_is_left_alone() -> None:
    session = Session(HIGH)

    assert session.seconds(60, link(3_000_000, sent_bps=2_550_000)) == HIGH
    assert session.probes == []


def test_one_fall_far_below_what_is_needed_goes_straight_down_to_what_fits() -> None:
    for estimate_bps, fitting in ((1_500_000, MIDDLE), (600_000, LOW)):
        session = Session(HIGH)
        session.seconds(3, link(3_000_000))
        assert session.seconds(1, link(estimate_bps)) == fitting


def test_a_small_fall_without_a_second_sign_changes_nothing() -> None:
    session = Session(HIGH)
    session.seconds(3, link(2_600_000))

    assert session.seconds(10, link(2_200_000)) == HIGH


@pytest.mark.parametrize("sign", [{"rtt_ms": 200.0}, {"loss": 0.05}], ids=["queue", "loss"])
def test_a_small_fall_with_a_second_sign_goes_down(sign: dict[str, Any]) -> None:
    session = Session(HIGH)
    session.seconds(3, link(2_600_000))

    session.seconds(1, link(2_200_000, **sign))
    assert session.seconds(1, link(2_200_000, **sign)) == MIDDLE


def test_a_queue_no_longer_than_a_keyframes_is_no_sign() -> None:
    session = Session(HIGH)
    session.seconds(3, link(2_600_000))

    session.seconds(1, link(2_200_000, rtt_ms=200.0))
    assert session.seconds(10, link(2_200_000)) == HIGH


def test_a_low_estimate_that_does_not_fall_says_nothing() -> None:
    session = Session(LOW)
    session.seconds(2, link(600_000))
    session.current = HIGH

    for step in range(10):
        assert session.seconds(1, link(600_000 + 20_000 * step, sent_bps=2_550_000)) == HIGH


def test_a_low_estimate_that_falls_far_below_what_is_sent_goes_down() -> None:
    session = Session(LOW)
    session.seconds(2, link(900_000))
    session.current = MIDDLE

    assert session.seconds(1, link(600_000, sent_bps=1_050_000)) == LOW


def test_audio_is_set_aside_before_anything_is_compared() -> None:
    session = Session(HIGH)
    session.seconds(1, link(3_000_000))

    assert session.seconds(1, link(1_080_000)) == LOW


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


def test_lasting_loss_over_the_setting_goes_down_one_step_and_one_lost_packet_does_not() -> None:
    session = Session(HIGH)
    session.seconds(1, link(0, loss=0.02))
    assert session.seconds(10, link(0)) == HIGH

    assert session.seconds(3, link(0, loss=0.02)) == MIDDLE
    assert Session(HIGH, abrDownScalePacketLostRatio=3.0).seconds(20, link(0, loss=0.02)) == HIGH
    assert Session(HIGH, statsBasedABREnabled=False).seconds(20, link(0, loss=0.5)) == HIGH


def test_loss_that_going_down_does_not_cure_is_the_links_own() -> None:
    session = Session(HIGH)
    session.seconds(2 + LOSS_TEST_S, link(0, loss=0.04))
    assert session.current == MIDDLE

    assert session.seconds(30, link(0, loss=0.04)) in (MIDDLE, HIGH)
    assert session.current == HIGH


def test_up_needs_a_quiet_link_and_then_a_probe_that_grows_and_succeeds() -> None:
    session = Session(LOW)

    assert session.seconds(QUIET_S + PROBE_S, link(800_000)) == LOW
    assert session.seconds(1, link(800_000)) == MIDDLE

    wanted = 1_050_000 - 450_000
    begun = session.probes[0][0]
    assert [(at - begun, order.bitrate_bps) for at, order in session.probes] == [
        *((float(i), int(wanted * share)) for i, share in enumerate(STEPS)),
        (float(PROBE_S), 0),
    ]


@pytest.mark.parametrize(
    "sign", [{"estimate_bps": 600_000}, {"rtt_ms": 90.0}, {"loss": 0.12}], ids=["estimate", "round trip", "loss"]
)
def test_a_probe_stops_at_the_first_sign_and_the_rendition_stays(sign: dict[str, float]) -> None:
    session = Session(LOW)
    session.probing(link(800_000))

    figures = link(**{"estimate_bps": 800_000, **sign})  # type: ignore[arg-type]
    assert session.seconds(1, figures) == LOW
    assert session.probes[-1] == (session.now - 1, STOP)


def test_failed_tries_wait_ever_longer_up_to_a_bound() -> None:
    session = Session(LOW)
    starts = []
    for _ in range(7):
        session.probing(link(800_000))
        starts.append(session.probes[-1][0])
        session.seconds(1, link(800_000, rtt_ms=200.0))

    waits = [after - before for before, after in itertools.pairwise(starts)]
    assert waits == sorted(waits)
    assert waits[0] < waits[-1] <= MOST_PATIENCE_S + QUIET_S


@pytest.mark.parametrize(
    "figures",
    [
        link(4_000_000, loss=0.004),
        link(4_000_000, rtt_ms=160.0),
        link(4_000_000, jitter_ms=35.0),
    ],
    ids=["loss", "round trip", "jitter"],
)
def test_loss_round_trip_and_jitter_forbid_trying_unless_settings_allow_it(figures: LinkFigures) -> None:
    session = Session(LOW)
    assert session.seconds(60, figures) == LOW
    assert session.probes == []

    tolerant: dict[str, Any] = {"abrUpScalePacketLostRatio": 2.0, "abrUpScaleRTTMs": 300.0, "abrUpScaleJitterMs": 90.0}
    assert Session(LOW, **tolerant).seconds(TRY_S, figures) != LOW
    assert Session(LOW, statsBasedABREnabled=False).seconds(TRY_S, figures) != LOW


def test_an_estimate_that_covers_more_skips_a_step() -> None:
    assert Session(LOW).seconds(TRY_S, link(4_000_000)) == HIGH


def test_excessive_bandwidth_is_tried_after_so_many_measurements_whatever_the_round_trip_is() -> None:
    settings: dict[str, Any] = {"excessiveBandwidthAlgorithmEnabled": True, "excessiveBandwidthCallThreshold": 5}
    session = Session(LOW, **settings)

    session.seconds(4, link(800_000, rtt_ms=200.0))
    assert session.probes == []
    session.seconds(1, link(800_000, rtt_ms=200.0))
    assert len(session.probes) == 1

    few = Session(LOW, excessiveBandwidthAlgorithmEnabled=True, excessiveBandwidthValue=900_000)
    few.seconds(60, link(800_000, rtt_ms=200.0))
    assert few.probes == []


def test_nothing_is_tried_while_a_switch_is_under_way() -> None:
    selector = RenditionSelector()

    for second in range(60):
        choice = selector.choose(OPTIONS, LOW, link(4_000_000), float(second), switching=True)
        assert (choice.track, choice.probe) == (LOW, None)


def test_without_probes_up_needs_long_quiet() -> None:
    session = Session(LOW, can_probe=False)

    assert session.seconds(BLIND_QUIET_S, link(800_000)) == LOW
    assert session.seconds(1, link(800_000)) == MIDDLE
    assert session.probes == []


def test_a_forced_height_holds_whatever_the_link_says_and_ends_a_probe_and_can_be_given_up() -> None:
    session = Session(LOW)
    session.probing(link(800_000))
    session.selector.force(720)

    assert session.seconds(20, link(100_000, loss=0.3)) == HIGH
    assert session.probes[-1][1] == STOP
    session.selector.force(0)
    assert session.seconds(1, link(300_000, loss=0.3)) == LOW


def test_a_rendition_that_vanished_is_replaced_by_what_fits() -> None:
    choice = RenditionSelector().choose(OPTIONS, TrackId("v0.999p"), link(1_200_000), 0.0)

    assert choice.track == MIDDLE
    assert RenditionSelector().choose((), MIDDLE, link(1_200_000), 0.0).track is None


def test_the_room_is_the_estimate_or_what_was_seen_to_pass() -> None:
    session = Session(LOW)
    assert session.selector.room_bps(link(800_000), 0.0) == 800_000

    session.seconds(TRY_S, link(800_000))
    assert session.selector.room_bps(link(800_000), session.now) == 1_050_000

    session.seconds(1, link(250_000, sent_bps=1_000_000))
    assert session.selector.room_bps(link(250_000, sent_bps=1_000_000), session.now) == 250_000


def test_the_first_choice_fits_the_budget_and_unknown_bitrates_fit() -> None:
    assert first_choice(OPTIONS, 1_200_000) == MIDDLE
    assert first_choice(OPTIONS, 0) == HIGH
    assert first_choice(OPTIONS, 1) == LOW
    assert first_choice((Option(HIGH, 0, 0),), 1) == HIGH


def test_the_nearest_height_is_never_above_the_asked_one_unless_all_are() -> None:
    assert nearest(OPTIONS, 720).track == HIGH
    assert nearest(OPTIONS, 700).track == MIDDLE
    assert nearest(OPTIONS, 144).track == LOW
