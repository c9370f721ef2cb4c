"""What a link was seen to carry, and how fast a video is sent because of that."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import TrackId
from services.edge.domain.congestion_control import Congestion
from services.edge.domain.link_room import (
    LEAST_PACE,
    LEAST_PACE_BPS,
    PACE_SHARE,
    PACED_BELOW,
    STARVED_LATELY_S,
    STARVES_MOST_S,
    STARVES_S,
    LinkRoom,
)
from services.edge.domain.options import Option

VIDEO = Option(TrackId("v0"), 720, 1_000_000)
SOUND_BPS = 50_000
NEEDS_BPS = VIDEO.bitrate_bps + SOUND_BPS


def measured(bps: int) -> LinkRoom:
    room = LinkRoom()
    room.path_measured(bps)
    return room


def pace(room: LinkRoom, now: float = 0.0) -> int:
    return room.pace_bps(VIDEO, SOUND_BPS, now)


def test_nothing_is_paced_on_a_link_of_which_nothing_is_known_or_that_takes_far_more() -> None:
    assert pace(LinkRoom()) == 0
    assert pace(measured(int(NEEDS_BPS * PACED_BELOW))) == 0
    assert measured(1_100_000).pace_bps(Option(TrackId("v0"), 720, 0), SOUND_BPS, 0.0) == 0


@pytest.mark.parametrize("bps", [2_200_000, 2_500_000])
def test_a_link_that_takes_little_more_is_sent_what_it_takes_beside_the_sound(bps: int) -> None:
    assert pace(measured(bps)) == int(bps * PACE_SHARE) - SOUND_BPS


def test_a_video_that_fits_is_never_held_back_much() -> None:
    assert pace(measured(NEEDS_BPS)) == VIDEO.bitrate_bps * LEAST_PACE


def test_a_pulse_that_failed_may_show_more_room_and_never_less() -> None:
    room = measured(2_500_000)
    room.fell_short(700_000)

    assert room.seen_bps == 700_000
    assert pace(room) == int(2_500_000 * PACE_SHARE) - SOUND_BPS
    room.fell_short(10_000_000)
    assert pace(room) == 0


def test_what_a_probe_has_proven_ends_the_pace() -> None:
    room = measured(1_200_000)
    room.proven(5_000_000)

    assert pace(room) == 0


def test_congestion_shows_how_much_fits_and_at_least_the_lowest_rendition() -> None:
    room = measured(100_000_000)
    room.congested(Congestion(2_300_000), NEEDS_BPS, 1.0)
    assert pace(room) == int(2_300_000 * PACE_SHARE) - SOUND_BPS

    room.congested(Congestion(300_000), NEEDS_BPS, 2.0)
    assert pace(room, 2.0) == VIDEO.bitrate_bps * LEAST_PACE


def test_a_video_that_overflows_the_link_leaves_it_to_the_sound_for_ever_longer() -> None:
    room, until = measured(1_000_000), 0.0
    for length_s in (STARVES_S, 2 * STARVES_S, 4 * STARVES_S, 8 * STARVES_S, STARVES_MOST_S, STARVES_MOST_S):
        room.congested(Congestion(400_000, overflows=True), NEEDS_BPS, until)
        assert pace(room, until + length_s - 0.1) == int(400_000 * PACE_SHARE) - SOUND_BPS
        until += length_s
        assert pace(room, until) > VIDEO.bitrate_bps

    room.congested(Congestion(400_000, overflows=True), NEEDS_BPS, until + STARVED_LATELY_S)
    assert pace(room, until + STARVED_LATELY_S + STARVES_S) > VIDEO.bitrate_bps


def test_what_a_queue_shows_while_the_video_is_held_back_does_not_end_that() -> None:
    room = measured(1_000_000)
    room.congested(Congestion(400_000, overflows=True), NEEDS_BPS, 0.0)
    room.congested(Congestion(500_000), NEEDS_BPS, 1.0)

    assert pace(room, 1.0) == int(500_000 * PACE_SHARE) - SOUND_BPS


def test_some_of_the_video_is_sent_however_little_there_is() -> None:
    room = measured(1_000_000)
    room.congested(Congestion(20_000, overflows=True), NEEDS_BPS, 1.0)

    assert pace(room, 1.0) == LEAST_PACE_BPS


def test_less_is_sure_than_was_seen() -> None:
    assert 0 < measured(1_000_000).sure_bps < 1_000_000
