"""Which processes `rillcast up` starts, with which ports and settings. Decided here, started elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rillcast.cli.tls_door import TlsDoor, tls_door
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import seed_file
from rillcast.runtime.discovery.consul_acl import Tokens, access_config, token_file

MAX_PER_KIND = 10
"""Ports are spaced for so many nodes of a kind on one machine."""

CONSUL_CONFIG = "consul.json"
CONSUL_NODE = "local"
"""The name of this machine in Consul."""

_ADMIN_OFFSET = {
    NodeKind.SIGNALING: 0,
    NodeKind.ORIGIN: 10,
    NodeKind.EDGE: 20,
    NodeKind.TRANSCODER: 30,
    NodeKind.LICENSE: 40,
}
_MEDIA_OFFSET = {NodeKind.ORIGIN: 0, NodeKind.EDGE: 100}
_RELAY_OFFSET = {NodeKind.ORIGIN: 0, NodeKind.EDGE: 100, NodeKind.TRANSCODER: 200}
_PORTS_PER_NODE = 10
"""Media and relay ports of one node: one per worker."""


@dataclass(frozen=True)
class Ports:
    """The first port of each group."""

    http: int = 5080
    admin: int = 9100
    media: int = 50000
    relay: int = 51000
    nats: int = 4222
    consul: int = 8500


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    edges: int = 1
    origins: int = 1
    transcoders: int = 1
    ports: Ports = field(default_factory=Ports)
    consul: Path | None = None
    """The consul binary, or None for discovery over NATS."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process: how to start it, how to see that it is ready, what it needs free."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of `rillcast up`."""
    ready_url: str = ""
    """Answers 200 when the process is ready; empty = the first TCP port accepts."""
    tcp_ports: tuple[int, ...] = ()
    udp_ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Keys:
    """Where lies what nodes and servers prove with who they are."""

    seeds: Path
    """Folder of the nkeys with which nodes connect to NATS."""
    tokens: Path
    """Folder of the tokens for Consul."""
    authority: Path
    """The file with the authorities that vouch for NATS and Consul."""


def infrastructure(wishes: Wishes, folder: Path, scripts: Path) -> list[ProcessSpec]:
    """NATS, and Consul when there is one. `scripts` is where the environment's programs lie."""
    ports = wishes.ports
    server = ProcessSpec(
        "nats", (str(scripts / "nats-server"), "--config", str(folder / "nats.conf")), tcp_ports=(ports.nats,)
    )
    return [server] if wishes.consul is None else [server, _consul(wishes.consul, folder, ports.consul)]


def _consul(binary: Path, folder: Path, https_port: int) -> ProcessSpec:
    command = (str(binary), "agent", "-config-file", str(folder / CONSUL_CONFIG))
    return ProcessSpec("consul", command, tcp_ports=_consul_ports(https_port))


def _consul_ports(https: int) -> tuple[int, int, int]:
    return https, https + 1, https + 2


def consul_config(https_port: int, store: Path, tokens: Tokens, certificate: Path) -> str:
    """The agent's configuration file: one server on loopback, and nobody may do anything without a token. It keeps its
    data, so that one that is started again knows the tokens. `certificate`: the file with it and its key."""
    https, server, serf = _consul_ports(https_port)
    shown = dict.fromkeys(("cert_file", "key_file"), str(certificate))
    closed = dict.fromkeys(("http", "dns", "grpc", "grpc_tls", "serf_wan"), -1)
    config = {
        "server": True,
        "bootstrap_expect": 1,
        "node_name": CONSUL_NODE,
        "data_dir": str(store),
        "bind_addr": "127.0.0.1",
        "client_addr": "127.0.0.1",
        "ports": {"https": https, "server": server, "serf_lan": serf, **closed},
        "tls": {"https": {**shown, "verify_incoming": False, "tls_min_version": "TLSv1_3"}},
        "performance": {"raft_multiplier": 1},
        "disable_update_check": True,
        "log_level": "warn",
    }
    return json.dumps({**config, **access_config(tokens)}, indent=2)


def services(wishes: Wishes, environment: Mapping[str, str], keys: Keys) -> list[ProcessSpec]:
    """The five kinds of service. Settings that the user's `environment` has already are left alone."""
    counts = {
        NodeKind.LICENSE: 1,
        NodeKind.ORIGIN: wishes.origins,
        NodeKind.EDGE: wishes.edges,
        NodeKind.TRANSCODER: wishes.transcoders,
        NodeKind.SIGNALING: 1,
    }
    tls = tls_door(environment)
    specs = [
        _service(kind, index, wishes, keys, tls, ice_tcp=_ice_tcp(kind, environment))
        for kind, count in counts.items()
        for index in range(count)
    ]
    return [
        ProcessSpec(
            spec.name,
            spec.argv,
            {key: value for key, value in spec.env.items() if key not in environment or key not in _USERS_CHOICE},
            spec.ready_url,
            spec.tcp_ports,
            spec.udp_ports,
        )
        for spec in specs
    ]


_USERS_CHOICE = {"RILLCAST_DRAIN_TIMEOUT_S", "RILLCAST_SIGNALING_HOST"}


def _ice_tcp(kind: NodeKind, environment: Mapping[str, str]) -> bool:
    """Whether clients may reach the media ports of these nodes by TCP as well."""
    name = "ICE_TCP_CONNECTIONS"
    wished = environment.get(f"RILLCAST_{kind.upper()}_{name}") or environment.get(f"RILLCAST_{name}") or "0"
    return wished.strip() != "0"


def _service(
    kind: NodeKind, index: int, wishes: Wishes, keys: Keys, tls: TlsDoor | None, *, ice_tcp: bool
) -> ProcessSpec:
    ports, name = wishes.ports, f"{kind.value}-{index + 1}"
    admin = ports.admin + _ADMIN_OFFSET[kind] + index
    own = {"NODE_ID": name, "ADMIN_HOST": "127.0.0.1", "ADMIN_PORT": str(admin)}
    tcp, udp = [admin], []
    if kind in _MEDIA_OFFSET:
        media = ports.media + _MEDIA_OFFSET[kind] + index * _PORTS_PER_NODE
        own["MEDIA_PORT"] = str(media)
        udp.append(media)
        tcp += [media] if ice_tcp else []
    if kind in _RELAY_OFFSET:
        relay = ports.relay + _RELAY_OFFSET[kind] + index * _PORTS_PER_NODE
        own["RELAY_PORT"] = str(relay)
        udp.append(relay)
    if kind is NodeKind.SIGNALING:
        own["PORT"] = str(ports.http)
        tcp += [ports.http, *([tls.port] if tls is not None and tls.port else [])]
    own |= _bus(kind, ports.nats, keys) | _discovery(kind, wishes, keys)
    env = {f"RILLCAST_{kind.value.upper()}_{key}": value for key, value in own.items()}
    env |= {"RILLCAST_DRAIN_TIMEOUT_S": "2", "PYTHONUNBUFFERED": "1"}
    return ProcessSpec(
        name,
        (sys.executable, "-m", f"services.{kind.value}"),
        env,
        ready_url=f"http://127.0.0.1:{admin}/readyz",
        tcp_ports=tuple(tcp),
        udp_ports=tuple(udp),
    )


# Settings under the service's own prefix: before it, what the user has set for another NATS or Consul has no say.


def _bus(kind: NodeKind, port: int, keys: Keys) -> dict[str, str]:
    """How a node reaches NATS. The user's own ways into another one are of no use here, and only one may be given."""
    others = ("USER", "PASSWORD", "CREDENTIALS", "TOKEN", "CERTIFICATE", "CERTIFICATE_KEY", "SERVER_NAME")
    return dict.fromkeys((f"NATS_{name}" for name in others), "") | {
        "NATS_URL": nats_url(port),
        "NATS_CA": str(keys.authority),
        "NATS_NKEY_FILE": str(seed_file(keys.seeds, BusUser(kind))),
    }


def _discovery(kind: NodeKind, wishes: Wishes, keys: Keys) -> dict[str, str]:
    if not wishes.consul:
        return {"DISCOVERY": "nats"}
    return {
        "DISCOVERY": "consul",
        "CONSUL_URL": consul_url(wishes.ports.consul),
        "CONSUL_CA": str(keys.authority),
        "CONSUL_CERTIFICATE": "",
        "CONSUL_CERTIFICATE_KEY": "",
        "CONSUL_TOKEN_FILE": str(token_file(keys.tokens, kind)),
    }


def nats_url(port: int) -> str:
    """Where NATS of this stack is."""
    return f"tls://127.0.0.1:{port}"


def consul_url(port: int) -> str:
    """Where Consul of this stack is."""
    return f"https://127.0.0.1:{port}"


def nats_config(port: int, store: Path, certificate: Path, authorization: str = "") -> str:
    """The server's configuration file: loopback only, by TLS, JetStream on disk (synced before it acknowledges), and
    who may do what. `certificate`: the file with it and its key."""
    return "\n".join(
        [
            f'listen: "127.0.0.1:{port}"',
            'server_name: "rillcast-local"',
            "max_payload: 1MB",
            "tls {",
            f'  cert_file: "{certificate}"',
            f'  key_file: "{certificate}"',
            '  min_version: "1.3"',
            "}",
            "jetstream {",
            f'  store_dir: "{store}"',
            "  sync_interval: always",
            "  max_memory_store: 64MB",
            "  max_file_store: 1GB",
            "}",
            authorization,
        ]
    )
