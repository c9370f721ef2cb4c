"""Figures of viewers by link: which seconds count, and how they become means, shares and changes of height."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.load.classes import Classes, LinkClass, Second
from rillcast.load.link import Link

SLOW, FAST = Link(name="slow"), Link(name="fast")
SECOND_US = 1_000_000
BEGIN_US = 5 * SECOND_US

NOTHING = Second(
    id=0,
    at_us=BEGIN_US + SECOND_US,
    span_us=SECOND_US,
    limit_bps=0,
    bytes=0,
    padding_bytes=0,
    queue_drops=0,
    random_losses=0,
    height=0,
    pictures=0,
    switches=0,
    freezes=0,
    frozen_us=0,
    standing_us=0,
    video=0,
    video_lost=0,
    audio=0,
    audio_lost=0,
    nacked=0,
    repaired=0,
    plis=0,
    remb_bps=0,
)


def second(viewer: int = 0, number: int = 0, **figures: int) -> Second:
    """Second `number` after the figures began."""
    at_us = BEGIN_US + (number + 1) * SECOND_US
    return msgspec.structs.replace(NOTHING, id=viewer, **({"at_us": at_us} | figures))


def only(*seconds: Second, viewers: int = 1) -> LinkClass:
    """The class of the one link, from these seconds."""
    classes = Classes([SLOW], viewers)
    classes.add(seconds, BEGIN_US)
    (found,) = classes.result(BEGIN_US, {})
    return found


def test_viewers_sit_behind_the_links_in_turn() -> None:
    classes = Classes([SLOW, FAST], 5)
    classes.add([second(viewer, bytes=viewer) for viewer in range(5)], BEGIN_US)
    slow, fast = classes.result(BEGIN_US, {})
    assert [(c.name, c.viewers) for c in (slow, fast)] == [("slow", 3), ("fast", 2)]
    assert slow.received_bps == (0 + 2 + 4) * 8 // 3
    assert fast.received_bps == (1 + 3) * 8 // 2


def test_links_of_one_name_are_one_class() -> None:
    assert [c.viewers for c in Classes([SLOW, SLOW], 4).result(0, {})] == [4]


def test_a_second_that_began_before_the_figures_is_left_out() -> None:
    early = second(at_us=BEGIN_US + SECOND_US - 1, bytes=1_000)
    assert only(early, second(bytes=10)).received_bps == 80


def test_a_link_without_seconds_has_zeros_and_no_shares() -> None:
    found = only(viewers=2)
    assert (found.viewers, found.received_bps, found.used, found.padding) == (2, 0, 0.0, 0.0)
    assert (found.heights, found.over_time, found.frozen_s_most, found.without_picture) == ({}, (), 0.0, 2)
    assert found.audio_lost_share == 0.0


def test_rates_are_over_the_time_that_the_seconds_took() -> None:
    found = only(
        second(limit_bps=1_000, bytes=100, padding_bytes=25, span_us=500_000),
        second(number=1, limit_bps=2_000, bytes=100, span_us=1_500_000, at_us=BEGIN_US + 2 * SECOND_US),
    )
    assert found.received_bps == 200 * 8 // 2
    assert found.limit_bps == (1_000 * 500_000 + 2_000 * 1_500_000) // (2 * SECOND_US)
    assert found.used == pytest.approx(1_600 / 3_500)
    assert found.padding == 25 / 200


def test_heights_are_shares_of_the_time_highest_first() -> None:
    found = only(second(height=360), second(number=1, height=1080), second(number=2, height=360), second(number=3))
    assert list(found.heights.items()) == [("1080", 0.25), ("360", 0.5), ("0", 0.25)]


def test_counts_are_means_of_the_viewers_that_told_something() -> None:
    seconds = [second(0, switches=3, freezes=1), second(0, 1, switches=1), second(1, freezes=1)]
    found = only(*seconds, viewers=3)
    assert (found.switches, found.freezes) == (2.0, 1.0)


def test_a_freeze_that_lasts_counts_up_to_the_last_second() -> None:
    standing = [second(0, frozen_us=250_000, standing_us=900_000), second(0, 1, standing_us=1_500_000)]
    found = only(*standing, second(1, frozen_us=250_000), viewers=2)
    assert found.frozen_s_most == pytest.approx(1.75)
    assert found.frozen_s == pytest.approx((1.75 + 0.25) / 2)


def test_first_pictures_have_a_median_and_a_last_one() -> None:
    classes = Classes([SLOW, FAST], 8)
    slow, fast = classes.result(0, {0: 100.0, 2: 300.0, 4: 900.0, 7: 50.0})
    assert (slow.first_picture_s, slow.first_picture_s_most, slow.without_picture) == (0.3, 0.9, 1)
    assert (fast.first_picture_s, fast.first_picture_s_most, fast.without_picture) == (0.05, 0.05, 3)


def test_heights_change_from_what_was_shown_when_the_figures_began() -> None:
    classes = Classes([SLOW], 2)
    for at_us, height in ((1, 180), (BEGIN_US, 360), (BEGIN_US + 1_500_000, 720)):
        classes.picture(0, at_us, height)
    (found,) = classes.result(BEGIN_US, {})
    assert found.pictures == (((0.0, 360), (1.5, 720)), ((0.0, 0),))


def test_moments_are_of_all_viewers_in_order_of_time() -> None:
    found = only(
        second(1, 1, height=720, remb_bps=500, bytes=125, audio_lost=2),
        second(0, 1, height=360, remb_bps=300, bytes=125, frozen_us=500_000),
        second(0, 0, height=360),
        viewers=2,
    )
    first, then = found.over_time
    assert (first.second, first.viewers) == (0, 1)
    assert (then.second, then.viewers, then.received_bps, then.estimate_bps) == (1, 2, 1_000, 400)
    assert list(then.heights.items()) == [("720", 1), ("360", 1)]
    assert (then.frozen_s, then.audio_lost) == (0.5, 2)


def test_the_share_of_lost_sound_is_of_all_that_was_sent() -> None:
    assert only(second(audio=30, audio_lost=10)).audio_lost_share == 0.25


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.integers(0, 9),
            st.integers(0, 400_000),
            st.integers(1, 2_000_000),
            st.sampled_from([0, 360, 720]),
        ),
        max_size=60,
    )
)
def test_every_second_is_in_exactly_one_class_and_moment(told: list[tuple[int, int, int, int, int]]) -> None:
    classes = Classes([SLOW, FAST, SLOW], 7)
    seconds = [
        second(viewer, number, at_us=BEGIN_US + number * SECOND_US + drift + span, span_us=span, height=height, video=1)
        for viewer, number, drift, span, height in told
    ]
    classes.add(seconds, BEGIN_US)
    found = classes.result(BEGIN_US, {})
    assert sum(c.video for c in found) == len(seconds)
    assert sum(moment.viewers for c in found for moment in c.over_time) == len(seconds)
    for c in found:
        assert [m.second for m in c.over_time] == sorted({m.second for m in c.over_time})
        assert not c.heights or sum(c.heights.values()) == pytest.approx(1.0)
