"""Whether what others send arrives: a bus that only stalls looks like everybody's death to who counts their silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.runtime import metrics
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

BEAT_S = 0.5
"""How often the server is asked for a sign of life."""
SILENT_S = 1.5
"""After an answer, how long the bus counts as heard without another one. Two beats may be late."""
ABANDONED_S = 8.0
"""A server that has answered nothing for so long is connected to anew: a new connection may find another way, or
another server."""
MOST_SILENT_S = 4.0
"""The same for a link on which answers always come late: twice as long as the last one took, and not longer."""


class Pulse:
    """The answers of the server to our pings. It tells times of uninterrupted hearing apart, each with a number: after
    an interruption, however long, nobody knows what was missed. A process that was frozen itself notices by the same
    means, since its clock ran on without an answer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._connected = False
        self._answered_at = 0.0
        self._silent_s = SILENT_S
        self._number = 0
        self._answer = asyncio.Event()
        self._told = False

    @property
    def hearing(self) -> int:
        """The number of the present time of hearing, from 1; 0 while nothing gets through."""
        return 0 if not self._connected or self._silent() else self._number

    @property
    def stalled(self) -> bool:
        """Whether the connection stands and yet nothing comes through it."""
        return self._connected and self._silent()

    def answered(self, took_s: float = 0.0) -> None:
        """The server has answered a ping after `took_s`, or has let us in."""
        if not self._connected or self._silent():
            self._number += 1
        self._connected = True
        self._answered_at = self._clock()
        self._silent_s = min(MOST_SILENT_S, max(SILENT_S, 2 * took_s))
        self._answer.set()
        self._answer = asyncio.Event()

    def lost(self) -> None:
        """The connection is gone."""
        self._connected = False

    async def heard_within(self, timeout_s: float) -> bool:
        """Whether the bus is heard now, or again within this time. A loop that was busy hears itself a moment later."""
        if self.stalled:
            answer = self._answer
            try:
                async with asyncio.timeout(timeout_s):
                    await answer.wait()
            except TimeoutError:
                return False
        return self._connected

    async def keep(self, ping: Callable[[], asyncio.Future[None]], abandon: Callable[[], None]) -> None:
        """Ask for a sign of life, again and again, for ever. `ping` asks the server; the future fails or is cancelled
        when the connection goes. One question is under way at most. `abandon` is called while the server has answered
        nothing for `ABANDONED_S`, and the connection must then go."""
        asked: asyncio.Future[None] | None = None
        asked_at = 0.0
        while True:
            if asked is None and self._connected:
                asked, asked_at = ping(), self._clock()
            if asked is not None:
                await asyncio.wait([asked], timeout=BEAT_S)
                if asked.done():
                    self._take(asked, asked_at)
                    asked = None
            self._show()
            if self._connected and asked is not None and self._clock() - asked_at > ABANDONED_S:
                abandon()
            if asked is None:
                await asyncio.sleep(max(BEAT_S / 5, asked_at + BEAT_S - self._clock()))

    def _take(self, asked: asyncio.Future[None], asked_at: float) -> None:
        if self._connected and not asked.cancelled() and asked.exception() is None:
            took_s = self._clock() - asked_at
            self.answered(took_s)
            metrics.BUS_ROUND_TRIP_SECONDS.observe(took_s)

    def _show(self) -> None:
        stalled = self.stalled
        metrics.BUS_STALLED.set(stalled)
        if stalled and not self._told:
            log.warning("NATS does not answer; nobody is taken for gone meanwhile")
        elif self._told and not stalled:
            log.info("NATS answers again" if self._connected else "NATS is gone after it had not answered")
        self._told = stalled

    def _silent(self) -> bool:
        return self._clock() - self._answered_at > self._silent_s
