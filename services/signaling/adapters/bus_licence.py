"""Asks the license service for the state of the licence now and then, and remembers the answer."""

from __future__ import annotations

import asyncio

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import LicenseStatus, LicenseStatusRequest
from rillcast.runtime.ports import Bus
from services.signaling import metrics

REFRESH_S = 10.0


class BusLicence:
    """`ports.LicenceState`. While the license service is away, the last answer stands; without any, all is allowed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.status: LicenseStatus | None = None
        """As last answered."""

    @property
    def suspended(self) -> bool:
        """``expired`` is the state after the grace time."""
        return self.status is not None and self.status.state == "expired"

    async def refresh(self) -> None:
        """Ask once."""
        try:
            self.status = await self._bus.request(subjects.LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus)
            metrics.LICENCE_KNOWN.set(1)
        except RillcastError:
            metrics.LICENCE_KNOWN.set(0)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_S if self.status is not None else 1.0)
