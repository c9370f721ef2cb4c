"""A node ends as a whole when one of its own tasks does: each part that starts tasks gets the node's supervisor."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery import consul_discovery
from rillcast.runtime.errors import Crashed
from rillcast.runtime.process import node as node_module
from rillcast.runtime.process.node import Node
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.testing.bus import FakeBus
from rillcast.testing.discovery import FakeDiscovery
from rillcast.testing.kv import FakeKeyValue


class EmptyHttp:
    port = 1

    async def start(self) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        pass


class BusWithBug(FakeBus):
    _fails = False

    def fail_once(self) -> None:
        self._fails = True

    async def emit(self, subject: str, event: msgspec.Struct) -> None:
        if self._fails:
            self._fails = False
            raise KeyError("a bug")
        await super().emit(subject, event)


class Part(FakeDiscovery):
    """A connection, or a discovery; it keeps the supervisor that the node gave it."""

    def __init__(self, *given: object, supervisor: Supervisor | None = None, **_: object) -> None:
        super().__init__()
        self.supervisor = supervisor or next(one for one in given if isinstance(one, Supervisor))

    async def open(self) -> None:
        pass

    async def require_permissions(self) -> None:
        pass

    async def close(self) -> None:
        pass


class FakeBuckets:
    take_writes = True

    def __init__(self, *_: Any) -> None:
        """As `NodeBuckets` is made."""

    async def get(self, bucket: str, ttl_s: float | None = None) -> FakeKeyValue:
        return FakeKeyValue(bucket, ttl_s)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Part]:
    """What the node makes, by its name."""
    made: dict[str, Part] = {}

    def making(name: str) -> Any:
        return lambda *given, **named: made.setdefault(name, Part(*given, **named))

    monkeypatch.setattr(node_module, "bind", lambda *_: None)
    monkeypatch.setattr(node_module, "HttpServer", lambda *_: EmptyHttp())
    monkeypatch.setattr(node_module, "NatsConnection", making("connection"))
    monkeypatch.setattr(node_module, "NodeBuckets", FakeBuckets)
    monkeypatch.setattr(node_module, "NatsBus", lambda _: BusWithBug())
    monkeypatch.setattr(consul_discovery, "ConsulDiscovery", making("consul"))
    return made


def node(discovery: str) -> Node:
    values = {"discovery": discovery, "advertise_address": "127.0.0.1", "log_level": "error"}
    return Node(NodeSettings.model_validate(values), NodeKind.LICENSE)


async def crash() -> None:
    raise KeyError("a bug")


@pytest.mark.parametrize("name", ["connection", "consul"])
async def test_a_crash_in_a_part_is_a_crash_of_the_node(parts: dict[str, Part], name: str) -> None:
    async def run() -> None:
        async with node("consul") as made:
            asyncio.get_running_loop().call_later(60, made.stop)
            parts[name].supervisor.spawn(crash(), f"a task of the {name}")
            await made.until_stopped()

    with pytest.raises(Crashed, match=f"a task of the {name}"):
        await run()


@pytest.mark.parametrize("discovery", ["nats", "consul"])
async def test_a_heartbeat_that_can_no_longer_be_sent_is_a_crash_of_the_node(
    parts: dict[str, Part], discovery: str
) -> None:
    async def run() -> None:
        async with node(discovery) as made:
            assert isinstance(made.bus, BusWithBug)
            asyncio.get_running_loop().call_later(0.5, made.bus.fail_once)  # after its first reports
            asyncio.get_running_loop().call_later(60, made.stop)
            await made.until_stopped()

    with pytest.raises(Crashed, match="heartbeat"):
        await run()
