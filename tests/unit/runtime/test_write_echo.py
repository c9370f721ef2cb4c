"""How far a watch lags behind is seen by a process's own writes."""

from __future__ import annotations

from rillcast.runtime.store.write_echo import FORGOTTEN_S, WriteEcho
from rillcast.testing.clock import FakeClock


def echo() -> tuple[WriteEcho, FakeClock, list[float]]:
    clock, lags = FakeClock(), list[float]()
    return WriteEcho(clock, lags.append), clock, lags


def test_a_write_is_measured_until_the_watch_shows_it() -> None:
    written, clock, lags = echo()
    written.writing("a")
    clock.advance(0.25)
    written.shown("b")
    assert lags == []
    written.shown("a")
    written.shown("a")
    assert lags == [0.25]


def test_one_write_is_followed_at_a_time() -> None:
    written, clock, lags = echo()
    written.writing("a")
    clock.advance(0.5)
    written.writing("b")
    written.shown("b")
    written.shown("a")
    assert lags == [0.5]


def test_a_write_that_failed_or_was_skipped_does_not_count() -> None:
    written, clock, lags = echo()
    written.writing("a")
    written.failed("a")
    written.shown("a")
    written.writing("b")
    clock.advance(FORGOTTEN_S + 1)
    written.writing("c")
    written.shown("b")
    clock.advance(1.0)
    written.shown("c")
    assert lags == [1.0]
