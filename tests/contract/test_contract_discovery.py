"""What every `Discovery` does: the same tests on the fake, on heartbeats over NATS, and on a real Consul agent."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Protocol

import pytest

from rillcast.cli.consul_setup import set_up
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.registry import RegistryUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.discovery.consul_discovery import ConsulDiscovery
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.heartbeat import Heartbeat
from rillcast.runtime.discovery.nats_discovery import NatsDiscovery, feed_directory
from rillcast.runtime.http.places import Places
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.ports import Discovery
from rillcast.runtime.process.admin import admin_app
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.discovery import FakeDiscovery, FakeRegistry
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import ConsulAgent, NatsServer, consul_agent, nats_server, need_consul


class Member:
    """A node with its own `Discovery`, and the /readyz that tells of it."""

    def __init__(
        self,
        info: NodeInfo,
        readiness: Readiness,
        discovery: Discovery,
        ready_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.info = info
        self.readiness = readiness
        self.discovery = discovery
        self._ready_changed = ready_changed

    def set_ready(self, ready: bool) -> None:
        """What its next check or heartbeat will say."""
        self.readiness.set("test", ready, "told so")
        self._ready_changed()

    async def announce(self, ready: bool) -> None:
        """That, and telling the others at once."""
        self.set_ready(ready)
        await self.discovery.announce(ready)


class World(Protocol):
    """A registry and the way nodes get at it."""

    async def member(self, kind: NodeKind, *, ready: bool = True) -> Member:
        """A node, not registered yet."""
        ...

    async def lose(self) -> None:
        """Let the registry go away."""
        ...

    async def restore(self, *, empty: bool = False) -> None:
        """Let it come back, with or without what it knew."""
        ...


def describe(kind: NodeKind, admin_port: int = 1) -> NodeInfo:
    return NodeInfo(
        node=NodeId(f"{kind}-{secrets.token_hex(4)}"),
        kind=kind,
        version="1.2.3",
        region="eu",
        zone="eu-1",
        admin_address=f"127.0.0.1:{admin_port}",
        media_addresses=("192.0.2.7", "2001:db8::7"),
        relay_address="192.0.2.7",
        http_address="192.0.2.7:5080",
        incarnation=secrets.token_hex(8),
    )


class FakeWorld:
    def __init__(self) -> None:
        self.registry = FakeRegistry()
        self.all: list[FakeDiscovery] = []

    async def member(self, kind: NodeKind, *, ready: bool = True) -> Member:
        discovery = FakeDiscovery(self.registry)
        self.all.append(discovery)
        info, readiness = describe(kind), Readiness()

        def changed() -> None:
            change = self.registry.failing.discard if readiness.ready else self.registry.failing.add
            change(info.node)

        member = Member(info, readiness, discovery, changed)
        member.set_ready(ready)
        return member

    async def lose(self) -> None:
        for discovery in self.all:
            discovery.reachable = False

    async def restore(self, *, empty: bool = False) -> None:
        if empty:
            self.registry.registered.clear()
        for discovery in self.all:
            discovery.reachable = True
            discovery.nodes(NodeKind.EDGE)  # everybody registers again


class NatsWorld:
    def __init__(self, stack: AsyncExitStack, server: NatsServer) -> None:
        self.stack = stack
        self.server = server

    async def member(self, kind: NodeKind, *, ready: bool = True) -> Member:
        info, readiness = describe(kind), Readiness()
        connection = NatsConnection(NodeSettings(nats_url=self.server.url, connect_timeout_s=30), info.node)
        await connection.open()
        self.stack.push_async_callback(connection.close)
        bus = NatsBus(connection)
        directory = NodeDirectory(hearing=lambda: bus.hearing)
        await feed_directory(bus, directory)
        heartbeat = Heartbeat(bus, lambda: NodeReport(info=info, load=NodeLoad(), ready=readiness.ready))
        discovery = NatsDiscovery(bus, directory, heartbeat)
        self.stack.push_async_callback(discovery.deregister)
        member = Member(info, readiness, discovery)
        member.set_ready(ready)
        return member

    async def lose(self) -> None:
        await self.server.kill()

    async def restore(self, *, empty: bool = False) -> None:
        if empty:
            self.server.empty()
        await self.server.start()


class ConsulWorld:
    def __init__(self, stack: AsyncExitStack, agent: ConsulAgent) -> None:
        self.stack = stack
        self.agent = agent

    async def open(self) -> None:
        """Make it know the tokens, if it asks for any."""
        if self.agent.tokens is not None:
            await set_up(self.agent.url, self.agent.tokens, "test")

    async def member(self, kind: NodeKind, *, ready: bool = True) -> Member:
        token = self.agent.tokens.users[RegistryUser(kind)] if self.agent.tokens else ""
        readiness = Readiness()
        app = admin_app(readiness, dict, Lifelines(lambda: describe(kind), Places(10)))
        http = HttpServer(app, bind("127.0.0.1", 0, "ADMIN_PORT"))
        await http.start()
        self.stack.push_async_callback(http.stop)
        discovery = ConsulDiscovery(self.agent.url, token, look_every_s=0.5)
        await discovery.open()
        self.stack.push_async_callback(discovery.close)
        self.stack.push_async_callback(discovery.deregister)
        member = Member(describe(kind, http.port), readiness, discovery)
        member.set_ready(ready)
        return member

    async def lose(self) -> None:
        await self.agent.kill()

    async def restore(self, *, empty: bool = False) -> None:
        if empty:
            self.agent.empty()
        await self.agent.start()
        await self.open()


@pytest.fixture(params=["fake", "nats", "consul", "consul with tokens"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            yield FakeWorld()
        elif request.param == "nats":
            yield NatsWorld(stack, await stack.enter_async_context(nats_server()))
        else:
            need_consul()
            with_tokens = request.param == "consul with tokens"
            consul = ConsulWorld(stack, await stack.enter_async_context(consul_agent(users=with_tokens)))
            await consul.open()
            yield consul


def sees(observer: Member, *expected: Member) -> Callable[[], bool]:
    """Whether `observer` finds exactly `expected` among the edges, each as it described itself."""
    infos = {member.info.node: member.info for member in expected}
    return lambda: observer.discovery.nodes(NodeKind.EDGE) == infos


async def test_a_ready_node_is_found_by_the_others_as_it_described_itself(world: World) -> None:
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE)
    await observer.discovery.register(observer.info)
    await edge.discovery.register(edge.info)
    await eventually(sees(observer, edge), timeout_s=30, what="the edge being found")
    await eventually(sees(edge, edge), timeout_s=30, what="the edge finding itself")
    assert observer.info.node not in observer.discovery.nodes(NodeKind.EDGE)
    assert observer.discovery.reachable


async def test_only_nodes_that_pass_their_check_are_found(world: World) -> None:
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE, ready=False)
    other = await world.member(NodeKind.EDGE)
    await edge.discovery.register(edge.info)
    await other.discovery.register(other.info)
    await eventually(sees(observer, other), timeout_s=30, what="only the ready edge being found")
    edge.set_ready(True)
    await eventually(sees(observer, edge, other), timeout_s=30, what="both edges being found")
    other.set_ready(False)
    await eventually(sees(observer, edge), timeout_s=30, what="the failing edge vanishing")


async def test_a_change_of_readiness_is_known_without_waiting_for_a_check(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rillcast.runtime.discovery.consul_discovery.CHECK_INTERVAL", "1h")
    monkeypatch.setattr("rillcast.runtime.discovery.heartbeat.INTERVAL_S", 3_600)
    monkeypatch.setattr("rillcast.runtime.discovery.directory.EXPIRY_S", 3_600)
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE, ready=False)
    await edge.discovery.register(edge.info)
    for _ in range(2):
        await edge.announce(True)
        await eventually(sees(observer, edge), timeout_s=30, what="the edge that is ready now")
        await edge.announce(False)
        await eventually(sees(observer), timeout_s=30, what="the edge that is ready no more being gone")


async def test_a_node_that_was_announced_before_it_registers_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rillcast.runtime.discovery.consul_discovery.CHECK_INTERVAL", "1h")
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE)
    await edge.announce(True)
    await edge.discovery.register(edge.info)
    await eventually(sees(observer, edge), timeout_s=30, what="the edge being found")


async def test_a_node_that_leaves_is_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # So it is its goodbye that tells, and neither its silence nor a check.
    monkeypatch.setattr("rillcast.runtime.discovery.consul_discovery.CHECK_INTERVAL", "1h")
    monkeypatch.setattr("rillcast.runtime.discovery.directory.EXPIRY_S", 3_600)
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE)
    await edge.announce(True)
    await edge.discovery.register(edge.info)
    await eventually(sees(observer, edge), timeout_s=30, what="the edge being found")
    await edge.discovery.deregister()
    await eventually(sees(observer), timeout_s=30, what="the edge being gone")


@pytest.mark.parametrize("empty", [False, True], ids=["with its data", "emptied"])
async def test_what_is_known_stays_known_while_the_registry_is_away_and_after(world: World, empty: bool) -> None:
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE)
    await edge.discovery.register(edge.info)
    await edge.announce(True)  # as every node does: else it registers anew as one that has yet to pass its check
    await eventually(sees(observer, edge), timeout_s=30, what="the edge being found")
    always = sees(observer, edge)

    await world.lose()
    await eventually(
        lambda: always() and not observer.discovery.reachable, timeout_s=30, what="the outage being noticed"
    )
    await world.restore(empty=empty)

    newcomer = await world.member(NodeKind.EDGE)
    await newcomer.discovery.register(newcomer.info)
    seen_less: list[object] = []

    def both_found() -> bool:
        nodes = observer.discovery.nodes(NodeKind.EDGE)
        if edge.info.node not in nodes:
            seen_less.append(nodes)
        return newcomer.info.node in nodes

    await eventually(both_found, timeout_s=40, what="a new edge being found")
    assert seen_less == []
    late = await world.member(NodeKind.SIGNALING)  # knows nothing from before
    await eventually(sees(late, edge, newcomer), timeout_s=40, what="the registry knowing both")


async def test_a_node_can_start_while_the_registry_is_away(world: World) -> None:
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE)
    await world.lose()
    await edge.discovery.register(edge.info)
    await world.restore()
    await eventually(sees(observer, edge), timeout_s=40, what="the edge being found")


async def test_a_node_that_left_does_not_come_back(world: World) -> None:
    observer, edge = await world.member(NodeKind.SIGNALING), await world.member(NodeKind.EDGE)
    stays = await world.member(NodeKind.EDGE)
    for member in (edge, stays):
        await member.discovery.register(member.info)
    await eventually(sees(observer, edge, stays), timeout_s=30, what="both being found")
    await edge.discovery.deregister()
    await world.lose()
    await world.restore(empty=True)
    late = await world.member(NodeKind.SIGNALING)
    await eventually(sees(late, stays), timeout_s=40, what="only the one that stayed")
    await eventually(sees(observer, stays), timeout_s=40, what="only the one that stayed")
