"""Node-hours: every second counted once whoever looks, and a report nobody can change."""

from __future__ import annotations

import json

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import LicenseUsageRequest, UsageReport
from rillcast.licensing.usage_report import read_report
from rillcast.testing.clock import FakeClock
from rillcast.testing.kv import FakeKeyValue
from services.license.domain.usage import KEPT_DAYS
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.usage_meter import UsageMeter

DAY = 86_400
MIDNIGHT_S = 20_000.0 * DAY  # 2024-10-04, UTC
KEY = Ed25519PrivateKey.generate()


class Site:
    """Two meters on one store, and one clock."""

    def __init__(self) -> None:
        self.wall = FakeClock(MIDNIGHT_S)
        self.state = FakeKeyValue("state")
        self.meters = [UsageMeter(self.state, LicenseVault(self.state, None, None, self.wall)) for _ in range(2)]

    async def hours(self, hours: float, **used: int) -> None:
        """With both instances looking every half minute."""
        for _ in range(int(hours * 120)):
            self.wall.advance(30.0)
            for meter in self.meters:
                await meter.count(used)

    async def report(self, first: str = "", last: str = "") -> UsageReport:
        return (await self.meters[0].usage(LicenseUsageRequest(first_day=first, last_day=last))).report


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.meters[0].count({})
    return made


async def test_two_instances_count_every_hour_once_by_kind(site: Site) -> None:
    await site.hours(1, edge=3, origin=1)
    await site.hours(0.5, edge=1)
    report = await site.report()
    assert report.node_hours == {"edge": 3.5, "origin": 1.0}
    assert report.days[0].peak == {"edge": 3, "origin": 1}
    assert report.days[0].license_id == "community"
    assert site.meters[1].node_hours("community") == {"edge": 3.5, "origin": 1.0}


async def test_days_follow_each_other_without_a_gap_and_can_be_chosen(site: Site) -> None:
    await site.hours(23.5, edge=1)
    await site.hours(1, edge=1)
    report = await site.report()
    assert sum(report.node_hours.values()) == pytest.approx(24.5)
    assert [day.day for day in report.days] == ["2024-10-04", "2024-10-05"]
    assert (await site.report("2024-10-05")).node_hours["edge"] == pytest.approx(0.5, abs=0.01)


async def test_time_in_which_no_license_service_ran_is_noted_not_counted(site: Site) -> None:
    await site.hours(1, edge=2)
    site.wall.advance(3 * 3600.0)
    await site.hours(1, edge=2)
    report = await site.report()
    assert report.node_hours["edge"] == pytest.approx(4, abs=0.02)
    assert report.unmetered_hours == pytest.approx(3, abs=0.02)


async def test_a_clock_set_back_adds_nothing_and_counting_goes_on(site: Site) -> None:
    await site.hours(2, edge=1)
    site.wall.advance(-3600.0)
    await site.hours(1, edge=1)
    assert (await site.report()).node_hours["edge"] == pytest.approx(3, abs=0.02)


async def test_old_days_are_forgotten(site: Site) -> None:
    await site.hours(0.1, edge=1)
    site.wall.advance((KEPT_DAYS + 1.0) * DAY)
    await site.hours(0.1, edge=1)
    assert len((await site.report()).days) == 1
    assert await site.state.get("usage/2024-10-04") is None


async def test_a_day_that_the_first_version_counted_is_not_lost(site: Site) -> None:
    """As the first version of the service wrote it."""
    counted = {
        "measured_at_ms": int(MIDNIGHT_S * 1000),
        "unmetered_ms": 0,
        "licences": {"community": {"node_ms": {"edge": 7_200_000}, "peak": {"edge": 2}}},
    }
    await site.state.put("usage/2024-10-04", json.dumps(counted).encode())

    await site.hours(1, edge=1)

    report = await site.report()
    assert report.node_hours == {"edge": 3.0}
    assert report.days[0].peak == {"edge": 2}


async def test_a_broken_day_in_the_store_is_counted_anew(site: Site) -> None:
    await site.state.put("usage/2024-10-04", b"\x00")
    await site.hours(1, edge=1)
    assert (await site.report()).node_hours["edge"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("first", "last", "word"),
    [
        ("yesterday", "", "^first_day: .*yesterday"),
        ("", "2024-02-31", "^last_day: 2024-02-31"),
        ("2024-10-05", "2024-10-04", "after the last"),
    ],
)
async def test_impossible_days_are_named(site: Site, first: str, last: str, word: str) -> None:
    with pytest.raises(RillcastError, match=word) as caught:
        await site.report(first, last)
    assert caught.value.code is ErrorCode.BAD_REQUEST


async def test_any_instance_signs_with_the_cluster_s_key(site: Site) -> None:
    await site.hours(0.5, edge=1)
    one, two = [await meter.usage(LicenseUsageRequest()) for meter in site.meters]
    assert one.key_id == two.key_id
    assert read_report(one.signed.encode() + b"\n", one.key_id) == (one.report, one.key_id)
    assert jwt.decode(
        one.signed, jwt.PyJWK(jwt.get_unverified_header(one.signed)["jwk"]).key, algorithms=["EdDSA"]
    ) == json.loads(msgspec.json.encode(one.report))


async def test_a_store_that_is_away_is_said(site: Site) -> None:
    site.state.available = False
    with pytest.raises(RillcastError) as caught:
        await site.report()
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
