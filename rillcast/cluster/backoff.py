"""How long to wait before trying again. Delays double up to a bound, and are random so that many children do not
come at once."""

from __future__ import annotations

import random


class Backoff:
    """The delays between attempts. The first one is short, since most parents that are lost have been replaced
    already."""

    def __init__(self, first_s: float = 0.1, most_s: float = 2.0, rng: random.Random | None = None) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._rng = rng or random.Random()
        self.failures = 0

    def next_delay_s(self) -> float:
        """The delay before the next attempt in seconds: evenly distributed between half and all of the doubled step."""
        step = min(self._most_s, self._first_s * float(2 ** min(self.failures, 16)))
        self.failures += 1
        return step * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """An attempt has succeeded: the next delay is the first one again."""
        self.failures = 0
