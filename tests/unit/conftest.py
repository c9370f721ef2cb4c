"""Unit tests share one process; what one of them sets for the process is undone before the next. None of them starts a
process, opens a socket or waits in real time: their event loop's time jumps, and who tries is told where to go."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from rillcast.testing.clock import VirtualTimeLoop

FORBIDDEN = {
    "socket.bind": "opens a socket",
    "socket.connect": "opens a connection",
    "subprocess.Popen": "starts a process",
    "os.fork": "starts a process",
    "os.posix_spawn": "starts a process",
}
"""Events of the interpreter (https://docs.python.org/3/library/audit_events.html), whoever causes them."""


class Watch:
    """What the running test does that no unit test may do."""

    def __init__(self) -> None:
        self.running = False
        self.seen: list[str] = []

    def hear(self, event: str, _arguments: object) -> None:
        """Called by the interpreter for every event, and in every thread; an exception stops what was tried."""
        if self.running and event in FORBIDDEN:
            self.refuse(FORBIDDEN[event], event)

    def refuse(self, what: str, how: str) -> None:
        """Remember it, and raise."""
        self.seen.append(f"a unit test {what} ({how}); such a test belongs in a suite of its own")
        raise AssertionError(self.seen[-1])


WATCH = Watch()
sys.addaudithook(WATCH.hear)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The only event loop that coroutine tests run on."""
    return {"virtual time": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def nothing_real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Fails a test that starts a process, opens a socket or sleeps, also when the code under test hides the error."""
    monkeypatch.setattr(time, "sleep", lambda _: WATCH.refuse("sleeps in real time", "time.sleep"))
    WATCH.seen.clear()
    WATCH.running = True
    yield WATCH
    WATCH.running = False
    assert not WATCH.seen, WATCH.seen[0]


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """A node configures logging for its whole process; its level and handlers end with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
