"""The license service, wired: the only place that builds its parts and connects them."""

from __future__ import annotations

import time
from pathlib import Path

from rillcast.contracts.ids import NodeId
from rillcast.contracts.subjects import BUCKET_LICENSE, BUCKET_LICENSE_STATE
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.node import Node
from services.license.adapters.bus_requests import serve_requests
from services.license.adapters.file_document import FileDocument
from services.license.config import LicenseSettings
from services.license.ports import Bus, KeyValue
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.office import Office
from services.license.usecases.seat_desk import SeatDesk
from services.license.usecases.usage_meter import UsageMeter

__all__ = ["LicenseService", "LicenseSettings", "run"]


class LicenseService:
    """One instance on whatever it is given: real ports here, fakes in tests."""

    def __init__(
        self,
        settings: LicenseSettings,
        *,
        node: NodeId,
        bus: Bus,
        seats: KeyValue,
        state: KeyValue,
    ) -> None:
        """The two buckets; the keys of `seats` live for `seat_ttl_s`."""
        self._bus = bus
        file = FileDocument(Path(settings.file)) if settings.file else None
        self.vault = LicenseVault(state, settings.key(), file, time.time)
        self.office = Office(
            node=node,
            bus=bus,
            desk=SeatDesk(seats, state, self.vault, time.monotonic, settings.seat_ttl_s),
            vault=self.vault,
            meter=UsageMeter(state, self.vault),
            seat_ttl_s=settings.seat_ttl_s,
        )

    async def serve(self) -> None:
        """Begin to answer requests on the bus."""
        await self.office.open()
        await serve_requests(self._bus, self.office)


async def run(settings: LicenseSettings) -> None:
    """Run an instance until it is told to stop."""
    async with Node(settings, NodeKind.LICENSE) as node:
        await node.make_buckets({BUCKET_LICENSE: settings.seat_ttl_s})
        service = LicenseService(
            settings,
            node=node.info.node,
            bus=node.bus,
            seats=await node.kv(BUCKET_LICENSE, ttl_s=settings.seat_ttl_s),
            state=await node.kv(BUCKET_LICENSE_STATE),
        )
        await service.serve()
        node.spawn(service.vault.watch(), "license watch")
        node.spawn(service.office.measure(), "license metrics")
        node.spawn(service.office.announce(), "license events")
        await node.until_stopped()
