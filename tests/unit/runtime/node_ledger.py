"""A node whose every part is a fake that writes down when it was opened and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery import consul_discovery
from rillcast.runtime.process import node as node_module
from rillcast.runtime.process.node import Node
from rillcast.runtime.settings import NodeSettings, env_prefix
from rillcast.testing.bus import FakeBus
from rillcast.testing.discovery import FakeDiscovery
from rillcast.testing.kv import FakeKeyValue

Fault = Callable[[], Awaitable[None]]


class EdgeSettings(NodeSettings):
    model_config = env_prefix("edge")


class LicenseSettings(NodeSettings):
    model_config = env_prefix("license")


class Ledger:
    """What was opened and what was closed, in order; at one step something happens."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.step_of_fault = ""
        self.fault: Fault | None = None

    async def step(self, name: str) -> None:
        if name == self.step_of_fault and self.fault is not None:
            fault, self.fault = self.fault, None
            await fault()

    async def open(self, name: str) -> None:
        self.opened.append(name)
        await self.step(name)

    async def close(self, name: str) -> None:
        self.closed.append(name)


class FakeConnection:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def open(self) -> None:
        await self._ledger.open("connection")

    async def require_permissions(self) -> None:
        return None

    async def close(self) -> None:
        await self._ledger.close("connection")


class LedgerBus(FakeBus):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        ledger.opened.append("bus")

    async def listen(self, *arguments: Any) -> None:
        await self._ledger.step("listen")
        await super().listen(*arguments)

    async def emit(self, subject: str, event: msgspec.Struct) -> None:
        await self._ledger.step("emit")
        await super().emit(subject, event)

    async def close(self) -> None:
        await self._ledger.close("bus")
        await super().close()


class FakeConsul(FakeDiscovery):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    async def open(self) -> None:
        await self._ledger.open("consul")

    async def register(self, info: NodeInfo) -> None:
        await self._ledger.open("register")
        await super().register(info)

    async def deregister(self) -> None:
        await self._ledger.close("register")
        await super().deregister()

    async def close(self) -> None:
        await self._ledger.close("consul")


class FakeHttp:
    port = 1

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        await self._ledger.open("admin")

    async def run(self) -> None:
        await self._stopped.wait()

    async def stop(self) -> None:
        self._stopped.set()
        await self._ledger.close("admin")


class FakeBuckets:
    take_writes = True

    def __init__(self, *_: Any) -> None:
        """As `NodeBuckets` is made."""

    async def get(self, bucket: str, ttl_s: float | None = None) -> FakeKeyValue:
        return FakeKeyValue(bucket, ttl_s)


def with_fakes(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made = Ledger()
    monkeypatch.setattr(node_module, "bind", lambda *_: None)
    monkeypatch.setattr(node_module, "HttpServer", lambda *_: FakeHttp(made))
    monkeypatch.setattr(node_module, "NatsConnection", lambda *_: FakeConnection(made))
    monkeypatch.setattr(node_module, "NodeBuckets", FakeBuckets)
    monkeypatch.setattr(node_module, "NatsBus", lambda _: LedgerBus(made))
    monkeypatch.setattr(consul_discovery, "ConsulDiscovery", lambda *_, **__: FakeConsul(made))
    return made


def node(discovery: str = "nats", **settings: object) -> Node:
    values = {"discovery": discovery, "advertise_address": "127.0.0.1", "log_level": "error", **settings}
    return Node(EdgeSettings.model_validate(values), NodeKind.EDGE)


def check(ledger: Ledger) -> None:
    """The invariant."""
    assert ledger.closed == list(reversed(ledger.opened))
    assert len(set(ledger.closed)) == len(ledger.closed)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def up_and_down(made: Node, body: Fault | None = None) -> None:
    async with made:
        if body is not None:
            await body()
        await made.until_stopped()
