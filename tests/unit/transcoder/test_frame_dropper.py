"""Leaving pictures out, in virtual time: whatever happened, what is shown is of the present."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.testing.clock import FakeClock
from services.transcoder.domain.frame_dropper import STILL_S, FrameDropper

FRAME_S = 1 / 30


class Shown(msgspec.Struct, frozen=True):
    """An encoded picture."""

    index: int
    arrived_s: float
    done_s: float

    @property
    def age_s(self) -> float:
        return self.done_s - self.arrived_s


def work_off(
    arrivals: Sequence[float], decode_s: float, encode_s: float, stall: Callable[[float], float] = lambda _: 0.0
) -> list[Shown]:
    """A ladder's thread: takes frames in order, one at a time. `stall`: how much longer one begun then takes."""
    clock = FakeClock(0.0)
    backlog = FrameDropper(clock)
    shown: list[Shown] = []
    for index, arrived_s in enumerate(arrivals):
        clock.advance(max(0.0, arrived_s - clock()))
        waiting = sum(1 for later in arrivals[index + 1 :] if later <= clock())
        encode = backlog.encode(waiting)
        clock.advance(stall(clock()) + decode_s + (encode_s if encode else 0.0))
        if encode:
            shown.append(Shown(index, arrived_s, clock()))
    return shown


def steady(seconds: float) -> list[float]:
    return [index * FRAME_S for index in range(round(seconds / FRAME_S))]


def once(at_s: float, for_s: float) -> Callable[[float], float]:
    """A stall of the machine."""
    left = [for_s]

    def stall(now: float) -> float:
        return left.pop() if left and now >= at_s else 0.0

    return stall


def test_a_machine_with_time_to_spare_shows_every_picture_also_of_pairs() -> None:
    arrivals = [at + (FRAME_S if index % 10 == 9 else 0.0) for index, at in enumerate(steady(20))]
    assert len(work_off(arrivals, 0.004, 0.010)) == len(arrivals)


@pytest.mark.parametrize("cost_s", [0.012, 0.99 * FRAME_S])
@pytest.mark.parametrize("stall_s", [0.06, 0.2, 0.9])
def test_after_a_stall_nothing_stays_behind(cost_s: float, stall_s: float) -> None:
    shown = work_off(steady(10), cost_s / 3, cost_s * 2 / 3, once(5.0, stall_s))
    after = [picture for picture in shown if picture.arrived_s > 5.0 + 2 * stall_s + 0.2]
    assert max(picture.age_s for picture in after) <= cost_s + FRAME_S
    assert after[-1].age_s == pytest.approx(cost_s)
    assert len(after) >= 0.9 * (len(steady(10)) - after[0].index)


def test_a_machine_that_is_too_slow_shows_fewer_pictures_and_none_old() -> None:
    shown = work_off(steady(20), 0.006, 0.060)
    late = [picture.age_s for picture in shown if picture.arrived_s > 1.0]
    assert max(late) <= 2 * 0.066 + 1e-6, "waiting while one picture is made, and being made"
    assert len(shown) >= 20 * 10, "one per two or three frame times"


def test_a_cached_gop_is_decoded_and_its_end_shown() -> None:
    gop = [0.0] * 60 + [index * FRAME_S for index in range(1, 60)]
    shown = work_off(gop, 0.004, 0.010)
    assert shown[0].index >= 58
    assert shown[-1].age_s == pytest.approx(0.014)


def test_however_slow_the_picture_never_stands_still() -> None:
    shown = work_off(steady(10), 0.040, 0.020)
    times = [0.0, *(picture.done_s for picture in shown)]
    assert max(later - earlier for earlier, later in pairwise(times)) <= STILL_S + 0.1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 0.08), min_size=60, max_size=60),
    st.floats(0.001, 0.01),
    st.floats(0.001, 0.02),
    st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 0.4)), max_size=3),
)
def test_whatever_the_jitter_and_stalls_a_calm_second_ends_every_delay(
    jitter: list[float], decode_s: float, encode_s: float, stalls: list[tuple[float, float]]
) -> None:
    arrivals = sorted(at + (jitter[index] if index < 60 else 0.0) for index, at in enumerate(steady(6)))
    waits = [once(at_s, for_s) for at_s, for_s in stalls]
    shown = work_off(arrivals, decode_s, encode_s, lambda now: sum(wait(now) for wait in waits))
    calm = [picture for picture in shown if picture.arrived_s > 5.0]
    assert calm
    assert all(picture.age_s <= decode_s + encode_s + FRAME_S for picture in calm)
