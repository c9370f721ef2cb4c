"""The overlays of compose: each is one that compose takes, and makes nothing weaker than the stack itself."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import ssl
import subprocess
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from compose_servers import PINNED, accepts, loaded, nats_config, volumes

from rillcast.cli.compose_keys import CONSUL_NODE, further_servers
from rillcast.cli.consul_setup import set_up
from rillcast.cli.server_certificates import TlsServer
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.consul_acl import read_tokens
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import ServerProcess, find_consul, find_nats_server, free_port, need_consul

FOLDER = Path(__file__).parents[2] / "deploy/compose"
OVERLAYS = sorted(path.name for path in FOLDER.glob("*.yml"))
APART = [{"host.yml", f"{name}.yml"} for name in ("consul-3", "load", "nats-3", "outside", "tls")]
"""What its comments say not to combine: the network of the host has no names, and no second server of a kind."""
CHANGES = {"environment", "ports", "volumes", "networks", "command", "network_mode", "extra_hosts"}
PRIVILEGES = {"raw.yml": {"user", "cap_add"}}
"""What an overlay changes besides, which `test_the_edge_begins_with_what_setpriv_needs` looks at."""
AS_A_USER_WITH_NET_RAW = (
    *("setpriv", "--reuid=10001", "--regid=10001", "--clear-groups"),
    *(f"--{which}=-all,+net_raw" for which in ("inh-caps", "ambient-caps", "bounding-set")),
)
ADDRESSES = {"RILLCAST_PUBLIC_ADDRESS": "203.0.113.7", "RILLCAST_NAMES": "live.example.org"}
OUTSIDE = {"signaling", "origin", "edge", "coturn", "caddy"}
"""Who is reached from other machines."""


def overlay(name: str) -> dict[str, Any]:
    return loaded(FOLDER / name)


@pytest.fixture
def stack(root: Path) -> dict[str, Any]:
    return loaded(root / "docker-compose.yml")


def combinations() -> list[tuple[str, ...]]:
    """Each overlay, each pair, and all that go together."""
    found = [one for size in (1, 2) for one in itertools.combinations(OVERLAYS, size)]
    found.append(tuple(name for name in OVERLAYS if name != "host.yml"))
    return [one for one in found if not any(pair <= set(one) for pair in APART)]


@pytest.mark.parametrize("names", combinations(), ids="+".join)
def test_compose_takes_each_combination(root: Path, names: tuple[str, ...]) -> None:
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"], check=False).returncode:
        pytest.skip("there is no docker compose here")
    files = [argument for name in names for argument in ("-f", f"deploy/compose/{name}")]
    command = ["docker", "compose", "-f", "docker-compose.yml", *files, "--profile", "*", "config"]

    done = subprocess.run(
        command, cwd=root, env={**os.environ, **ADDRESSES}, capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
    merged = yaml.safe_load(done.stdout)["services"]
    public = {
        name for name, one in merged.items() for port in one.get("ports", []) if port.get("host_ip") != "127.0.0.1"
    }
    assert public <= OUTSIDE
    for name, service in merged.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_changes_what_compose_merges_and_mounts_what_is_there(
    root: Path, stack: dict[str, Any], name: str
) -> None:
    found = overlay(name)
    named = {*found.get("volumes", {}), *stack["volumes"]}

    for key, service in found["services"].items():
        if key in stack["services"]:
            assert service.keys() <= CHANGES | PRIVILEGES.get(name, set()), key
        for volume in service.get("volumes") or []:
            source, _, *mode = volume.split(":")
            if source.startswith("."):
                assert (root / source).exists(), "paths are the first file's: compose takes its folder as the project's"
                assert mode == ["ro"]
            else:
                assert source in named


@pytest.mark.parametrize("name", OVERLAYS)
def test_what_an_overlay_adds_is_as_hardened_as_the_rest(stack: dict[str, Any], name: str) -> None:
    for key, service in overlay(name)["services"].items():
        if key in stack["services"]:
            continue
        assert service["cap_drop"] == ["ALL"], key
        assert service["read_only"] is True, key
        assert service["security_opt"] == ["no-new-privileges:true"], key
        assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}, key
        assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}, key
        assert "healthcheck" in service or service["restart"] == "no", key
        assert "build" in service or PINNED.fullmatch(service["image"]), key
        assert service.keys().isdisjoint({"privileged", "pid", "ipc", "devices", "userns_mode"}), key
        if key != "caddy":
            assert int(service["user"].partition(":")[0]) > 0, key
            assert "cap_add" not in service, key


def test_the_edge_begins_with_what_setpriv_needs_and_goes_on_with_one_capability(stack: dict[str, Any]) -> None:
    edge = overlay("raw.yml")["services"]["edge"]

    assert edge["cap_add"] == ["NET_RAW", "SETUID", "SETGID", "SETPCAP"]
    assert edge["user"] == "0:0"
    assert edge["command"] == [*AS_A_USER_WITH_NET_RAW, *stack["services"]["edge"]["command"]]
    assert edge["environment"] == {"RILLCAST_EDGE_EGRESS": "raw"}


def test_three_servers_are_the_one_of_the_stack_three_times(stack: dict[str, Any]) -> None:
    found, first = overlay("nats-3.yml")["services"], stack["services"]["nats"]
    further = further_servers(found["keys"]["environment"])[TlsServer.NATS]

    assert [name for name in found if name not in stack["services"]] == list(further)
    for name in further:
        same = ("image", "user", "healthcheck", "deploy", "depends_on", "restart", "tmpfs", "logging")
        assert {key: found[name][key] for key in same} == {key: first[key] for key in same}
        assert found[name]["environment"] == {"NATS_NAME": name}
        assert f"{name}-data:/data" in found[name]["volumes"]
        assert f"{name}-data:/keys/{name}-data" in found["keys"]["volumes"]
    for kind in NodeKind:
        urls = [f"tls://{name}:4222" for name in ("nats", *further)]
        assert found[kind]["environment"] == {"RILLCAST_NATS_URL": ",".join(urls), "RILLCAST_KV_REPLICAS": "3"}


async def test_three_servers_become_one_cluster(root: Path, tmp_path: Path) -> None:
    """The shipped files with paths and ports of this machine, and the keys as `keys` makes them."""
    environment = overlay("nats-3.yml")["services"]["keys"]["environment"]
    keys = volumes(tmp_path / "volumes", further=further_servers(environment)) / "nats"
    names = ["nats", *environment["NATS_SERVERS"].split(",")]
    routes = {name: free_port() for name in names}
    watched = {}
    async with AsyncExitStack() as running:
        for name in names:
            folder = tmp_path / name
            folder.mkdir()
            (folder / "keys").symlink_to(keys)
            port, watched[name] = free_port(), free_port()
            config = nats_config(root, folder, folder / "keys", port)
            config.write_text(re.sub(r"(http: \"127\.0\.0\.1:)\d+", rf"\g<1>{watched[name]}", config.read_text()))
            text = (root / "deploy/nats/three.conf").read_text().replace("0.0.0.0:6222", f"127.0.0.1:{routes[name]}")
            for other, at in routes.items():
                text = text.replace(f'"tls://{other}:6222"', f'"tls://localhost:{at}"')
            (folder / "three.conf").write_text(text.replace("/etc/nats/keys", str(keys)))
            command = [find_nats_server(), "--config", str(folder / "three.conf")]
            server = ServerProcess(command, folder, partial(accepts, port), {"NATS_NAME": name})
            await server.start()
            running.push_async_callback(server.stop)
        async with httpx.AsyncClient(trust_env=False) as client:

            async def met() -> list[tuple[int, str]]:
                seen = []
                for port in watched.values():
                    answer = (await client.get(f"http://127.0.0.1:{port}/jsz")).json()
                    meta = answer.get("meta_cluster") or {}
                    seen.append((meta.get("cluster_size", 0), meta.get("leader", "")))
                return seen

            async def agreed() -> bool:
                seen = await met()
                return len(set(seen)) == 1 and seen[0][0] == 3 and seen[0][1] in names

            await eventually(agreed, 60, "one leader of three", not_yet=(httpx.HTTPError,))


def test_three_consul_servers_are_the_one_of_the_stack_three_times(stack: dict[str, Any]) -> None:
    found, first = overlay("consul-3.yml")["services"], stack["services"]["consul"]
    further = further_servers(found["keys"]["environment"])[TlsServer.CONSUL]

    assert [name for name in found if name not in stack["services"]] == list(further)
    assert found["consul-setup"]["environment"] == found["keys"]["environment"]
    for name in further:
        same = ("image", "user", "environment", "healthcheck", "deploy", "depends_on", "restart", "tmpfs", "logging")
        assert {key: found[name][key] for key in same} == {key: first[key] for key in same}
        assert found[name]["command"] == [*found["consul"]["command"], f"-node={name}"]
        assert f"{name}-data:/consul/data" in found[name]["volumes"]
        assert f"{name}-data:/keys/{name}-data" in found["keys"]["volumes"]


async def test_three_consul_servers_become_one_and_know_the_tokens(root: Path, tmp_path: Path) -> None:
    """The shipped files with paths and ports of this machine, and the keys as `keys` makes them."""
    need_consul()
    further = further_servers(overlay("consul-3.yml")["services"]["keys"]["environment"])
    keys = volumes(tmp_path / "volumes", further=further)
    names = [CONSUL_NODE, *further[TlsServer.CONSUL]]
    gossip, https, rpc = ({name: free_port() for name in names} for _ in range(3))
    setup = keys / "consul-setup"
    async with AsyncExitStack() as running:
        for name in names:
            folder = tmp_path / name
            folder.mkdir()
            ports = f"ports {{\n http = {free_port()}\n server = {rpc[name]}\n serf_lan = {gossip[name]}"
            agent = (root / "deploy/consul/agent.hcl").read_text().replace("ports {", ports)
            three = (root / "deploy/consul/three.hcl").read_text()
            for other, at in gossip.items():
                three = three.replace(f'"{other}"', f'"127.0.0.1:{at}"')
            for shipped, file in ((agent, "agent.hcl"), (three, "three.hcl")):
                moved = shipped.replace("/consul/data", str(folder / "data")).replace("8501", str(https[name]))
                moved = moved.replace("/etc/consul/keys/", f"{keys}/consul/").replace("0.0.0.0", "127.0.0.1")
                (folder / file).write_text(moved)
            files = [folder / "agent.hcl", folder / "three.hcl", keys / "consul/access.json"]
            command = [find_consul(), "agent", *(f"-config-file={file}" for file in files), f"-node={name}"]
            server = ServerProcess(command, folder, partial(accepts, https[name]))
            await server.start()
            running.push_async_callback(server.stop)
        authority = setup / "ca.pem"
        headers = {"Authorization": f"Bearer {(keys / 'edge/consul.token').read_text().strip()}"}
        trusting = ssl.create_default_context(cafile=authority)
        async with httpx.AsyncClient(headers=headers, verify=trusting, trust_env=False) as client:

            async def leader() -> str:
                found: str = (await client.get(f"https://127.0.0.1:{https[CONSUL_NODE]}/v1/status/leader")).json()
                return found

            leads = await eventually(leader, 60, "a leader", not_yet=(httpx.HTTPError,))
            follower = next(name for name in names if not leads.endswith(f":{rpc[name]}"))
            url = f"https://127.0.0.1:{https[follower]}"
            await set_up(url, read_tokens(setup), *names, authority=authority, timeout_s=90)

            async def known() -> bool:
                """Each server, asked by itself, knows all three and the token of an edge."""
                seen = set()
                for port in https.values():
                    answer = await client.get(f"https://127.0.0.1:{port}/v1/catalog/nodes")
                    seen.add(frozenset(node["Node"] for node in answer.json()) if answer.is_success else frozenset())
                return seen == {frozenset(names)}

            await eventually(known, 60, "three servers that know each other", not_yet=(httpx.HTTPError,))


def test_on_the_network_of_the_host_only_what_is_for_clients_is_reached_from_outside(stack: dict[str, Any]) -> None:
    found = overlay("host.yml")["services"]
    environments = {kind: found[kind]["environment"] for kind in NodeKind}

    assert {one["RILLCAST_ADMIN_HOST"] for one in environments.values()} == {"127.0.0.1"}
    assert {one["RILLCAST_ADVERTISE_ADDRESS"] for one in environments.values()} == {"127.0.0.1"}
    assert len({one["RILLCAST_ADMIN_PORT"] for one in environments.values()}) == len(NodeKind)
    assert found["nats"]["command"] == [*stack["services"]["nats"]["command"], "--addr", "127.0.0.1"]
    assert found["consul"]["command"] == [*stack["services"]["consul"]["command"], "-client=127.0.0.1"]
    assert "--web.listen-address=127.0.0.1:9090" in found["prometheus"]["command"]
    for name, service in found.items():
        assert service.get("network_mode") == "host" or name == "otel-collector", name
        if "ports" in stack["services"][name] and service.get("network_mode") == "host":
            assert service["ports"] is None, f"{name}: there are no ports to publish"


def test_caddy_is_believed_and_is_the_only_way_in() -> None:
    found = overlay("tls.yml")

    (network,) = found["networks"]["front"]["ipam"]["config"]
    assert found["services"]["signaling"]["environment"]["RILLCAST_SIGNALING_TRUSTED_PROXIES"] == network["subnet"]
    assert found["services"]["caddy"]["networks"] == ["front"], "it reaches no other node"
    assert found["services"]["signaling"]["ports"] is None


async def test_caddy_takes_its_configuration(tmp_path: Path) -> None:
    if (caddy := shutil.which("caddy")) is None:
        (pytest.fail if os.environ.get("RILLCAST_REQUIRE_ALL") == "1" else pytest.skip)("there is no caddy here")
    command = [caddy, "adapt", "--config", str(FOLDER / "Caddyfile"), "--adapter", "caddyfile"]
    environment = {**os.environ, "RILLCAST_NAMES": "live.example.org", "HOME": str(tmp_path)}

    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    assert '"dynamic_upstreams":{' in out.decode()
    assert '"host":["live.example.org"]' in out.decode()
