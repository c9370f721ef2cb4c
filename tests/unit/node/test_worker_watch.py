"""When a media thread that says nothing is taken to hang."""

from __future__ import annotations

import pytest

from rillcast.node.worker_watch import DOUBTFUL_S, HANGS_S, LOOK_S, STALLED_S, Silence, WorkerWatch

START = 100.0


class Time:
    """Looks at two workers every second; those in `speaking` say something just before."""

    def __init__(self) -> None:
        self.now = START
        self.watch = WorkerWatch(2, START)

    def passes(self, seconds: float, speaking: tuple[int, ...] = ()) -> Silence | None:
        """What the last look found."""
        found, end = None, self.now + seconds
        while self.now < end:
            self.now += LOOK_S
            for worker in speaking:
                self.watch.heard(worker, self.now)
            found = self.watch.look(self.now)
        return found


def test_workers_that_speak_are_not_doubted() -> None:
    assert Time().passes(10 * HANGS_S, speaking=(0, 1)) is None


def test_an_idle_worker_that_speaks_every_two_seconds_is_not_doubted() -> None:
    time = Time()
    for _ in range(20):
        assert time.passes(1, speaking=(0,)) is None
        assert time.passes(1, speaking=(0, 1)) is None


@pytest.mark.parametrize("silent", [0, 1])
def test_a_silent_worker_is_doubted_first_and_then_taken_to_hang(silent: int) -> None:
    time = Time()
    others = (1 - silent,)
    assert time.passes(DOUBTFUL_S - LOOK_S, speaking=others) is None
    doubted = time.passes(LOOK_S, speaking=others)
    assert doubted == Silence(silent, DOUBTFUL_S) and not doubted.hangs
    lost = time.passes(HANGS_S - DOUBTFUL_S, speaking=others)
    assert lost == Silence(silent, HANGS_S) and lost.hangs


def test_a_worker_that_never_spoke_counts_from_the_start() -> None:
    lost = Time().passes(HANGS_S)
    assert lost is not None and lost.hangs


def test_a_worker_that_comes_back_is_not_doubted_any_more() -> None:
    time = Time()
    assert time.passes(HANGS_S - LOOK_S, speaking=(0,)) is not None
    assert time.passes(LOOK_S, speaking=(0, 1)) is None


def test_after_a_standstill_of_its_own_it_gives_all_workers_their_time_anew() -> None:
    time = Time()
    time.passes(2, speaking=(0, 1))
    time.now += 60.0
    assert time.passes(LOOK_S) is None
    assert time.passes(DOUBTFUL_S - LOOK_S) is None
    assert time.passes(LOOK_S) is not None


def test_a_process_that_stands_still_again_and_again_blames_nobody() -> None:
    time = Time()
    for _ in range(50):
        time.now += STALLED_S
        assert time.passes(LOOK_S) is None


def test_being_a_little_late_does_not_excuse_a_worker() -> None:
    time = Time()
    for _ in range(int(HANGS_S / STALLED_S) + 1):
        time.now += STALLED_S - LOOK_S
        found = time.passes(LOOK_S, speaking=(0,))
    assert found is not None and found.hangs and found.worker == 1
