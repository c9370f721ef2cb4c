"""The license service: builds its adapters, wires them and serves until stopped."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from rillcast.cluster.licensing import LicenceState
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import (
    Ack,
    LicenseInstall,
    LicenseStatus,
    LicenseStatusRequest,
    NodeKind,
    SeatAnswer,
    SeatRelease,
    SeatRequest,
)
from rillcast.contracts.subjects import (
    BUCKET_LICENSE,
    BUCKET_LICENSE_STATE,
    LICENSE_ACQUIRE,
    LICENSE_INSTALL,
    LICENSE_RELEASE,
    LICENSE_STATUS,
    SEAT_LEASE_S,
)
from rillcast.runtime import service
from rillcast.runtime.ports import Bus
from rillcast.runtime.service import Node
from services.license import metrics
from services.license.adapters.file_document import FileDocument
from services.license.config import LicenseSettings
from services.license.seats import SeatDesk
from services.license.vault import LicenceVault

QUEUE = "license"
MEASURE_S = 5.0


async def run(settings: LicenseSettings) -> None:
    """One instance, until SIGTERM."""
    async with Node(settings, NodeKind.LICENSE) as node:
        seats = await node.kv(BUCKET_LICENSE, ttl_s=SEAT_LEASE_S)
        state = await node.kv(BUCKET_LICENSE_STATE)
        file = FileDocument(Path(settings.file)) if settings.file else None
        vault = LicenceVault(state, settings.key(), file, time.time)
        desk = SeatDesk(seats, state, vault, time.monotonic)
        with suppress(RillcastError):
            await vault.refresh()
        await serve(node.bus, desk, vault)
        node.spawn(vault.watch(), "licence watch")
        node.spawn(measure(desk, vault), "licence metrics")
        await node.until_stopped()


async def serve(bus: Bus, desk: SeatDesk, vault: LicenceVault) -> None:
    """Answer on the bus, together with every other instance."""

    async def acquire(request: SeatRequest) -> SeatAnswer:
        return await desk.acquire(request)

    async def release(request: SeatRelease) -> Ack:
        await desk.release(request)
        return Ack()

    async def status(_: LicenseStatusRequest) -> LicenseStatus:
        return await desk.status()

    async def install(request: LicenseInstall) -> LicenseStatus:
        await vault.install(request.document.encode())
        return await desk.status()

    await bus.serve(LICENSE_ACQUIRE, SeatRequest, acquire, queue=QUEUE)
    await bus.serve(LICENSE_RELEASE, SeatRelease, release, queue=QUEUE)
    await bus.serve(LICENSE_STATUS, LicenseStatusRequest, status, queue=QUEUE)
    await bus.serve(LICENSE_INSTALL, LicenseInstall, install, queue=QUEUE)


async def measure(desk: SeatDesk, vault: LicenceVault) -> None:
    """Keep the gauges true until cancelled."""
    while True:
        now = vault.in_force()
        for state in LicenceState:
            metrics.STATE.labels(state.value).set(state is now.state)
        metrics.COMMUNITY.set(now.licence.community)
        metrics.EXPIRES.set(now.licence.not_after_s or 0)
        metrics.SEATS_LIMIT.clear()
        for kind, limit in {"total": now.limit_total, **now.limits_by_kind}.items():
            metrics.SEATS_LIMIT.labels(kind).set(limit)
        with suppress(RillcastError):
            used = await desk.used_by_kind()
            for node_kind in NodeKind:
                metrics.SEATS_USED.labels(node_kind.value).set(used.get(node_kind.value, 0))
        await asyncio.sleep(MEASURE_S)


def main() -> None:
    """Entry point of ``python -m services.license``."""
    service.main(run, LicenseSettings)
