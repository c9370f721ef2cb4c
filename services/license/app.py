"""The license service: builds its adapters, wires them and serves until stopped."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.subjects import BUCKET_LICENSE, BUCKET_LICENSE_STATE, BUCKET_SECRETS
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.entry import run_service
from rillcast.runtime.process.node import Node
from services.license.adapters.file_document import FileDocument
from services.license.config import LicenseSettings
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.office import LOOK_EVERY_S, Office
from services.license.usecases.seat_desk import SeatDesk
from services.license.usecases.usage_meter import UsageMeter


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


def main() -> None:
    """Entry point of ``python -m services.license``."""
    run_service(run, LicenseSettings)
