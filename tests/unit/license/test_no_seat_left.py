"""Whatever nodes, desks, the store and the clock do: no desk gives away more seats than there are, and when everybody
has left, no seat is taken and no work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import SeatRelease, SeatRequest
from rillcast.contracts.words import NodeKind
from rillcast.licensing.document import License, issue_license
from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.kv import FakeKeyValue
from services.license.domain.ledger import Ledger
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.seat_desk import LEDGER, SeatDesk

TTL_S = 6.0
TOTAL = 2
NODES = tuple(NodeId(name) for name in ("n1", "n2", "n3"))
EPOCH_S = 2_000_000_000.0
KEY = Ed25519PrivateKey.generate()
LICENSE = issue_license(
    License(license_id="acme", licensee="Acme", limit_total=TOTAL, issued_at_s=int(EPOCH_S) - 100), KEY
).encode()
NONSENSE = b'{"nodes": {"\xff": 1}}'

NODE, DESK = st.sampled_from(NODES), st.integers(0, 1)
LIFE = st.integers(1, 3)
STEP = st.one_of(
    st.tuples(st.just("acquire"), DESK, NODE, LIFE),
    st.tuples(st.just("give_up"), DESK, NODE, LIFE),
    st.tuples(st.just("release"), DESK, NODE, LIFE),
    st.tuples(st.just("give_up_release"), DESK, NODE, LIFE),
    st.tuples(st.just("store"), st.sampled_from(("down", "up", "lose_seats", "lose_ledger", "garble"))),
    st.tuples(st.just("clock"), st.sampled_from((-3_600.0, 0.0, 3_600.0))),
    st.tuples(st.just("time"), st.sampled_from((0.01, 1.0, 4.0, 7.0))),
)


class Slow(FakeKeyValue):
    """Its answers take a moment, so that others come in between, and a cancellation hits any of them."""

    async def get(self, key: str) -> Any:
        await asyncio.sleep(0.001)
        return await super().get(key)

    async def put(self, key: str, value: bytes) -> int:
        await asyncio.sleep(0.001)
        return await super().put(key, value)

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        await asyncio.sleep(0.001)
        return await super().update(key, value, revision)


class Play:
    """A store, two desks, and nodes that come and go."""

    def __init__(self) -> None:
        clock = asyncio.get_running_loop().time
        self.skew_s = 0.0
        self.seats = Slow("seats", TTL_S, clock)
        self.state = Slow("state", None, clock)
        self.vaults = [
            LicenseVault(self.state, KEY.public_key(), None, lambda: EPOCH_S + clock() + self.skew_s) for _ in range(2)
        ]
        self.desks = [SeatDesk(self.seats, self.state, vault, clock, TTL_S) for vault in self.vaults]
        self.under_way: list[asyncio.Task[Any]] = []

    async def open(self) -> None:
        """Put a license in force, and let it be known that the store is there."""
        await self.vaults[0].install(LICENSE)
        await self.vaults[1].refresh()
        await self.time(TTL_S)

    async def step(self, what: str, *arguments: Any) -> None:
        await getattr(self, what)(*arguments)
        ledger = await self.taken()
        assert ledger is None or len(ledger.nodes) <= TOTAL

    async def acquire(self, desk: int, node: NodeId, life: int) -> None:
        self._start(self._acquire(desk, node, life))
        await asyncio.sleep(0)

    async def give_up(self, desk: int, node: NodeId, life: int) -> None:
        await self._cut_off(self._acquire(desk, node, life))

    async def release(self, desk: int, node: NodeId, life: int) -> None:
        self._start(self._release(desk, node, life))

    async def give_up_release(self, desk: int, node: NodeId, life: int) -> None:
        await self._cut_off(self._release(desk, node, life))

    async def store(self, how: str) -> None:
        match how:
            case "lose_seats":
                self.seats.lose_state()
            case "lose_ledger" if self.state.available:
                await self.state.delete(LEDGER)
            case "garble" if self.state.available:
                await self.state.put(LEDGER, NONSENSE)
            case "up" | "down":
                self.seats.available = self.state.available = how == "up"
            case _:
                pass

    async def clock(self, skew_s: float) -> None:
        self.skew_s = skew_s

    async def time(self, seconds: float) -> None:
        """As the service does, the desks look at the seats several times in each time to live."""
        for _ in range(4):
            await asyncio.sleep(seconds / 4)
            for desk in self.desks:
                with suppress(RillcastError):
                    await desk.used_by_kind()

    async def taken(self) -> Ledger | None:
        """The ledger; None while it can't be read, or there is none."""
        entry = await self.state.get(LEDGER) if self.state.available else None
        if entry is None or entry.value is None or entry.value == NONSENSE:
            return None
        return msgspec.json.decode(entry.value, type=Ledger)

    async def everybody_leaves(self) -> None:
        """All is well again, and nobody renews."""
        self.seats.available = self.state.available = True
        await asyncio.wait([asyncio.create_task(asyncio.sleep(0)), *self.under_way])
        for _ in range(4):
            await self.time(TTL_S)

    def _acquire(self, desk: int, node: NodeId, life: int) -> Coroutine[Any, Any, Any]:
        return self.desks[desk].acquire(SeatRequest(node=node, kind=NodeKind.EDGE, incarnation=str(life)))

    def _release(self, desk: int, node: NodeId, life: int) -> Coroutine[Any, Any, Any]:
        return self.desks[desk].release(SeatRelease(node=node, incarnation=str(life)), NodeKind.EDGE)

    async def _cut_off(self, work: Coroutine[Any, Any, Any]) -> None:
        """The asker's deadline passes while the desk is at it."""
        task = asyncio.create_task(work)
        self.under_way.append(task)
        await asyncio.sleep(0.0015)
        task.cancel()

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        async def run() -> None:
            with suppress(RillcastError):
                await work

        self.under_way.append(asyncio.create_task(run()))


async def live_through(steps: list[tuple[Any, ...]]) -> None:
    play = Play()
    await play.open()
    before = asyncio.all_tasks()
    for step in steps:
        await play.step(*step)
    await play.everybody_leaves()

    assert [task for task in asyncio.all_tasks() - before if not task.done()] == []
    for desk in play.desks:
        assert await desk.used_by_kind() == {}
    for node in ("late-1", "late-2"):
        await play.desks[0].acquire(SeatRequest(node=NodeId(node), kind=NodeKind.EDGE, incarnation="1"))
    ledger = await play.taken()
    assert ledger is not None
    assert set(ledger.nodes) == {"late-1", "late-2"}, "the places of those who left are free"


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(STEP, max_size=30))
def test_when_everybody_has_left_no_seat_is_taken(steps: list[tuple[Any, ...]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(live_through(steps))
