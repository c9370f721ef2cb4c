"""The license service: builds its adapters, wires them and serves until stopped."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

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
    BUCKET_LICENSE,
    BUCKET_LICENSE_STATE,
    BUCKET_SECRETS,
    LICENSE_ACQUIRE,
    LICENSE_CHANGED,
    LICENSE_CHECK,
    LICENSE_INSTALL,
    LICENSE_RELEASE,
    LICENSE_STATUS,
    LICENSE_USAGE,
)
from rillcast.contracts.words import LicenseState, NodeKind
from rillcast.runtime import service
from rillcast.runtime.ports import Bus
from rillcast.runtime.service import Node
from services.license import metrics
from services.license.adapters.file_document import FileDocument
from services.license.config import LicenseSettings
from services.license.meter import UsageMeter
from services.license.seats import SeatDesk
from services.license.vault import LicenseVault

QUEUE = "license"
LOOK_EVERY_S = 5.0


async def run(settings: LicenseSettings) -> None:
    """One instance, until SIGTERM."""
    async with Node(settings, NodeKind.LICENSE) as node:
        seats = await node.kv(BUCKET_LICENSE, ttl_s=settings.seat_ttl_s)
        state = await node.kv(BUCKET_LICENSE_STATE)
        file = FileDocument(Path(settings.file)) if settings.file else None
        vault = LicenseVault(state, settings.key(), file, time.time)
        meter = UsageMeter(state, await node.kv(BUCKET_SECRETS), vault)
        desk = SeatDesk(seats, state, vault, time.monotonic, settings.seat_ttl_s)
        look_every_s = min(LOOK_EVERY_S, settings.seat_ttl_s / 4)  # who looks less often can't say that a seat expired
        office = Office(desk, vault, meter, node.info.node, look_every_s)
        with suppress(RillcastError):
            await vault.refresh()
            await meter.refresh()
        await office.serve(node.bus)
        node.spawn(vault.watch(), "license watch")
        node.spawn(office.measure(), "license metrics")
        node.spawn(office.announce(node.bus), "license events")
        await node.until_stopped()


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


def main() -> None:
    """Entry point of ``python -m services.license``."""
    service.main(run, LicenseSettings)
