"""One instance of the license service: what it answers on the bus, what it tells, what it measures."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
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
from rillcast.contracts.subjects import LICENSE_CHANGED
from rillcast.contracts.words import LicenseState, NodeKind
from services.license import metrics
from services.license.ports import Bus
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.seat_desk import SeatDesk
from services.license.usecases.usage_meter import UsageMeter

LOOK_EVERY_S = 5.0
"""How often an instance looks at the seats, for the gauges and for the usage."""
LOOKS_PER_SEAT = 4
"""How often it does so at least in the time to live of a seat: who looks less often can't say that a seat expired."""


class Office:
    """One instance: what it answers on the bus, tells and measures."""

    def __init__(
        self, *, node: NodeId, bus: Bus, desk: SeatDesk, vault: LicenseVault, meter: UsageMeter, seat_ttl_s: float
    ) -> None:
        """`seat_ttl_s`: the time to live of a seat."""
        self._node = node
        self._bus = bus
        self._desk = desk
        self._vault = vault
        self._meter = meter
        self._look_every_s = min(LOOK_EVERY_S, seat_ttl_s / LOOKS_PER_SEAT)

    # ---- requests

    async def acquire(self, kind: NodeKind, request: SeatRequest) -> SeatAnswer:
        """Serve `subjects.license_acquire`; `kind` is the one in the subject, for which NATS vouches. Raises
        BAD_REQUEST for a node of another kind, else as `SeatDesk.acquire`."""
        if request.kind != kind:
            raise RillcastError(
                ErrorCode.BAD_REQUEST, f"{kind} nodes can't ask for the seat of a node of {request.kind}"
            )
        return await self._desk.acquire(request)

    async def release(self, kind: NodeKind, request: SeatRelease) -> Ack:
        """Serve `subjects.license_release`; `kind` is the one in the subject. Raises STORE_UNAVAILABLE."""
        await self._desk.release(request, kind)
        return Ack()

    async def answer_status(self, _: LicenseStatusRequest) -> LicenseStatus:
        """Serve `subjects.LICENSE_STATUS`. Raises STORE_UNAVAILABLE."""
        return await self.status()

    async def check(self, request: LicenseCheck) -> LicenseStatus:
        """Serve `subjects.LICENSE_CHECK`. A document that is refused is no error: the answer says so."""
        return self._vault.check(request.document.encode())

    async def install(self, request: LicenseInstall) -> LicenseStatus:
        """Serve `subjects.LICENSE_INSTALL`. Raises as `LicenseVault.install`."""
        await self._vault.install(request.document.encode())
        return await self.status()

    async def usage(self, request: LicenseUsageRequest) -> LicenseUsage:
        """Serve `subjects.LICENSE_USAGE`. Raises as `UsageMeter.usage`."""
        return await self._meter.usage(request)

    async def status(self) -> LicenseStatus:
        """The license in force and its use. Raises STORE_UNAVAILABLE."""
        status = await self._desk.status()
        hours = self._meter.node_hours(status.license_id)
        return msgspec.structs.replace(
            status, node_hours=round(sum(hours.values()), 2), answered_by=self._node, cluster=self._vault.cluster
        )

    # ---- what goes on by itself

    async def open(self) -> None:
        """Look at the license and at what has been used, before the first request. Without a store the instance begins
        with what it knows, and looks again."""
        with suppress(RillcastError):
            await self._vault.refresh()
            await self._meter.refresh()

    async def announce(self) -> None:
        """Tell everybody when the license, its state or its warning is another one, until cancelled."""
        while True:
            await self._vault.changed.wait()
            self._vault.changed.clear()
            try:
                await self._bus.emit(LICENSE_CHANGED, await self.status())
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
