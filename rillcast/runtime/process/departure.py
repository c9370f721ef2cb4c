"""One drain of a node, as those see it who carry it out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Protocol

from rillcast.contracts.messages.drains import MOST_NAMED


class Load(StrEnum):
    """What keeps a node from being empty."""

    VIEWERS = "viewers"
    PUBLISHERS = "publishers"
    RELAYS = "relays"
    JOBS = "jobs"


Left = Mapping[Load, int]


class Departure:
    """Its deadline, which may change, and the list of those who were cut off."""

    def __init__(
        self, deadline_s: float, *, ending: bool, elsewhere: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        """`ending`: the process ends afterwards. `elsewhere`: whether another node can take what is here."""
        self.ending = ending
        self.elsewhere = elsewhere
        self.changed = asyncio.Event()
        """Set when the time that is left has changed."""
        self.cut: Counter[Load] = Counter()
        """How many were ended although no other node had taken them."""
        self.names: list[str] = []
        """The first `MOST_NAMED` of them."""
        self._clock = clock
        self._began = clock()
        self._over_at = self._began + deadline_s

    @property
    def deadline_s(self) -> float:
        """How long it may take in all, in seconds."""
        return self._over_at - self._began

    @property
    def left_s(self) -> float:
        """How much of that is left; 0 when it is over."""
        return max(0.0, self._over_at - self._clock())

    def left_before(self, share: float) -> float:
        """How many seconds are left until this share of the time is over."""
        return max(0.0, self.left_s - (1.0 - share) * self.deadline_s)

    def be_over_in(self, seconds: float) -> None:
        """Have another deadline, so many seconds from now."""
        self._over_at = self._clock() + seconds
        self.changed.set()

    def was_cut(self, what: Load, name: str) -> None:
        """Somebody was ended whom no other node had taken."""
        self.cut[what] += 1
        if len(self.names) < MOST_NAMED:
            self.names.append(name)


class Leaves(Protocol):
    """A service that can be emptied. Everything is called on the event loop."""

    async def leave(self, departure: Departure) -> None:
        """Take nothing new, and move what is here. Returns when nothing is left; is cancelled when the time is over, or
        when the drain is taken back. Called once in each drain."""
        ...

    def left(self) -> Left:
        """How many there are of each sort of thing."""
        ...

    def named(self) -> Iterable[tuple[Load, str]]:
        """Each of those who are harmed by being cut off."""
        ...

    async def cut(self) -> None:
        """End whatever is still here. Called once, after `leave` has ended."""
        ...

    def stay(self) -> None:
        """The drain was taken back: take new work again."""
        ...
