"""The two worlds in which the bus contract is tested: one process with fakes, and a real NATS server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest
from nats.aio.msg import Msg

from rillcast.contracts.version import PROTOCOL_VERSION, UNSAID_VERSION
from rillcast.runtime.bus import nats_connection, pulse
from rillcast.runtime.bus.envelope import PROTOCOL_HEADER
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import Bus
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import NatsServer, nats_server


class BusWorld(Protocol):
    """Two processes, `near` and `far`, on one bus."""

    near: Bus
    far: Bus

    async def send_raw(self, subject: str, body: bytes, *, protocol: int = PROTOCOL_VERSION) -> None:
        """Put bytes on the bus as an event of this version."""
        ...

    async def request_of_version_1(self, subject: str, body: bytes) -> bytes:
        """The answer's bytes for a request by a process that does not say its version."""
        ...

    async def serve_in_version_1(self, subject: str, answer: bytes) -> None:
        """Give these bytes as the answer of a process that neither says its version nor looks at others'."""
        ...

    async def lose(self) -> None:
        """Cut both off."""
        ...

    async def restore(self) -> None:
        """Bring the bus back, and wait until both know."""
        ...

    async def stall(self) -> None:
        """Let nothing get through, while the connections stand; returns when both know."""
        ...

    async def move(self) -> None:
        """End that, and wait until both know."""
        ...


class FakeWorld:
    """Fakes sharing a broker."""

    def __init__(self) -> None:
        broker = FakeBroker()
        self._near, self._far = FakeBus(broker), FakeBus(broker)
        self.near: Bus = self._near
        self.far: Bus = self._far

    async def send_raw(self, subject: str, body: bytes, *, protocol: int = PROTOCOL_VERSION) -> None:
        self._near.protocol = protocol
        self._near.send(subject, body)
        self._near.protocol = PROTOCOL_VERSION

    async def request_of_version_1(self, subject: str, body: bytes) -> bytes:
        found = self._near.broker.pick(subject)
        assert found is not None
        return await found[0](subject, body, 3.0, UNSAID_VERSION)

    async def serve_in_version_1(self, subject: str, answer: bytes) -> None:
        async def serve(_subject: str, _body: bytes, _remaining_s: float, _protocol: int) -> bytes:
            return answer

        former = FakeBus(self._far.broker)
        former.protocol = UNSAID_VERSION
        self._far.broker.servers[subject].append(("", serve, former))

    async def lose(self) -> None:
        self._near.connected = self._far.connected = False

    async def restore(self) -> None:
        self._near.connected = self._far.connected = True

    async def stall(self) -> None:
        self._near.stalled = self._far.stalled = True

    async def move(self) -> None:
        self._near.stalled = self._far.stalled = False

    async def close(self) -> None:
        await self._near.close()
        await self._far.close()


class NatsWorld:
    """Two connections to a real server, whose process is killed for an outage."""

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.settings = NodeSettings(nats_url=server.url, connect_timeout_s=30)
        self.connections = [NatsConnection(self.settings, name) for name in ("near", "far")]

    async def open(self) -> None:
        for connection in self.connections:
            await connection.open()
        self._near, self._far = (NatsBus(connection) for connection in self.connections)
        self.near: Bus = self._near
        self.far: Bus = self._far

    async def send_raw(self, subject: str, body: bytes, *, protocol: int = PROTOCOL_VERSION) -> None:
        headers = None if protocol == UNSAID_VERSION else {PROTOCOL_HEADER: str(protocol)}
        await self.connections[0].client.publish(subject, body, headers=headers)

    async def request_of_version_1(self, subject: str, body: bytes) -> bytes:
        return (await self.connections[0].client.request(subject, body, timeout=3)).data

    async def serve_in_version_1(self, subject: str, answer: bytes) -> None:
        async def respond(msg: Msg) -> None:
            await self.connections[1].client.publish(msg.reply, answer)  # `respond` would send our headers back

        await self.connections[1].client.subscribe(subject, cb=respond)
        for _ in range(2):  # nats-py writes the ping of a flush before the commands still waiting to be written
            await self.connections[1].client.flush()

    async def lose(self) -> None:
        await self.server.kill()
        await eventually(lambda: not self.near.connected and not self.far.connected, 30, "the loss being noticed")

    async def restore(self) -> None:
        await self.server.start()
        await eventually(lambda: self.near.hearing and self.far.hearing, 30, "the reconnect")
        for connection in self.connections:  # each tells the server anew to what it listens
            await connection.settle()

    async def stall(self) -> None:
        self.server.freeze()
        await eventually(lambda: not self.near.hearing and not self.far.hearing, 30, "the stall being noticed")

    async def move(self) -> None:
        self.server.freeze(False)
        await eventually(lambda: self.near.hearing and self.far.hearing, 30, "the bus being heard again")

    async def close_far(self) -> None:
        """That process leaves in order."""
        await self._far.close()
        await self.connections[1].close()

    async def close(self) -> None:
        for bus in (self._near, self._far):
            await bus.close()
        for connection in self.connections:
            await connection.close()


@asynccontextmanager
async def bus_world(kind: str) -> AsyncIterator[BusWorld]:
    """``fake`` or ``nats``."""
    if kind == "fake":
        fake = FakeWorld()
        yield fake
        await fake.close()
        return
    async with nats_server() as server:
        with pytest.MonkeyPatch.context() as patch:
            # A stall lasts as long as a test likes: nobody connects anew meanwhile.
            patch.setattr(nats_connection, "_PING_INTERVAL_S", 3_600)
            patch.setattr(pulse, "ABANDONED_S", 3_600.0)
            world = NatsWorld(server)
            await world.open()
            yield world
            await world.close()
