"""What is started where: every node, nats-server and Consul server on a machine of its own (`network`)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from rillcast.contracts.permissions import BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import keep_seeds, seed_file, server_config
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import NatsServer, ServerProcess, find_consul, find_nats_server
from tests.chaos.network import NETWORK, Machine, Network, network, small_disk
from tests.e2e.cluster import ROOT, ClusterView
from tests.e2e.instances import door

NATS_PORT, ROUTE_PORT, MONITOR_PORT = 4222, 6222, 8222
CONSUL_PORT = 8500
ADMIN_PORT, HTTP_PORT, RELAY_PORT = 9100, 5080, 51_000
DISK_MIB = 96
"""Of each nats-server."""
UP_TIMEOUT_S = 60.0
DRAIN_S = 10.0
ZONES = {NodeKind.ORIGIN: "a", NodeKind.EDGE: "b"}
"""All edges lie behind one border, so the first one that is fed feeds the others."""


@dataclass(frozen=True)
class Size:
    """How many there are of each."""

    nats: int = 3
    consul: int = 3
    signaling: int = 2
    origin: int = 2
    edge: int = 3
    transcoder: int = 1
    license: int = 1

    def nodes(self) -> Iterator[tuple[NodeKind, str]]:
        """In the order in which they are started."""
        for kind in (NodeKind.LICENSE, NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER, NodeKind.SIGNALING):
            for number in range(getattr(self, kind.value)):
                yield kind, f"{kind.value}-{number + 1}"

    def machines(self) -> list[str]:
        """All names."""
        servers = [f"{kind}-{n + 1}" for kind in ("nats", "consul") for n in range(getattr(self, kind))]
        return [*servers, *(name for _, name in self.nodes())]


class Node(ServerProcess):
    """One of the five kinds of service."""

    start_timeout_s = 60.0

    def __init__(
        self, kind: NodeKind, machine: Machine, folder: Path, settings: Mapping[str, str], media_port: int
    ) -> None:
        self.kind, self.name, self.machine, self.media_port = kind, machine.name, machine, media_port
        self.admin = f"http://{machine.address}:{ADMIN_PORT}"
        command = [*machine.inside(), sys.executable, "-m", f"services.{kind.value}"]
        prefix = f"RILLCAST_{kind.value.upper()}_"
        own = {prefix + key: value for key, value in settings.items()}
        self._settings = own | {"PYTHONUNBUFFERED": "1"}
        super().__init__(command, folder, self._is_ready)
        self.runs(ROOT)

    def runs(self, code: Path) -> None:
        """From the next start on it is the code of this folder."""
        self._environment = self._settings | {"PYTHONPATH": str(code)}

    def _is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.admin}/readyz", timeout=1, trust_env=False).status_code == 200
        return False

    async def drain(self) -> None:
        """SIGTERM, and wait for the end."""
        os.kill(self.pid, signal.SIGTERM)
        await eventually(lambda: not psutil.pid_exists(self.pid), DRAIN_S + 15, f"the end of {self.name}")
        await self.kill()


@dataclass
class ChaosCluster:
    """All that runs, by name."""

    size: Size
    net: Network
    folder: Path
    nats: dict[str, NatsServer] = field(default_factory=dict)
    consul: dict[str, ServerProcess] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    views: dict[str, ClusterView] = field(default_factory=dict)
    """What each signaling instance says."""
    clients: ClusterView = field(init=False)
    """Where clients go: the door in front of the signaling instances."""

    def __getitem__(self, name: str) -> ServerProcess:
        return {**self.nats, **self.consul, **self.nodes}[name]

    def of(self, kind: NodeKind | str) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]

    def address(self, name: str) -> str:
        """Of a machine."""
        return self.net[name].address

    def edge_with_port(self, port: int) -> str:
        """Which edge serves media there; empty for none."""
        return next((node.name for node in self.of(NodeKind.EDGE) if node.media_port == port), "")

    def addresses(self, kind: str) -> list[str]:
        """Of the machines of a kind, ``nats`` and ``consul`` among them."""
        return [self.address(name) for name in self.size.machines() if name.rpartition("-")[0] == kind]

    def logs(self) -> Iterator[Path]:
        """Of everything."""
        return self.folder.glob("*/server.log")

    def tracebacks(self) -> list[str]:
        """The nodes that raised something unexpected."""
        return sorted(node.name for node in self.nodes.values() if "Traceback" in node.log.read_text(errors="replace"))

    def learn_token(self, name: str) -> None:
        """A signaling instance makes another token at each start."""
        view = self.views[name]
        view.show((self.folder / name / "token").read_text())


@asynccontextmanager
async def chaos_cluster(
    folder: Path,
    size: Size = Size(),
    settings: Mapping[str, str] | None = None,
    media_settings: Mapping[str, str] | None = None,
    *,
    code: Path = ROOT,
) -> AsyncIterator[ChaosCluster]:
    """Until the end of the block, however it ends. `settings`: of every node, without prefix. `media_settings`: of
    origins and edges. `code`: the folder of what nodes run."""
    async with AsyncExitStack() as stack:
        net = await stack.enter_async_context(network(size.machines()))
        made = ChaosCluster(size, net, folder)
        _plan_nats(made, stack)
        if size.consul:
            _plan_consul(made)
        for kind, name in size.nodes():
            own = {**(settings or {}), **((media_settings or {}) if kind in ZONES else {})}
            made.nodes[name] = _node(made, kind, name, own)
            made.nodes[name].runs(code)
        stack.push_async_callback(_kill_all, made)
        await asyncio.gather(*(server.start() for server in (*made.nats.values(), *made.consul.values())))
        await eventually(lambda: _is_up(made), UP_TIMEOUT_S, "JetStream has a leader")
        for kinds in ({NodeKind.LICENSE}, set(NodeKind) - {NodeKind.LICENSE}):
            await asyncio.gather(*(node.start() for node in made.nodes.values() if node.kind in kinds))
        for node in made.of(NodeKind.SIGNALING):
            view = ClusterView(f"http://{node.machine.address}:{HTTP_PORT}", "")
            made.views[node.name] = view
            stack.push_async_callback(view.close)
            made.learn_token(node.name)
        places = [(node.machine.address, HTTP_PORT) for node in made.of(NodeKind.SIGNALING)]
        port = await stack.enter_async_context(door(places))
        made.clients = ClusterView(f"http://127.0.0.1:{port}", "")
        stack.push_async_callback(made.clients.close)
        yield made


async def _kill_all(made: ChaosCluster) -> None:
    servers = [*made.nodes.values(), *made.nats.values(), *made.consul.values()]
    await asyncio.gather(*(server.kill() for server in servers))


def _plan_nats(made: ChaosCluster, stack: AsyncExitStack) -> None:
    seeds = keep_seeds(made.folder / "nats-keys")
    names = [name for name in made.size.machines() if name.startswith("nats-")]
    routes = ", ".join(f'"nats://{made.address(name)}:{ROUTE_PORT}"' for name in names)
    for name in names:
        own = made.folder / name
        stack.enter_context(small_disk(own / "data", DISK_MIB))
        more = (
            f'server_name: "{name}"\nhttp: "{made.address(name)}:{MONITOR_PORT}"\n'
            f'cluster {{\n name: "rillcast"\n listen: "{made.address(name)}:{ROUTE_PORT}"\n routes: [{routes}]\n}}\n'
            "jetstream {\n sync_interval: always\n max_file_store: 64MB\n max_memory_store: 32MB\n}\n"
            + server_config(seeds)
        )
        inside, host = made.net[name].inside(), made.address(name)
        made.nats[name] = NatsServer(own, NATS_PORT, find_nats_server(), more=more, host=host, inside=inside)


def _plan_consul(made: ChaosCluster) -> None:
    binary = find_consul()
    names = [name for name in made.size.machines() if name.startswith("consul-")]
    for name in names:
        own, address = made.folder / name, made.address(name)
        own.mkdir()
        config = {
            "server": True,
            "bootstrap_expect": len(names),
            "node_name": name,
            "data_dir": str(own / "data"),
            "bind_addr": address,
            "client_addr": address,
            "retry_join": [made.address(other) for other in names],
            "retry_interval": "1s",
            "ports": {"dns": -1, "grpc": -1, "grpc_tls": -1, "serf_wan": -1},
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            "log_level": "warn",
        }
        (own / "consul.json").write_text(json.dumps(config))
        command = [*made.net[name].inside(), binary, "agent", "-config-file", str(own / "consul.json")]
        made.consul[name] = ServerProcess(command, own, _has_leader(f"http://{address}:{CONSUL_PORT}"))


def _has_leader(url: str) -> Callable[[], bool]:
    def asked() -> bool:
        with suppress(httpx.HTTPError, ValueError):
            return bool(httpx.get(f"{url}/v1/status/leader", timeout=1, trust_env=False).json())
        return False

    return asked


def _node(made: ChaosCluster, kind: NodeKind, name: str, settings: Mapping[str, str]) -> Node:
    number, machine, own = int(name.rpartition("-")[2]), made.net[name], made.folder / name
    own.mkdir()
    servers = [f"nats://{made.address(server)}:{NATS_PORT}" for server in made.nats]
    turned = servers[number % len(servers) :] + servers[: number % len(servers)]
    values = {
        "NODE_ID": name,
        "ADVERTISE_ADDRESS": machine.address,
        "ADMIN_HOST": "0.0.0.0",
        "ADMIN_PORT": str(ADMIN_PORT),
        "NATS_URL": ",".join(turned),
        "NATS_NKEY_FILE": str(seed_file(made.folder / "nats-keys", BusUser(kind.value))),
        "KV_REPLICAS": str(min(3, len(servers))),
        "DRAIN_TIMEOUT_S": str(DRAIN_S),
        "DISCOVERY": "nats",
    }
    if made.consul:
        consul = sorted(made.consul)[number % len(made.consul)]
        values |= {"DISCOVERY": "consul", "CONSUL_URL": f"http://{made.address(consul)}:{CONSUL_PORT}"}
    if kind in ZONES:
        values |= {"REGION": "eu", "ZONE": ZONES[kind]}
    media_port = {NodeKind.ORIGIN: 50_000, NodeKind.EDGE: 50_100}.get(kind, 0)
    if media_port:
        media_port += number
        values["MEDIA_PORT"] = str(media_port)
    if media_port or kind is NodeKind.TRANSCODER:
        values["RELAY_PORT"] = str(RELAY_PORT)
    if kind is NodeKind.SIGNALING:
        values |= {
            "PORT": str(HTTP_PORT),
            "LOCAL_TOKEN_PATH": str(own / "token"),
            "FIRST_PASSWORD_PATH": str(own / "first-password"),
            "UNLIMITED_NETWORKS": NETWORK,
        }
    return Node(kind, machine, own, values | dict(settings), media_port)


async def healthy(server: NatsServer) -> bool:
    """Whether a nats-server has everything that the others have."""
    host = server.url.rpartition(":")[0].removeprefix("nats://")
    async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
        with suppress(httpx.HTTPError):
            return (await http.get(f"http://{host}:{MONITOR_PORT}/healthz")).status_code == 200
    return False


async def _is_up(made: ChaosCluster) -> bool:
    return all(await asyncio.gather(*(healthy(server) for server in made.nats.values())))
