"""One instance of the license service: what it answers on the bus, what it tells, what it measures."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import (
    Ack,
    LicenseCheck,
    LicenseInstall,
    LicenseStatus,
    LicenseStatusRequest,
    LicenseUsage,
    LicenseUsageRequest,
    SeatAnswer,
    SeatRelease,
    SeatRequest,
)
from rillcast.contracts.subjects import (
    LICENSE_ACQUIRE,
    LICENSE_CHANGED,
    LICENSE_CHECK,
    LICENSE_INSTALL,
    LICENSE_RELEASE,
    LICENSE_STATUS,
    LICENSE_USAGE,
)
from rillcast.contracts.words import LicenseState, NodeKind
from services.license import metrics
from services.license.ports import Bus
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.seat_desk import SeatDesk
from services.license.usecases.usage_meter import UsageMeter

QUEUE = "license"
LOOK_EVERY_S = 5.0


class Office:
    """One instance: what it answers on the bus, tells and measures."""

    def __init__(
        self, desk: SeatDesk, vault: LicenseVault, meter: UsageMeter, name: str = "", look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._desk = desk
        self._vault = vault
        self._meter = meter
        self._name = name
        self._look_every_s = look_every_s

    async def serve(self, bus: Bus) -> None:
        """Answer, together with every other instance."""
        await bus.serve(LICENSE_ACQUIRE, SeatRequest, self._acquire, queue=QUEUE)
        await bus.serve(LICENSE_RELEASE, SeatRelease, self._release, queue=QUEUE)
        await bus.serve(LICENSE_STATUS, LicenseStatusRequest, self._status, queue=QUEUE)
        await bus.serve(LICENSE_CHECK, LicenseCheck, self._check, queue=QUEUE)
        await bus.serve(LICENSE_INSTALL, LicenseInstall, self._install, queue=QUEUE)
        await bus.serve(LICENSE_USAGE, LicenseUsageRequest, self._usage, queue=QUEUE)

    async def announce(self, bus: Bus) -> None:
        """Tell everybody when the license, its state or its warning is another one, until cancelled."""
        while True:
            await self._vault.changed.wait()
            self._vault.changed.clear()
            try:
                await bus.emit(LICENSE_CHANGED, await self.status())
            except RillcastError:
                self._vault.changed.set()
                await asyncio.sleep(self._look_every_s)

    async def measure(self) -> None:
        """Count usage and keep the gauges true, until cancelled."""
        while True:
            with suppress(RillcastError):
                used = await self._desk.used_by_kind()
                for kind in NodeKind:
                    metrics.SEATS_USED.labels(kind.value).set(used.get(kind.value, 0))
                await self._meter.count(used)
            self._show()
            await asyncio.sleep(self._look_every_s)

    async def status(self) -> LicenseStatus:
        """The license in force and its use. Raises STORE_UNAVAILABLE."""
        status = await self._desk.status()
        hours = self._meter.node_hours(status.license_id)
        return msgspec.structs.replace(status, node_hours=round(sum(hours.values()), 2), answered_by=self._name)

    def _show(self) -> None:
        now = self._vault.in_force()
        for state in LicenseState:
            metrics.STATE.labels(state.value).set(state is now.state)
        metrics.COMMUNITY.set(now.license.community)
        metrics.WARNING.set(bool(now.reason))
        end_s = now.license.not_after_s
        metrics.EXPIRES.set(end_s or 0)
        metrics.SUSPENDS.set(0 if end_s is None else end_s + now.license.grace_s)
        metrics.SEATS_LIMIT.clear()
        for kind, limit in {"total": now.limit_total, **now.limits_by_kind}.items():
            metrics.SEATS_LIMIT.labels(kind).set(limit)
        metrics.NODE_HOURS.clear()
        for kind, hours in self._meter.node_hours(now.license.license_id).items():
            metrics.NODE_HOURS.labels(kind).set(hours)

    async def _acquire(self, request: SeatRequest) -> SeatAnswer:
        return await self._desk.acquire(request)

    async def _release(self, request: SeatRelease) -> Ack:
        await self._desk.release(request)
        return Ack()

    async def _status(self, _: LicenseStatusRequest) -> LicenseStatus:
        return await self.status()

    async def _check(self, request: LicenseCheck) -> LicenseStatus:
        return self._vault.check(request.document.encode())

    async def _install(self, request: LicenseInstall) -> LicenseStatus:
        await self._vault.install(request.document.encode())
        return await self.status()

    async def _usage(self, request: LicenseUsageRequest) -> LicenseUsage:
        return await self._meter.usage(request)
