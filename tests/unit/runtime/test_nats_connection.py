"""A connection whose client has given up is made anew, and a bug in that ends the node. A server that really refuses:
`tests/contract/test_contract_outage.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from rillcast.runtime import metrics
from rillcast.runtime.bus import nats_connection
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.tasks.supervisor import Supervisor


class FakeServer:
    """Whether clients can connect, and the clients that did."""

    def __init__(self) -> None:
        self.refuses: Exception | None = None
        self.attempts = 0
        self.clients: list[FakeClient] = []


class FakeClient:
    """As much of nats-py's client as a connection uses."""

    connected_server_version = SimpleNamespace(major=2, minor=11, patch=0)
    _transport = None

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._server_info = {"auth_required": True}
        self.options: dict[str, Any] = {}
        self.is_connected = False
        self.is_closed = False

    async def connect(self, **options: Any) -> None:
        self._server.attempts += 1
        if self._server.refuses is not None:
            raise self._server.refuses
        self.options = options
        self.is_connected = True
        self._server.clients.append(self)

    def set_server_pool(self, _: object) -> None:
        pass

    async def flush(self, **_options: Any) -> None:
        pass

    async def close(self) -> None:
        self.is_connected = False
        self.is_closed = True

    async def give_up(self) -> None:
        """As nats-py when the server refuses it again and again."""
        await self.close()
        await self.options["closed_cb"]()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    made = FakeServer()
    monkeypatch.setattr(nats_connection, "TlsClient", lambda **_: FakeClient(made))
    return made


@pytest.fixture
def crashed() -> list[str]:
    return []


@pytest.fixture
async def connection(server: FakeServer, crashed: list[str]) -> AsyncIterator[NatsConnection]:
    made = NatsConnection(NodeSettings(), "edge-1", Supervisor(crashed.append))
    await made.open()
    yield made
    await made.close()
    assert server.clients[-1].is_closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_client_that_gave_up_is_replaced_once_the_server_takes_it(
    server: FakeServer, connection: NatsConnection, crashed: list[str]
) -> None:
    announced: list[object] = []

    async def announce() -> None:
        announced.append(connection.client)

    connection.on_connected(announce)
    (first,) = server.clients
    server.refuses = ConnectionRefusedError()
    await first.give_up()
    await first.options["closed_cb"]()
    await asyncio.sleep(60)
    assert not connection.connected
    assert announced == []

    server.refuses = None
    await asyncio.sleep(2)

    assert connection.connected
    assert announced == [connection.client]
    assert server.clients == [first, connection.client]
    assert crashed == []


async def test_a_bug_on_the_way_back_ends_the_node_rather_than_leave_it_without_a_bus(
    server: FakeServer, connection: NatsConnection, crashed: list[str]
) -> None:
    crashes = metrics.TASK_CRASHES.labels("nats revival")
    before = crashes._value.get()
    server.refuses = KeyError("a bug")

    await server.clients[0].give_up()
    await asyncio.sleep(10)

    assert crashed == ["nats revival"]
    assert crashes._value.get() == before + 1


async def test_nobody_tries_to_come_back_once_it_is_closed(server: FakeServer) -> None:
    crashed: list[str] = []
    connection = NatsConnection(NodeSettings(), "edge-1", Supervisor(crashed.append))
    await connection.open()
    server.refuses = ConnectionRefusedError()
    await server.clients[0].give_up()
    await asyncio.sleep(10)
    await connection.close()
    attempts = server.attempts

    await asyncio.sleep(60)
    await server.clients[0].options["closed_cb"]()
    await asyncio.sleep(60)

    assert server.attempts == attempts > 2
    assert crashed == []
