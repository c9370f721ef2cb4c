"""Serves the subjects of the license service on the bus."""

from __future__ import annotations

from functools import partial

from rillcast.contracts import messages, subjects
from rillcast.contracts.words import NodeKind
from rillcast.runtime.ports import Bus
from services.license.usecases.office import Office

QUEUE = "license"
"""All instances answer in this queue group, so that each request goes to one of them."""


async def serve_requests(bus: Bus, office: Office) -> None:
    """Begin to answer requests, together with every other instance. Returns when the subjects are subscribed."""
    for kind in (kind for kind in NodeKind if kind is not NodeKind.LICENSE):
        acquire, release = partial(office.acquire, kind), partial(office.release, kind)
        await bus.serve(subjects.license_acquire(kind), messages.SeatRequest, acquire, queue=QUEUE)
        await bus.serve(subjects.license_release(kind), messages.SeatRelease, release, queue=QUEUE)
    await bus.serve(subjects.LICENSE_STATUS, messages.LicenseStatusRequest, office.answer_status, queue=QUEUE)
    await bus.serve(subjects.LICENSE_CHECK, messages.LicenseCheck, office.check, queue=QUEUE)
    await bus.serve(subjects.LICENSE_INSTALL, messages.LicenseInstall, office.install, queue=QUEUE)
    await bus.serve(subjects.LICENSE_USAGE, messages.LicenseUsageRequest, office.usage, queue=QUEUE)
