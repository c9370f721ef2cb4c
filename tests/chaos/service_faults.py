"""What is done to all servers of a service at once: nats-server, Consul, license."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from rillcast.contracts.words import NodeKind
from rillcast.testing.servers import ServerProcess
from tests.chaos.cluster import CONSUL_PORT, NATS_PORT
from tests.chaos.scene import Do, Scene, Skipped

SLOW_S = 2.0
SERVICES = ("nats", "consul", "license")
SERVICE_PORTS = {"nats": NATS_PORT, "consul": CONSUL_PORT, "license": 0}


@asynccontextmanager
async def killed(servers: Iterable[ServerProcess], hold_s: float) -> AsyncIterator[None]:
    """Away for so long, all at once; then they start again."""
    servers = list(servers)
    await asyncio.gather(*(server.kill() for server in servers))
    yield
    await asyncio.sleep(hold_s)
    await asyncio.gather(*(server.start() for server in servers))


@asynccontextmanager
async def frozen(servers: Iterable[ServerProcess], hold_s: float) -> AsyncIterator[None]:
    """Stopped by a signal for so long, and woken in any case."""
    servers = list(servers)
    for server in servers:
        server.freeze()
    try:
        yield
        await asyncio.sleep(hold_s)
    finally:
        for server in servers:
            server.freeze(False)


def servers_of(scene: Scene, service: str) -> list[ServerProcess]:
    """Raises Skipped when none runs."""
    cluster = scene.cluster
    found: dict[str, list[ServerProcess]] = {
        "nats": [*cluster.nats.values()],
        "consul": [*cluster.consul.values()],
        "license": [*cluster.of(NodeKind.LICENSE)],
    }
    if not found[service]:
        raise Skipped(f"no {service} runs here")
    return found[service]


def service_killed(*services: str) -> Do:
    """All servers of these services."""
    return lambda scene: killed([s for name in services for s in servers_of(scene, name)], scene.hold_s)


def service_frozen(*services: str) -> Do:
    """All servers of these services."""
    return lambda scene: frozen([s for name in services for s in servers_of(scene, name)], scene.hold_s)


def service_blackholed(*services: str) -> Do:
    """No packet comes from these services, and none reaches them."""

    @asynccontextmanager
    async def do(scene: Scene) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for name in services:
                servers_of(scene, name)
                ways = [pair for way in _ways_to(scene, name) for pair in (way, way[::-1])]
                await stack.enter_async_context(scene.cluster.net.dropped(ways, SERVICE_PORTS[name]))
            yield
            await asyncio.sleep(scene.hold_s)

    return do


def service_slow(service: str) -> Do:
    """What is sent to a service, and what it answers, is under way for `SLOW_S` each."""

    @asynccontextmanager
    async def do(scene: Scene) -> AsyncIterator[None]:
        servers_of(scene, service)
        port = SERVICE_PORTS[service] or NATS_PORT
        async with scene.cluster.net.slow(_ways_to(scene, service), port, SLOW_S):
            yield
            await asyncio.sleep(scene.hold_s)

    return do


def _ways_to(scene: Scene, service: str) -> list[tuple[str, str]]:
    """From everywhere to it and back; for those that all others ask, only by their port."""
    return [("all", address) for address in scene.cluster.addresses(service)]
