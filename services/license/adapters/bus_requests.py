"""Serves the subjects of the license service on the bus."""

from __future__ import annotations

from rillcast.contracts import messages, subjects
from rillcast.runtime.ports import Bus
from services.license.usecases.office import Office

QUEUE = "license"
"""All instances answer in this queue group, so that each request goes to one of them."""


async def serve_requests(bus: Bus, office: Office) -> None:
    """Begin to answer requests, together with every other instance. Returns when the subjects are subscribed."""
    await bus.serve(subjects.LICENSE_ACQUIRE, messages.SeatRequest, office.acquire, queue=QUEUE)
    await bus.serve(subjects.LICENSE_RELEASE, messages.SeatRelease, office.release, queue=QUEUE)
    await bus.serve(subjects.LICENSE_STATUS, messages.LicenseStatusRequest, office.answer_status, queue=QUEUE)
    await bus.serve(subjects.LICENSE_CHECK, messages.LicenseCheck, office.check, queue=QUEUE)
    await bus.serve(subjects.LICENSE_INSTALL, messages.LicenseInstall, office.install, queue=QUEUE)
    await bus.serve(subjects.LICENSE_USAGE, messages.LicenseUsageRequest, office.usage, queue=QUEUE)
