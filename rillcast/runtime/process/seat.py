"""A node's seat under the cluster license: asked for at the start, renewed, given back at the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from enum import StrEnum

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import Ack, NodeInfo, SeatAnswer, SeatRelease, SeatRequest
from rillcast.runtime import metrics
from rillcast.runtime.ports import Bus
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)


class SeatState(StrEnum):
    """How it stands with the seat of a node: the labels of ``rillcast_license_seat``."""

    WAITING = "waiting"
    """For a first answer."""
    HELD = "held"
    UNCONFIRMED = "unconfirmed"
    """Held, and there is no answer now."""
    LAPSED = "lapsed"
    """There was no answer for the license's grace time."""
    REFUSED = "refused"


_SEATED = frozenset({SeatState.HELD, SeatState.UNCONFIRMED, SeatState.LAPSED})
_IN_SERVICE = frozenset({SeatState.HELD, SeatState.UNCONFIRMED})
_ASK_EVERY_S = 1.0


class Seat:
    """Keeps the readiness condition ``license``. While the license service or the bus is away, a node that held a seat
    goes on for the license's grace time; only then, or when it's refused, it takes no new work. What runs goes on."""

    def __init__(
        self, bus: Bus, info: NodeInfo, readiness: Readiness, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._info = info
        self._readiness = readiness
        self._clock = clock
        self._pause_s = _ASK_EVERY_S
        self._warning = ""
        self._confirmed_at_s = 0.0
        self._grace_s = 0.0
        self.state = SeatState.WAITING
        self._show("waiting for the license service")

    async def keep(self) -> None:
        """Ask for the seat and renew it, until cancelled. Belongs to a supervised task."""
        while True:
            await self.ask()
            await asyncio.sleep(self._pause_s * (0.8 + random.random() * 0.2))

    async def ask(self) -> None:
        """Ask once for the seat, or for its renewal. Raises nothing: whatever is answered becomes the state."""
        request = SeatRequest(node=self._info.node, kind=self._info.kind, incarnation=self._info.incarnation)
        try:
            answer = await self._bus.request(subjects.license_acquire(self._info.kind), request, SeatAnswer)
        except RillcastError as error:
            self._pause_s = _ASK_EVERY_S
            if error.code in {ErrorCode.SEAT_REFUSED, ErrorCode.LICENSE_SUSPENDED}:
                self._enter(SeatState.REFUSED, error.message)
                self._pause_s = 5.0
            elif self.state in _SEATED:
                self._go_on(error.message)
            return
        self._enter(SeatState.HELD, "")
        self._confirmed_at_s, self._grace_s = self._clock(), max(answer.grace_s, answer.ttl_s)
        self._pause_s = max(answer.ttl_s / 3, 0.05)
        if answer.warning != self._warning:
            self._warning = answer.warning
            if answer.warning:
                log.warning("The license needs attention", warning=answer.warning)

    async def release(self) -> None:
        """Give the seat back, on the way out. Waits a second at most; a seat that is not given back expires."""
        if self.state not in _SEATED:
            return
        try:
            await self._bus.request(
                subjects.license_release(self._info.kind),
                SeatRelease(node=self._info.node, incarnation=self._info.incarnation),
                Ack,
                timeout_s=1.0,
            )
        except RillcastError as error:
            log.debug("The seat was not given back, it expires", reason=error.message)

    def _go_on(self, reason: str) -> None:
        if self._clock() - self._confirmed_at_s < self._grace_s:
            self._enter(SeatState.UNCONFIRMED, reason)
        else:
            words = f"no license service has answered for the license's grace time of {_span(self._grace_s)}"
            self._enter(SeatState.LAPSED, f"{words} ({reason})")

    def _enter(self, state: SeatState, reason: str) -> None:
        if state is not self.state:
            self.state = state
            _say(state, reason)
        self._show(reason)

    def _show(self, reason: str) -> None:
        self._readiness.set("license", self.state in _IN_SERVICE, reason)
        for state in SeatState:
            metrics.LICENSE_SEAT.labels(state).set(state is self.state)


def _say(state: SeatState, reason: str) -> None:
    match state:
        case SeatState.REFUSED:
            log.error("No seat under the license, this node takes no new work", reason=reason)
        case SeatState.UNCONFIRMED:
            log.warning("The license service does not answer, going on", reason=reason)
        case SeatState.LAPSED:
            log.error("The license's grace time without a license service is over, no new work", reason=reason)
        case SeatState.HELD:
            log.info("Holds a seat under the license")
        case SeatState.WAITING:
            pass


def _span(seconds: float) -> str:
    return f"{seconds / 86_400:g} days" if seconds >= 86_400 else f"{seconds:g} s"
