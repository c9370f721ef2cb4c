"""One instance on the bus: what it answers, tells and measures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import REGISTRY

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
from rillcast.contracts.subjects import (
    LICENSE_CHANGED,
    LICENSE_CHECK,
    LICENSE_INSTALL,
    LICENSE_STATUS,
    LICENSE_USAGE,
    license_acquire,
    license_release,
)
from rillcast.contracts.words import NodeKind
from rillcast.licensing.document import License, issue_license
from rillcast.testing.bus import FakeBus
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from services.license.adapters.bus_requests import serve_requests
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.office import Office
from services.license.usecases.seat_desk import SeatDesk
from services.license.usecases.usage_meter import UsageMeter

KEY = Ed25519PrivateKey.generate()
NOW_S = 2_000_000_000
LOOK_EVERY_S = 5.0
TTL_S = 30.0


def document(license_id: str = "acme", total: int = 3, not_after_s: int | None = None, grace_s: int = 0) -> str:
    made = License(
        license_id=license_id,
        licensee="Acme",
        limit_total=total,
        issued_at_s=NOW_S - 100,
        not_after_s=not_after_s,
        grace_s=grace_s,
    )
    return issue_license(made, KEY)


class Site:
    """An instance that runs, and somebody on the bus."""

    def __init__(self) -> None:
        clock = asyncio.get_running_loop().time
        self.bus = FakeBus()
        self.seats, self.state = FakeKeyValue("seats", TTL_S, clock), FakeKeyValue("state", clock=clock)
        vault = LicenseVault(self.state, KEY.public_key(), None, lambda: NOW_S + clock())
        desk = SeatDesk(self.seats, self.state, vault, clock, TTL_S)
        meter = UsageMeter(self.state, vault)
        self.office = Office(
            node=NodeId("license-1"), bus=self.bus, desk=desk, vault=vault, meter=meter, seat_ttl_s=TTL_S
        )
        self.told: list[LicenseStatus] = []
        self.vault = vault

    async def start(self) -> list[asyncio.Task[None]]:
        async def hear(_: str, status: LicenseStatus) -> None:
            self.told.append(status)

        await self.bus.listen(LICENSE_CHANGED, LicenseStatus, hear)
        await serve_requests(self.bus, self.office)
        work = (self.vault.watch(), self.office.measure(), self.office.announce())
        return [asyncio.create_task(one) for one in work]

    async def acquire(self, node: str) -> SeatAnswer:
        request = SeatRequest(node=NodeId(node), kind=NodeKind.EDGE, incarnation="1")
        return await self.bus.request(license_acquire(NodeKind.EDGE), request, SeatAnswer)

    async def status(self) -> LicenseStatus:
        return await self.bus.request(LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus)

    async def install(self, text: str) -> LicenseStatus:
        return await self.bus.request(LICENSE_INSTALL, LicenseInstall(text), LicenseStatus)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    tasks = await made.start()
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await made.bus.close()


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"rillcast_license_{name}", labels)


async def test_seats_are_taken_given_back_and_shown(site: Site) -> None:
    await site.install(document(total=1))
    assert (await site.acquire("edge-1")).licensee == "Acme"
    with pytest.raises(RillcastError, match="all 1 seats"):
        await site.acquire("edge-2")
    status = await site.status()
    assert (status.used_by_kind, status.limit_total, status.answered_by) == ({"edge": 1}, 1, "license-1")
    await site.bus.request(license_release(NodeKind.EDGE), SeatRelease(node=NodeId("edge-1"), incarnation="1"), Ack)
    await site.acquire("edge-2")


@pytest.mark.parametrize("node", ["é", "a/b", "", "a b", "*", ">", "a..b", "../../etc", "x" * 200])
async def test_an_impossible_node_id_is_refused_before_it_is_looked_up(site: Site, node: str) -> None:
    release = SeatRelease(node=NodeId(node), incarnation="1")
    for asked in (site.acquire(node), site.bus.request(license_release(NodeKind.EDGE), release, Ack)):
        with pytest.raises(RillcastError, match=r"Expected 1 to 64 letters, .* at `\$\.node`") as refusal:
            await asked
        assert refusal.value.code is ErrorCode.BAD_REQUEST


async def test_a_document_is_looked_at_without_being_put_in_force(site: Site) -> None:
    looked_at = await site.bus.request(LICENSE_CHECK, LicenseCheck(document("other")), LicenseStatus)
    assert (looked_at.license_id, looked_at.state) == ("other", "valid")
    assert (await site.status()).community


async def test_a_change_is_told_to_everybody_once(site: Site) -> None:
    await site.install(document())
    await eventually(lambda: any(status.license_id == "acme" for status in site.told))
    count = len(site.told)
    await asyncio.sleep(60.0)
    assert len(site.told) == count


async def test_a_change_is_told_when_the_store_is_back(site: Site) -> None:
    await eventually(lambda: site.told)
    site.told.clear()
    await site.state.put("installed", document().encode())
    await eventually(lambda: site.vault.in_force().license.license_id == "acme")
    site.told.clear()
    site.seats.available = False
    site.vault.changed.set()
    await asyncio.sleep(LOOK_EVERY_S * 2)
    assert site.told == []
    site.seats.available = True
    await eventually(lambda: site.told)


async def test_the_gauges_follow_license_and_seats(site: Site) -> None:
    await site.install(document(total=7, not_after_s=NOW_S + 86_400, grace_s=100))
    await site.acquire("edge-1")
    await asyncio.sleep(LOOK_EVERY_S + 1.0)
    assert gauge("seats_used", kind="edge") == 1
    assert gauge("seats_limit", kind="total") == 7
    assert (gauge("state", state="valid"), gauge("state", state="expired")) == (1, 0)
    assert gauge("suspends_timestamp_seconds") == NOW_S + 86_500
    assert gauge("warning") == 1, "it ends within 30 days"


async def test_usage_is_counted_and_reported(site: Site) -> None:
    await site.install(document())
    for _ in range(120):
        await site.acquire("edge-1")
        await asyncio.sleep(10.0)
    usage = await site.bus.request(LICENSE_USAGE, LicenseUsageRequest(), LicenseUsage)
    assert usage.report.node_hours["edge"] == pytest.approx(1 / 3, abs=0.02)
    await asyncio.sleep(LOOK_EVERY_S)
    hours = gauge("node_hours", kind="edge")
    assert hours is not None
    assert hours > 0.3
