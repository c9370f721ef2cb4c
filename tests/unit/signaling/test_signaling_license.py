"""What signaling does about the license while a license service answers, and while none does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.messages import LicenseStatus, LicenseStatusRequest
from rillcast.contracts.words import LicenseState
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually
from services.signaling.core.adapters.bus_license import BusLicense
from tests.unit.signaling.signaling_harness import license_status

GRACE_S = 3_600


class Site:
    """A license service that can go away, and clocks."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.wall, self.monotonic = FakeClock(1_000_000.0), FakeClock(50.0)
        self.license = BusLicense(self.bus, self.wall, self.monotonic)
        self.state = LicenseState.VALID
        self.ends_s: int | None = None

    async def answer(self, _: LicenseStatusRequest) -> LicenseStatus:
        return msgspec.structs.replace(license_status(self.state), not_after_s=self.ends_s, grace_s=GRACE_S)

    async def away(self, seconds: float) -> bool:
        """Whether new sessions are refused after so long without an answer."""
        self.bus.connected = False
        self.wall.advance(seconds)
        self.monotonic.advance(seconds)
        await self.license.refresh()
        return self.license.suspended


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.bus.serve(subjects.LICENSE_STATUS, LicenseStatusRequest, made.answer)
    yield made
    await made.bus.close()


@pytest.mark.parametrize(
    ("state", "suspended"),
    [(state, state is LicenseState.EXPIRED) for state in LicenseState],
)
async def test_only_expired_suspends(site: Site, state: LicenseState, suspended: bool) -> None:
    site.state = state
    await site.license.refresh()
    assert site.license.suspended is suspended


async def test_the_last_answer_stands_for_the_grace_time_then_nothing_new_is_taken(site: Site) -> None:
    await site.license.refresh()
    assert await site.away(GRACE_S - 1) is False
    assert await site.away(2) is True
    site.bus.connected = True
    await site.license.refresh()
    assert site.license.suspended is False


async def test_a_license_does_not_outlive_its_grace_time_while_nobody_answers(site: Site) -> None:
    site.ends_s = int(site.wall()) - GRACE_S + 100
    site.state = LicenseState.GRACE
    await site.license.refresh()
    assert await site.away(90) is False
    assert await site.away(20) is True


async def test_without_any_answer_nothing_is_refused_for_the_license(site: Site) -> None:
    assert await site.away(10 * GRACE_S) is False


async def test_a_change_is_heard_at_once(site: Site) -> None:
    running = asyncio.create_task(site.license.run())
    await eventually(lambda: site.license.status)
    await site.bus.emit(subjects.LICENSE_CHANGED, license_status(LicenseState.EXPIRED))
    await eventually(lambda: site.license.suspended)
    running.cancel()
    await asyncio.wait([running])
