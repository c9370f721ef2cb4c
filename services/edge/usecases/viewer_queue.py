"""Viewers that are to be looked at: a few in each turn of the event loop, so that the figures of thousands, or a parent
whose silence concerns thousands, hold it for a millisecond or two and not for a quarter of a second."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Flag, auto
from itertools import islice

import msgspec

from rillcast.media.protocol import PlaneSession, SessionStats

TURN = 32
"""Viewers in one turn of the event loop: one takes some 40 µs."""
MARK_TURN = 512
"""Viewers that are marked in one turn: one takes some 0.5 µs."""


class Mark(Flag):
    """The reasons besides new figures for which a viewer is to be looked at."""

    NOTHING = 0
    LOST = auto()
    """A parent of its stream fell silent."""
    CHANGED = auto()
    """Its stream has other renditions than before."""


Look = Callable[[PlaneSession, SessionStats | None, Mark], None]


class ViewerQueue:
    """Each viewer once at most, by the plane's id of its session, in the order in which they came."""

    def __init__(self, look: Look) -> None:
        """`look` is called with the newest figures, if there are new ones; also for viewers who are gone meanwhile."""
        self._look = look
        self._figures: dict[PlaneSession, SessionStats] = {}
        self._marks: dict[PlaneSession, Mark] = {}
        self._order: deque[PlaneSession] = deque()
        self._to_mark: deque[tuple[Iterator[PlaneSession], Mark]] = deque()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._order) + len(self._to_mark)

    def put(self, stats: SessionStats) -> None:
        """Have a viewer looked at for its figures. Those that wait already are replaced, as their totals go on; the
        loss they saw is kept, and what a report has shown, if none came since."""
        session = stats.session
        waiting = self._figures.get(session)
        if waiting is None:
            self._wait(session)
        else:
            stats = _merged(waiting, stats)
        self._figures[session] = stats

    def mark(self, sessions: Iterable[PlaneSession], mark: Mark) -> None:
        """Have many looked at for another reason. They are taken from `sessions` a few at a time."""
        self._to_mark.append((iter(sessions), mark))
        self._some.set()

    async def run(self) -> None:
        """Look at those who wait, some in each turn of the event loop, until cancelled."""
        while True:
            await self._some.wait()
            self._mark_next()
            for _ in range(min(TURN, len(self._order))):
                session = self._order.popleft()
                stats, mark = self._figures.pop(session, None), self._marks.pop(session, Mark.NOTHING)
                self._look(session, stats, mark)
            if not len(self):
                self._some.clear()
            await asyncio.sleep(0)

    def _mark_next(self) -> None:
        left = MARK_TURN
        while self._to_mark and left:
            sessions, mark = self._to_mark[0]
            some = tuple(islice(sessions, left))
            for session in some:
                self._wait(session)
                self._marks[session] = self._marks.get(session, Mark.NOTHING) | mark
            if len(some) < left:
                self._to_mark.popleft()
            left -= len(some)

    def _wait(self, session: PlaneSession) -> None:
        if session in self._figures or session in self._marks:
            return
        self._order.append(session)
        if len(self._order) == 1:
            self._some.set()


def _merged(before: SessionStats, after: SessionStats) -> SessionStats:
    stats = msgspec.structs.replace(after, fraction_lost=max(before.fraction_lost, after.fraction_lost))
    if stats.lag_ms:
        return stats
    return msgspec.structs.replace(
        stats, lag_ms=before.lag_ms, delivered_bps=before.delivered_bps, backlogged=before.backlogged
    )
