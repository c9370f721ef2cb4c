"""The choice of a rendition for one viewer over time."""

from __future__ import annotations

from rillcast.contracts.ids import TrackId
from services.edge.domain.rendition import (
    DOWN_AFTER_S,
    TRY_AFTER_S,
    UP_AFTER_S,
    LinkFigures,
    Option,
    RenditionChooser,
    first_choice,
    nearest,
)

LOW, MIDDLE, HIGH = TrackId("v0.240p"), TrackId("v0.480p"), TrackId("v0")
OPTIONS = (Option(LOW, 240, 400_000), Option(MIDDLE, 480, 1_000_000), Option(HIGH, 720, 2_500_000))
AUDIO_BPS = 50_000


def link(estimate_bps: int, *, loss: float = 0.0, sent_bps: int = 0) -> LinkFigures:
    return LinkFigures(estimate_bps=estimate_bps, fraction_lost=loss, sent_bps=sent_bps, audio_bps=AUDIO_BPS)


class Session:
    """A chooser asked once a second."""

    def __init__(self, current: TrackId) -> None:
        self.chooser = RenditionChooser()
        self.current = current
        self.now = 0.0

    def seconds(self, count: float, figures: LinkFigures) -> TrackId:
        for _ in range(int(count)):
            chosen = self.chooser.choose(OPTIONS, self.current, figures, self.now)
            assert chosen is not None
            self.current = chosen
            self.now += 1.0
        return self.current


def test_a_link_that_fits_is_left_alone() -> None:
    assert Session(HIGH).seconds(60, link(3_000_000)) == HIGH


def test_one_bad_second_changes_nothing_and_two_do() -> None:
    session = Session(HIGH)

    assert session.seconds(1, link(1_500_000)) == HIGH
    assert session.seconds(1, link(3_000_000)) == HIGH
    assert session.seconds(int(DOWN_AFTER_S) + 2, link(1_500_000)) == MIDDLE


def test_going_down_goes_straight_to_what_fits() -> None:
    assert Session(HIGH).seconds(DOWN_AFTER_S + 2, link(600_000)) == LOW


def test_the_lowest_is_kept_however_bad_the_link_is() -> None:
    assert Session(LOW).seconds(30, link(20_000, loss=0.5)) == LOW


def test_loss_alone_goes_down_one_step_when_there_is_no_estimate() -> None:
    assert Session(HIGH).seconds(DOWN_AFTER_S + 2, link(0, loss=0.2)) == MIDDLE


def test_up_needs_sustained_room() -> None:
    session = Session(LOW)

    assert session.seconds(UP_AFTER_S, link(1_500_000, sent_bps=1_400_000)) == LOW
    assert session.seconds(1, link(1_500_000, sent_bps=1_400_000)) == MIDDLE


def test_room_interrupted_starts_anew() -> None:
    session = Session(LOW)

    session.seconds(UP_AFTER_S - 1, link(1_500_000, sent_bps=1_400_000))
    session.seconds(1, link(500_000, sent_bps=450_000))

    assert session.seconds(UP_AFTER_S - 1, link(1_500_000, sent_bps=1_400_000)) == LOW


def test_much_room_skips_a_step() -> None:
    assert Session(LOW).seconds(UP_AFTER_S + 1, link(4_000_000, sent_bps=3_500_000)) == HIGH


def test_an_estimate_at_its_ceiling_is_tried_after_a_longer_wait() -> None:
    session = Session(LOW)
    capped = link(675_000, sent_bps=450_000)

    assert session.seconds(TRY_AFTER_S, capped) == LOW
    assert session.seconds(1, capped) == MIDDLE


def test_a_failed_try_makes_the_next_one_wait_twice_as_long() -> None:
    session = Session(LOW)
    capped, short = link(675_000, sent_bps=450_000), link(500_000, sent_bps=900_000, loss=0.15)
    session.seconds(TRY_AFTER_S + 1, capped)
    assert session.current == MIDDLE
    assert session.seconds(DOWN_AFTER_S + 2, short) == LOW

    assert session.seconds(TRY_AFTER_S * 2 - 1, capped) == LOW
    assert session.seconds(2, capped) == MIDDLE


def test_loss_forbids_going_up() -> None:
    assert Session(LOW).seconds(60, link(4_000_000, loss=0.05, sent_bps=3_500_000)) == LOW


def test_a_forced_height_holds_whatever_the_link_says_and_can_be_given_up() -> None:
    session = Session(LOW)
    session.chooser.force(720)

    assert session.seconds(20, link(100_000, loss=0.3)) == HIGH
    session.chooser.force(0)
    assert session.seconds(DOWN_AFTER_S + 2, link(300_000, loss=0.3)) == LOW


def test_a_rendition_that_vanished_is_replaced_by_what_fits() -> None:
    chosen = RenditionChooser().choose(OPTIONS, TrackId("v0.999p"), link(1_200_000), 0.0)

    assert chosen == MIDDLE


def test_the_first_choice_fits_the_budget_and_unknown_bitrates_fit() -> None:
    assert first_choice(OPTIONS, 1_200_000) == MIDDLE
    assert first_choice(OPTIONS, 0) == HIGH
    assert first_choice(OPTIONS, 1) == LOW
    assert first_choice((Option(HIGH, 0, 0),), 1) == HIGH


def test_the_nearest_height_is_never_above_the_asked_one_unless_all_are() -> None:
    assert nearest(OPTIONS, 720).track == HIGH
    assert nearest(OPTIONS, 700).track == MIDDLE
    assert nearest(OPTIONS, 144).track == LOW
