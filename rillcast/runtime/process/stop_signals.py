"""SIGTERM and SIGINT, from a process's first line of Python to its last.

A process that is told to stop ends with exit code 0 at every moment of its life. So the handlers are installed once and
stay; only what they do changes: at first they end the process at once, since nothing is open yet, then they tell the
node, and while the process ends they do nothing. Imported before everything else, hence it imports nothing of weight.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def _leave() -> None:
    os._exit(0)


def _ignore() -> None:
    pass


class _Told:
    """What happens on a signal."""

    act: Callable[[], object] = staticmethod(_leave)


def catch() -> None:
    """Install the handlers, in the main thread. Further calls change nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)


@contextmanager
def handed_to(stop: Callable[[], object]) -> Iterator[None]:
    """Inside, signals call `stop`, in the main thread between any two bytecodes. Afterwards they do nothing.

    Changes nothing in a process that never called `catch`."""
    _Told.act = staticmethod(stop)
    try:
        yield
    finally:
        _Told.act = staticmethod(_ignore)


def ignore() -> None:
    """From now on the process ends by itself. Not by a handler: the interpreter puts Python's handlers back to the
    default on its way out, and the default kills."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    _Told.act()
