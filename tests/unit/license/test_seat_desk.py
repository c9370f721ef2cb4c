"""Seats: counted once, never over the limit, whoever answers. Two desks share one store throughout."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SeatAnswer, SeatRelease, SeatRequest
from rillcast.contracts.words import NodeKind
from rillcast.licensing.document import COMMUNITY, License, issue_license
from rillcast.testing.clock import FakeClock
from rillcast.testing.kv import FakeKeyValue
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.seat_desk import LEDGER, SeatDesk

KEY = Ed25519PrivateKey.generate()
NOW_S = 2_000_000_000
TTL_S = 30.0
NEGATIVE = b'{"nodes": {"edge-9": {"kind": "edge", "incarnation": "1", "admitted_at_ms": -1}}}'


class Office:
    """A store, a license and two desks; time stands still until told otherwise."""

    def __init__(self, total: int, **by_kind: int) -> None:
        self.clock = FakeClock(0.0)
        self.set_back_s = 0.0
        self.seats = FakeKeyValue("seats", ttl_s=TTL_S, clock=self.clock)
        self.state = FakeKeyValue("state")
        self.license = License(
            license_id="acme", licensee="Acme", limit_total=total, limits_by_kind=by_kind, issued_at_s=NOW_S - 100
        )
        self.vaults = [self._vault() for _ in range(2)]
        self.desks = [SeatDesk(self.seats, self.state, vault, self.clock, TTL_S) for vault in self.vaults]
        self._turn = 0

    def _vault(self) -> LicenseVault:
        return LicenseVault(self.state, KEY.public_key(), None, lambda: NOW_S + self.clock() - self.set_back_s)

    async def open(self) -> Office:
        await self.vaults[0].install(issue_license(self.license, KEY).encode())
        await self.vaults[1].refresh()
        await self.pass_time(TTL_S)
        return self

    async def pass_time(self, seconds: float) -> None:
        """With the desks looking at the store now and then, as they do."""
        for _ in range(10):
            self.clock.advance(seconds / 10)
            for desk in self.desks:
                await desk.used_by_kind()

    async def acquire(self, node: str, incarnation: str = "1", kind: NodeKind = NodeKind.EDGE) -> SeatAnswer:
        """From one desk, the next time from the other."""
        self._turn += 1
        request = SeatRequest(node=NodeId(node), kind=kind, incarnation=incarnation)
        return await self.desks[self._turn % 2].acquire(request)

    async def release(self, node: str, incarnation: str = "1") -> None:
        self._turn += 1
        await self.desks[self._turn % 2].release(SeatRelease(node=NodeId(node), incarnation=incarnation), NodeKind.EDGE)

    async def refused(self, node: str, incarnation: str = "1", kind: NodeKind = NodeKind.EDGE) -> str:
        with pytest.raises(RillcastError) as caught:
            await self.acquire(node, incarnation, kind)
        assert caught.value.code is ErrorCode.SEAT_REFUSED
        assert caught.value.retry_after_s
        return caught.value.message

    async def used(self) -> int:
        return sum((await self.desks[0].used_by_kind()).values())


async def test_the_node_too_many_is_refused_with_the_reason_and_the_others_renew() -> None:
    office = await Office(2).open()
    assert (await office.acquire("edge-1")).licensee == "Acme"
    await office.acquire("origin-1", kind=NodeKind.ORIGIN)
    assert "all 2 seats of license acme (Acme) are taken (1 edge, 1 origin)" in await office.refused("edge-2")
    await office.acquire("edge-1")
    await office.acquire("origin-1", kind=NodeKind.ORIGIN)
    assert await office.used() == 2


async def test_a_limit_by_kind_leaves_the_other_kinds_alone() -> None:
    office = await Office(5, edge=1).open()
    await office.acquire("edge-1")
    assert "all 1 seats for edge nodes" in await office.refused("edge-2")
    await office.acquire("origin-1", kind=NodeKind.ORIGIN)


async def test_a_released_seat_is_free_at_once() -> None:
    office = await Office(1).open()
    await office.acquire("edge-1")
    await office.release("edge-1")
    await office.acquire("edge-2")
    assert await office.used() == 1


async def test_releasing_twice_or_anothers_seat_changes_nothing() -> None:
    office = await Office(1).open()
    await office.release("nobody")
    await office.acquire("edge-1", "2")
    await office.release("edge-1", "1")
    assert await office.used() == 1
    await office.refused("edge-2")


async def test_a_restart_under_the_same_node_id_takes_its_own_seat_over() -> None:
    office = await Office(1).open()
    for incarnation in ("1", "2", "3"):
        await office.acquire("edge-1", incarnation)
    assert await office.used() == 1


async def test_two_processes_under_one_node_id_do_not_fight_over_the_seat() -> None:
    office = await Office(5).open()
    await office.acquire("edge-1", "old")
    await office.acquire("edge-1", "new")
    assert "node id edge-1" in await office.refused("edge-1", "old")
    await office.acquire("edge-1", "new")
    assert await office.used() == 1


async def test_a_node_id_may_change_its_kind_once_its_seat_has_expired() -> None:
    office = await Office(2, edge=1).open()
    await office.acquire("node-1", kind=NodeKind.EDGE)
    assert "that of a node of the kind edge" in await office.refused("node-1", "2", NodeKind.ORIGIN)
    await office.pass_time(TTL_S)
    await office.acquire("node-1", "2", kind=NodeKind.ORIGIN)
    await office.acquire("edge-1", kind=NodeKind.EDGE)
    assert await office.desks[1].used_by_kind() == {"origin": 1, "edge": 1}


async def test_a_killed_nodes_seat_is_free_after_its_time_to_live() -> None:
    office = await Office(1).open()
    await office.acquire("edge-1")
    await office.pass_time(TTL_S - 1)
    await office.refused("edge-2")
    await office.pass_time(1)
    await office.acquire("edge-2")
    assert await office.used() == 1


async def test_fifty_kills_and_reschedules_leak_no_seat() -> None:
    office = await Office(4).open()
    for node in ("origin", "transcoder", "signaling"):
        await office.acquire(node)
    for cycle in range(50):
        await office.acquire(f"edge-{cycle}")
        await office.refused("one-too-many")
        for _ in range(3):
            await office.pass_time(TTL_S / 3)
            for node in ("origin", "transcoder", "signaling"):
                await office.acquire(node)
    ledger = msgspec.json.decode((await office.state.get(LEDGER)).value)  # type: ignore[union-attr,arg-type]
    assert len(ledger["nodes"]) <= 4
    assert await office.used() == 3


async def test_many_nodes_at_once_at_both_desks_get_exactly_the_seats_there_are() -> None:
    office = await Office(7).open()
    answers = await asyncio.gather(*(office.acquire(f"edge-{n}") for n in range(20)), return_exceptions=True)
    granted = [answer for answer in answers if isinstance(answer, SeatAnswer)]
    assert len(granted) == 7
    assert await office.used() == 7


async def test_after_an_outage_of_the_store_sitting_nodes_come_first() -> None:
    office = await Office(2).open()
    await office.acquire("edge-1")
    await office.acquire("edge-2")
    office.seats.available = office.state.available = False
    for desk in office.desks:
        with pytest.raises(RillcastError) as caught:
            await desk.acquire(SeatRequest(node=NodeId("edge-1"), kind=NodeKind.EDGE, incarnation="1"))
        assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
    office.clock.advance(10 * TTL_S)
    office.seats.available = office.state.available = True
    await office.refused("edge-3")
    await office.acquire("edge-1")
    await office.acquire("edge-2")


async def test_fewer_seats_after_a_downgrade_disturb_no_sitting_node() -> None:
    office = await Office(3).open()
    for node in ("a", "b", "c"):
        await office.acquire(node)
    smaller = msgspec.structs.replace(office.license, license_id="small", limit_total=1, issued_at_s=NOW_S)
    await office.vaults[0].install(issue_license(smaller, KEY).encode())
    await office.vaults[1].refresh()
    for node in ("a", "b", "c"):
        await office.acquire(node)
    await office.acquire("b", "restarted")
    assert "small" in await office.refused("d")


@pytest.mark.parametrize("nonsense", [b"{not json", b'{"nodes": {"\xff": 1}}', b"[" * 100_000, NEGATIVE])
async def test_an_unreadable_ledger_is_made_anew_of_the_seats_that_are_taken(nonsense: bytes) -> None:
    office = await Office(2).open()
    await office.acquire("edge-1")
    await office.acquire("edge-2")
    await office.state.put(LEDGER, nonsense)
    assert "all 2 seats" in await office.refused("edge-3")
    await office.release("edge-1")
    await office.acquire("edge-3")


async def test_a_clock_set_back_leaks_no_seat() -> None:
    office = await Office(1).open()
    await office.vaults[0].refresh()
    office.set_back_s = 365 * 86_400.0
    await office.acquire("edge-1")
    await office.pass_time(TTL_S + 1)
    await office.acquire("edge-2")
    assert await office.used() == 1


async def test_the_status_names_license_limits_and_use() -> None:
    office = await Office(9, edge=4).open()
    await office.acquire("edge-1")
    await office.acquire("origin-1", kind=NodeKind.ORIGIN)
    status = await office.desks[1].status()
    assert (status.license_id, status.licensee, status.community, status.state) == ("acme", "Acme", False, "valid")
    assert (status.limit_total, status.limits_by_kind) == (9, {"edge": 4})
    assert status.used_by_kind == {"edge": 1, "origin": 1}


async def test_without_a_license_the_community_serves() -> None:
    office = Office(1)
    await office.vaults[0].refresh()
    status = await office.desks[0].status()
    assert (status.community, status.state, status.limit_total) == (True, "valid", COMMUNITY.limit_total)
    for node in range(COMMUNITY.limit_total):
        await office.desks[0].acquire(SeatRequest(node=NodeId(f"n{node}"), kind=NodeKind.EDGE, incarnation="1"))
    assert "Community" in await office.refused("one-more")
