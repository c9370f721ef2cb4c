"""Tells when a job costs more than this machine has. No I/O.

The frame dropper leaves pictures out first. If too many are left out, the top rung is withdrawn, then the next; at last
the whole job is given up if another node has room for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from enum import StrEnum

WINDOW_S = 4.0
TOLERATED = 0.2
"""The share of frames left out up to which nothing is done. A cached GOP at the start exceeds it, hence `CALM_S`."""
SEEN = 0.1
"""The share from which on people see it."""
CALM_S = 5.0
"""For so long after a start, a new rung or a measure, nothing is judged."""

BACK_S = 60.0
"""A rung withdrawn for overload is tried again after so long, twice as long each further time."""
MOST_BACK_S = 16 * 60.0


class Verdict(StrEnum):
    """What to do about a job."""

    KEEP = "keep"
    SHED = "shed"
    """Do without the part of the work that costs most."""
    GIVE_UP = "give_up"
    """Even its only part is too much: let another node have the job if there is one."""


class OveruseDetector:
    """Watches one job, whatever it makes. Call `observe` about once a second."""

    def __init__(self, now: float) -> None:
        self._calm_until = now + CALM_S
        self._window: deque[tuple[float, int, int]] = deque()
        self.slow = False
        """Whether so many pictures were left out lately that people see it."""

    def disturbed(self, now: float) -> None:
        """Something was begun, or left out on purpose."""
        self._calm_until = now + CALM_S
        self._window.clear()

    def observe(self, made: int, left_out: int, parts: int, now: float) -> Verdict:
        """`made`, `left_out`: pictures (or the like) since the last call. `parts`: how many things are made of each."""
        if now < self._calm_until:
            return Verdict.KEEP
        self._window.append((now, made, left_out))
        while self._window[0][0] <= now - WINDOW_S:
            self._window.popleft()
        done = sum(entry[1] for entry in self._window)
        missed = sum(entry[2] for entry in self._window)
        self.slow = missed > SEEN * (done + missed)
        if missed <= TOLERATED * (done + missed) or now - self._window[0][0] < WINDOW_S / 2:
            return Verdict.KEEP
        self.disturbed(now)
        return Verdict.SHED if parts > 1 else Verdict.GIVE_UP


class Withdrawn:
    """The tracks that one job does without."""

    def __init__(self) -> None:
        self._until: dict[Hashable, float] = {}
        self._back_s = BACK_S

    def for_good(self, track: Hashable) -> None:
        """Do without this track for ever, because it can't be made."""
        self._until[track] = float("inf")

    def for_a_while(self, track: Hashable, now: float) -> None:
        """Do without this track for a while, because it is too much at present. Each time lasts longer."""
        self._until[track] = now + self._back_s
        self._back_s = min(2 * self._back_s, MOST_BACK_S)

    def back(self, now: float) -> bool:
        """Whether the time of some is over, so that they are to be made again. Call about once a second."""
        due = [track for track, until in self._until.items() if until <= now]
        for track in due:
            del self._until[track]
        return bool(due)

    def __contains__(self, track: object) -> bool:
        return track in self._until
