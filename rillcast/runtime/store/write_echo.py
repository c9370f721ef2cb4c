"""How far the watch of a bucket lags behind, by a process's own writes: without anybody else's clock."""

from __future__ import annotations

from collections.abc import Callable

FORGOTTEN_S = 10.0
"""A write that the watch has not shown by then was skipped over, as after an interruption."""


class WriteEcho:
    """One per bucket. It follows one write at a time: the first one that begins when none is followed."""

    def __init__(self, clock: Callable[[], float], heard: Callable[[float], None]) -> None:
        """`clock`: monotonic seconds. `heard` is told the lag of each write that was followed, in seconds."""
        self._clock = clock
        self._heard = heard
        self._key = ""
        self._began = 0.0

    def writing(self, key: str) -> None:
        """A write begins. The watch may show it before it is acknowledged."""
        now = self._clock()
        if not self._key or now - self._began > FORGOTTEN_S:
            self._key, self._began = key, now

    def failed(self, key: str) -> None:
        """It was not written, as far as is known."""
        if key == self._key:
            self._key = ""

    def shown(self, key: str) -> None:
        """The watch shows a change of this key."""
        if key == self._key:
            self._key = ""
            self._heard(self._clock() - self._began)
