"""Stores whose buckets are tested: of fakes, and of JetStream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import KeyValue
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from rillcast.testing.servers import NatsServer, nats_server


class Store(Protocol):
    """A store whose buckets are tested."""

    async def bucket(self, name: str, ttl_s: float | None = None) -> KeyValue: ...

    async def lose(self) -> None:
        """Let the store go away."""
        ...

    async def restore(self, *, empty: bool = False) -> None:
        """Let it come back, with or without what it knew."""
        ...

    async def remember(self) -> None:
        """Keep the present state aside, for `roll_back`."""
        ...

    async def roll_back(self) -> None:
        """Let the store go away and come back in the state that was kept aside, whatever was written since."""
        ...


class FakeStore:
    """Fakes."""

    def __init__(self) -> None:
        self.buckets: list[FakeKeyValue] = []
        self.remembered: list[int] = []

    async def bucket(self, name: str, ttl_s: float | None = None) -> KeyValue:
        self.buckets.append(FakeKeyValue(name, ttl_s))
        return self.buckets[-1]

    async def lose(self) -> None:
        for bucket in self.buckets:
            bucket.available = False

    async def restore(self, *, empty: bool = False) -> None:
        for bucket in self.buckets:
            bucket.available = True
            bucket.lose_state() if empty else bucket.interrupt()

    async def remember(self) -> None:
        self.remembered = [bucket.revision for bucket in self.buckets]

    async def roll_back(self) -> None:
        for bucket, revision in zip(self.buckets, self.remembered, strict=True):
            bucket.roll_back(revision)


class JetStreamStore:
    """A real server."""

    def __init__(self, server: NatsServer, connection: NatsConnection) -> None:
        self.server = server
        self.connection = connection

    async def bucket(self, name: str, ttl_s: float | None = None) -> KeyValue:
        made = NatsKeyValue(self.connection, name, ttl_s)
        await made.open()
        return made

    async def lose(self) -> None:
        await self.server.kill()
        await eventually(lambda: not self.connection.connected, 30, "the loss being noticed")

    async def restore(self, *, empty: bool = False) -> None:
        if empty:
            self.server.empty()
        await self._start()

    async def remember(self) -> None:
        await self.server.stop()  # in order, so that everything is on the disk
        self.server.copy_data()
        await self._start()

    async def roll_back(self) -> None:
        await self.lose()
        self.server.restore_data()
        await self._start()

    async def _start(self) -> None:
        await self.server.start()
        await eventually(lambda: self.connection.connected, 30, "the reconnect")


@asynccontextmanager
async def store_of(kind: str) -> AsyncIterator[Store]:
    if kind == "fake":
        yield FakeStore()
        return
    async with nats_server() as server:
        connection = NatsConnection(NodeSettings(nats_url=server.url, connect_timeout_s=30), "test")
        await connection.open()
        yield JetStreamStore(server, connection)
        await connection.close()
