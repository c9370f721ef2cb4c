"""Two owners on a real nats-server that was given an earlier copy of its data: in the end there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rillcast.cluster.lease import Lease
from rillcast.cluster.lease_keeper import LeaseKeeper
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import ClaimId, new_claim_id
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import NatsServer, nats_server

TTL_S = 6.0
WALL_MS = 1_790_000_000_000


class World:
    """The server, its bucket, and a clock that only tests turn."""

    def __init__(self, server: NatsServer, connection: NatsConnection) -> None:
        self.server = server
        self.connection = connection
        self.bucket = NatsKeyValue(connection, "streams")
        self.clock = FakeClock()

    def owner(self, name: str) -> LeaseKeeper:
        """Its record is its name and the epoch."""

        def written_by(value: bytes, _revision: int) -> tuple[str, Epoch]:
            owner, number, claim = value.decode().split()
            return owner, Epoch(int(number), ClaimId(claim))

        return LeaseKeeper(
            self.bucket,
            "k",
            Lease(TTL_S, self.clock(), new_claim_id()),
            record_of=lambda epoch: f"{name} {epoch.number} {epoch.claim}".encode(),
            written_by=written_by,
            on_no_record=lambda: None,
            on_forgotten=lambda: None,
            clock=self.clock,
            wall_ms=lambda: WALL_MS + round(self.clock() * 1_000),
        )

    async def remember(self) -> None:
        await self.server.stop()
        await eventually(lambda: not self.connection.connected, what="the loss being noticed")
        self.server.copy_data()
        await self._start()

    async def forget(self) -> None:
        await self.server.kill()
        await eventually(lambda: not self.connection.connected, what="the loss being noticed")
        self.server.restore_data()
        await self._start()

    async def now_there(self) -> str:
        entry = await self.bucket.get("k")
        return entry.value.decode().split()[0] if entry is not None and entry.value is not None else ""

    async def _start(self) -> None:
        await self.server.start()
        await eventually(lambda: self.connection.connected, 30, "the reconnect")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with nats_server() as server:
        connection = NatsConnection(NodeSettings(nats_url=server.url), "test")
        await connection.open()
        made = World(server, connection)
        await made.bucket.open()
        yield made
        await connection.close()


async def test_an_owner_that_was_forgotten_has_its_key_again_with_its_next_write(world: World) -> None:
    await world.remember()
    owner = world.owner("first")
    assert await owner.claim()
    before = owner.lease.epoch
    await world.forget()
    assert await world.now_there() == ""

    world.clock.advance(TTL_S / 3)
    for _ in range(3):  # it is refused, looks, and claims anew
        await owner.step()

    assert await world.now_there() == "first"
    assert (owner.lease.epoch.claim, owner.lease.epoch > before) == (before.claim, True)


async def test_of_two_owners_with_one_revision_the_later_one_stays_although_the_earlier_one_overwrites_it(
    world: World,
) -> None:
    await world.remember()
    first, second = world.owner("first"), world.owner("second")
    assert await first.claim()
    await world.forget()
    world.clock.advance(0.5)
    assert await second.claim()
    assert first.lease.revision == second.lease.revision, "it was given out twice"
    assert first.lease.epoch < second.lease.epoch

    first.hurry()
    await first.step()
    assert await world.now_there() == "first"
    world.clock.advance(TTL_S / 3)
    for owner in (second, first):
        for _ in range(3):  # it is refused, looks, and claims anew or stands down
            await owner.step()

    assert await world.now_there() == "second"
    assert (first.lease.lost, first.lost_to, second.lease.held) == (True, "second", True)
