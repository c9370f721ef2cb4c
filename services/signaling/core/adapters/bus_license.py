"""Asks the license service for the state of the license now and then, hears of changes, and remembers the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import (
    LicenseCheck,
    LicenseStatus,
    LicenseStatusRequest,
    LicenseUsage,
    LicenseUsageRequest,
)
from rillcast.contracts.words import LicenseState
from rillcast.runtime.ports import Bus
from services.signaling import metrics

REFRESH_S = 10.0


class BusLicense:
    """`ports.LicenseState`. While the license service is away, the last answer stands for the license's grace time;
    without any answer yet, all is allowed (a node without a seat isn't ready anyhow)."""

    def __init__(
        self, bus: Bus, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._wall = wall
        self._monotonic = monotonic
        self._heard_at_s = 0.0
        self.status: LicenseStatus | None = None
        """What the license service answered last; None while nothing is known."""

    @property
    def suspended(self) -> bool:
        """Ended and its grace time over, or nothing heard of it for as long."""
        status = self.status
        if status is None:
            return False
        if status.state is LicenseState.EXPIRED:
            return True
        silent_s = self._monotonic() - self._heard_at_s
        if silent_s < 2 * REFRESH_S:
            return False  # the license service judges by a clock that can't be set back
        ends_s = status.suspends_at_s
        return silent_s >= max(status.grace_s, subjects.SEAT_LEASE_S) or (ends_s is not None and self._wall() >= ends_s)

    async def refresh(self) -> None:
        """Ask the license service once, and remember the answer."""
        try:
            await self._heard(
                "", await self._bus.request(subjects.LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus)
            )
            metrics.LICENSE_KNOWN.set(1)
        except RillcastError:
            metrics.LICENSE_KNOWN.set(0)

    async def check(self, document: str) -> LicenseStatus:
        """What a document would be worth. Raises `RillcastError` when no license service answers."""
        return await self._bus.request(subjects.LICENSE_CHECK, LicenseCheck(document), LicenseStatus)

    async def usage(self, first_day: str, last_day: str) -> LicenseUsage:
        """The signed usage report. Raises BAD_REQUEST naming the day that is none; else as `check`."""
        request = LicenseUsageRequest(first_day=first_day, last_day=last_day)
        return await self._bus.request(subjects.LICENSE_USAGE, request, LicenseUsage)

    async def run(self) -> None:
        """Listen and ask until cancelled."""
        await self._bus.listen(subjects.LICENSE_CHANGED, LicenseStatus, self._heard)
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_S if self.status is not None else 1.0)

    async def _heard(self, _subject: str, status: LicenseStatus) -> None:
        self.status = status
        self._heard_at_s = self._monotonic()
