"""How often something dear may be done. No I/O."""

from __future__ import annotations


class Pace:
    """Times that are as far apart as a rate says on average. After a rest, some come at once."""

    def __init__(self, per_s: float, at_once: int, now: float) -> None:
        """`at_once`: how many may come without a pause after a rest."""
        self._apart_s = 1.0 / per_s
        self._ahead_s = (at_once - 1) * self._apart_s
        self._next = now - self._ahead_s

    def wait_s(self, now: float) -> float:
        """How long whoever comes now has to wait. Counts as done at that time."""
        due = max(self._next, now - self._ahead_s)
        self._next = due + self._apart_s
        return max(0.0, due - now)
