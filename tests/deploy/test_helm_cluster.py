"""Processes with the settings, keys and configurations of the chart are a cluster: every node becomes ready."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
from helm_chart import CHART, RELEASE, containers, environment_of, named, rendered, workload

from rillcast.cli.compose_keys import CONSUL_NODE, write_keys
from rillcast.cli.consul_setup import set_up
from rillcast.cli.kubernetes.keys import OPERATOR, PASSWORD
from rillcast.cli.server_certificates import TlsServer
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.consul_acl import read_tokens
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import ServerProcess, find_consul, find_nats_server, free_port, need_consul

NATS, CONSUL = f"{RELEASE}-nats", f"{RELEASE}-consul"
LOOPBACK = "127.0.0.1"


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=0.5):
        return True
    return False


def config_of(server: str) -> str:
    text: str = named(rendered("dev"), "ConfigMap", server)["data"]["config"]
    return text


@asynccontextmanager
async def nats(folder: Path) -> AsyncIterator[int]:
    """NATS as the chart configures it, with the keys in `folder`; its port."""
    port, config = free_port(), folder / "rillcast.conf"
    text = config_of(NATS).replace("0.0.0.0:4222", f"{LOOPBACK}:{port}").replace("8222", str(free_port()))
    config.write_text(
        text.replace("/etc/nats/keys", str(folder / "nats"))
        .replace('"keys/', '"nats/')
        .replace('"/data"', f'"{folder}/nats-data"')
    )
    server = ServerProcess([find_nats_server(), "--config", str(config)], folder, lambda: accepts(port))
    await server.start()
    try:
        yield port
    finally:
        await server.stop()


@asynccontextmanager
async def consul(folder: Path) -> AsyncIterator[int]:
    """Consul likewise, after it has been told of the tokens."""
    port, config = free_port(), folder / "agent.hcl"
    others = "\n".join(f"{name} = {free_port()}" for name in ("http", "server", "serf_lan"))
    text = config_of(CONSUL).replace("ports {", f"ports {{\n{others}").replace("8501", str(port))
    text = text.replace("/etc/consul/keys/", f"{folder}/consul/").replace("0.0.0.0", LOOPBACK)
    config.write_text(text.replace('"/consul/data"', f'"{folder}/consul-data"'))
    command = [find_consul(), "agent", f"-config-file={config}", f"-config-file={folder}/consul/access.json"]
    agent = ServerProcess(command, folder, lambda: accepts(port))
    await agent.start()
    try:
        setup = folder / "consul-setup"
        await set_up(f"https://{LOOPBACK}:{port}", read_tokens(setup), CONSUL_NODE, authority=setup / "ca.pem")
        yield port
    finally:
        await agent.stop()


def environment(kind: NodeKind, folder: Path, ports: dict[str, int], admin: int) -> dict[str, str]:
    """That of the container, with paths and ports of this machine."""
    (container,) = containers(workload(rendered("dev"), kind)["spec"]["template"]["spec"])
    there = {
        "/run/rillcast-tools": str(folder / "tools"),
        "/run/rillcast": str(folder / kind),
        "/run/operator": str(folder / OPERATOR),
        "/tmp/rillcast-operator-token": str(folder / "operator-token"),
        "$(POD_IP)": LOOPBACK,
        f"{NATS}:4222": f"{LOOPBACK}:{ports['nats']}",
        f"{CONSUL}:8501": f"{LOOPBACK}:{ports['consul']}",
    }
    made = {}
    for name, value in environment_of(container).items():
        text = f"{RELEASE}-{kind}-0" if isinstance(value, dict) else value
        for before, after in there.items():
            text = text.replace(before, after)
        made[name] = text
    own = {f"RILLCAST_{kind.upper()}_{what}_PORT": "0" for what in ("MEDIA", "RELAY")}
    own |= {"RILLCAST_SIGNALING_PORT": "0", "RILLCAST_ADMIN_PORT": str(admin)}
    return made | {name: value for name, value in own.items() if name in made} | {"RILLCAST_NATS_SERVER_NAME": NATS}


def end(node: asyncio.subprocess.Process) -> None:
    if node.returncode is None:
        node.kill()


def test_nats_starts_anew_when_its_users_may_do_something_else() -> None:
    nats = named(rendered("dev"), "StatefulSet", f"{RELEASE}-nats")
    annotations = nats["spec"]["template"]["metadata"]["annotations"]
    assert annotations["checksum/users"] == (CHART / "files/users.sha256").read_text().strip()


async def test_nodes_of_the_chart_find_each_other_and_become_ready(tmp_path: Path) -> None:
    need_consul()
    assert (CHART / "values-dev.yaml").exists()
    write_keys(tmp_path, own=False, more_names={TlsServer.NATS: [NATS], TlsServer.CONSUL: [CONSUL]})
    (tmp_path / OPERATOR).mkdir()
    (tmp_path / OPERATOR / PASSWORD).write_text("made-by-the-job\n")
    async with AsyncExitStack() as stack, httpx.AsyncClient(trust_env=False) as client:
        ports = {"nats": await stack.enter_async_context(nats(tmp_path))}
        ports["consul"] = await stack.enter_async_context(consul(tmp_path))
        admin = {kind: free_port() for kind in NodeKind}
        nodes = {}
        for kind in NodeKind:
            given = environment(kind, tmp_path, ports, admin[kind])
            command = [sys.executable, "-m", f"services.{kind}"]
            nodes[kind] = await asyncio.create_subprocess_exec(
                *command, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHART.parents[2]), **given}
            )
            stack.callback(end, nodes[kind])

        async def ready() -> bool:
            assert [kind for kind, node in nodes.items() if node.returncode is not None] == []
            answers = [await client.get(f"http://{LOOPBACK}:{admin[kind]}/readyz") for kind in NodeKind]
            return all(answer.status_code == 200 for answer in answers)

        await eventually(ready, 60, "all nodes are ready", not_yet=(httpx.HTTPError,))
        for node in nodes.values():
            node.send_signal(signal.SIGTERM)
        async with within(60, "the end of all nodes"):
            assert [await node.wait() for node in nodes.values()] == [0] * len(nodes)
