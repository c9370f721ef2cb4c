"""The compose stack is complete: health checks, limits, pinned versions, no privilege that isn't needed."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from rillcast.cli.compose_keys import CONSUL_NODE, write_keys
from rillcast.cli.consul_setup import set_up
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.consul_acl import read_tokens
from rillcast.testing.servers import ServerProcess, find_consul, find_nats_server, free_port, need_consul

NOT_OURS = ["nats", "consul", "prometheus", "grafana", "otel-collector", "jaeger"]
ENDING = ["keys", "consul-setup"]
"""They do their work before the others begin."""
PINNED = re.compile(r"[^:]+:v?\d+(\.\d+)*[-a-z]*")


@pytest.fixture
def stack(root: Path) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    return services


def test_the_five_services_and_what_they_need_are_there(stack: dict[str, Any]) -> None:
    assert sorted(stack) == sorted([*NodeKind, *NOT_OURS, *ENDING])


@pytest.mark.parametrize("name", [*NodeKind, *NOT_OURS])
def test_every_container_is_checked_and_limited(stack: dict[str, Any], name: str) -> None:
    service = stack[name]

    assert "localhost" not in str(service["healthcheck"]["test"])
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", [*NodeKind, *NOT_OURS, *ENDING])
def test_every_container_runs_without_privileges(stack: dict[str, Any], name: str) -> None:
    service = stack[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}
    assert service.keys().isdisjoint({"privileged", "pid", "ipc", "devices", "userns_mode"})
    assert all("docker.sock" not in str(volume) for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", [*NodeKind, *NOT_OURS, "consul-setup"])
def test_no_container_that_stays_runs_as_root(stack: dict[str, Any], name: str) -> None:
    uid, _, gid = stack[name]["user"].partition(":")

    assert int(uid) > 0
    assert int(gid) > 0
    assert "cap_add" not in stack[name]


def test_who_makes_the_keys_reaches_no_network_and_ends(stack: dict[str, Any]) -> None:
    assert stack["keys"]["network_mode"] == "none"
    assert stack["keys"]["restart"] == "no"
    for name in [*NodeKind, "nats", "grafana", "consul", "consul-setup"]:
        assert stack[name]["depends_on"]["keys"] == {"condition": "service_completed_successfully"}


def test_each_container_sees_only_its_own_keys(stack: dict[str, Any]) -> None:
    readers: dict[str, set[str]] = {}
    for name, service in stack.items():
        for volume in service.get("volumes", []):
            source, _target, *mode = volume.split(":")
            if source.endswith("-keys") and name != "keys":
                assert mode == ["ro"], volume
                readers.setdefault(source, set()).add(name)

    own = {f"{kind}-keys": {str(kind)} for kind in NodeKind}
    assert readers == own | {
        "tools-keys": {"license"},
        "nats-keys": {"nats"},
        "grafana-keys": {"grafana"},
        "prometheus-keys": {"prometheus"},
        "consul-keys": {"consul"},
        "consul-setup-keys": {"consul-setup"},
    }


def test_nodes_and_prometheus_wait_until_consul_knows_their_tokens(stack: dict[str, Any]) -> None:
    assert stack["consul-setup"]["restart"] == "no"
    for name in [*NodeKind, "prometheus"]:
        assert stack[name]["depends_on"]["consul-setup"] == {"condition": "service_completed_successfully"}


def test_the_keys_are_made_where_their_readers_look(stack: dict[str, Any], tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)

    mounted = dict(volume.split(":") for volume in stack["keys"]["volumes"])
    assert sorted(mounted.values()) == sorted(f"/keys/{path.name}" for path in tmp_path.iterdir())
    for kind in NodeKind:
        assert f"{kind}-keys:/run/rillcast:ro" in stack[kind]["volumes"]
        assert stack[kind]["environment"]["RILLCAST_NATS_NKEY_FILE"] == "/run/rillcast/nats.nkey"
        assert (tmp_path / kind / "nats.nkey").exists()
        assert stack[kind]["environment"]["RILLCAST_CONSUL_TOKEN_FILE"] == "/run/rillcast/consul.token"
        assert (tmp_path / kind / "consul.token").exists()
        for server in ("NATS", "CONSUL"):
            assert stack[kind]["environment"][f"RILLCAST_{server}_CA"] == "/run/rillcast/ca.pem"
        assert (tmp_path / kind / "ca.pem").exists()
    assert stack["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/rillcast/admin-password"
    assert (tmp_path / "grafana/admin-password").exists()
    assert "-config-file=/etc/consul/keys/access.json" in stack["consul"]["command"]
    assert (tmp_path / "consul/access.json").exists()
    assert stack["consul-setup"]["command"][2] == "/run/rillcast"
    assert (tmp_path / "consul-setup/management.token").exists()
    for server in ("nats", "consul"):
        assert f"{server}-keys:/etc/{server}/keys:ro" in stack[server]["volumes"]
        assert (tmp_path / server / "server.pem").exists()


def test_no_password_has_a_default_and_nobody_looks_without_one(root: Path, stack: dict[str, Any]) -> None:
    text = (root / "docker-compose.yml").read_text()

    assert stack["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert re.findall(r"\$\{\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*:-[^}]+\}", text) == []


def test_nats_takes_its_configuration(root: Path, tmp_path: Path) -> None:
    keys = tmp_path / "conf/keys"
    keys.parent.mkdir()
    (tmp_path / "volumes").mkdir()
    write_keys(tmp_path / "volumes", own=False)
    (tmp_path / "volumes/nats").rename(keys)
    config = (root / "deploy/nats/nats.conf").read_text().replace("/data", str(tmp_path / "data"))
    config = config.replace("/etc/nats/", f"{keys.parent}/")
    (keys.parent / "rillcast.conf").write_text(config)
    check = [find_nats_server(), "--config", str(keys.parent / "rillcast.conf"), "-t"]

    done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stderr


async def test_consul_takes_its_configuration_and_then_the_tokens(
    root: Path, stack: dict[str, Any], tmp_path: Path
) -> None:
    need_consul()
    write_keys(tmp_path, own=False)
    port, own = free_port(), {"/etc/consul/rillcast.hcl": tmp_path / "agent.hcl"}
    own["/etc/consul/keys/access.json"] = tmp_path / "consul/access.json"
    data, ports = tmp_path / "consul-data", f"http = {free_port()} server = {free_port()} serf_lan = {free_port()}"
    config = (root / "deploy/consul/agent.hcl").read_text().replace("/consul/data", str(data))
    config = config.replace("ports {", "ports {\n" + ports.replace(" s", "\n s")).replace("8501", str(port))
    config = config.replace("/etc/consul/keys/", f"{tmp_path}/consul/")
    own["/etc/consul/rillcast.hcl"].write_text(config.replace("0.0.0.0", "127.0.0.1"))
    arguments = [argument.partition("=") for argument in stack["consul"]["command"]]
    command = [f"{name}={own[value]}" if value else name for name, _, value in arguments]
    url, authority = f"https://127.0.0.1:{port}", tmp_path / "consul-setup/ca.pem"
    agent = ServerProcess([find_consul(), *command], tmp_path, lambda: accepts(port))
    await agent.start()
    try:
        await set_up(url, read_tokens(tmp_path / "consul-setup"), CONSUL_NODE, authority=authority)
        answers, trusting = {}, ssl.create_default_context(cafile=authority)
        for reader in [*NodeKind, "prometheus", ""]:
            token = (tmp_path / reader / "consul.token").read_text().strip() if reader else ""
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with httpx.AsyncClient(headers=headers, verify=trusting, trust_env=False) as client:
                answers[reader] = (await client.get(f"{url}/v1/catalog/nodes")).json()
    finally:
        await agent.stop()

    assert answers.pop("") == []
    assert {node["Node"] for nodes in answers.values() for node in nodes} == {CONSUL_NODE}
    assert all(answers.values())


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def test_nodes_reach_nats_and_consul_by_tls_alone(root: Path, stack: dict[str, Any]) -> None:
    for kind in NodeKind:
        assert stack[kind]["environment"]["RILLCAST_NATS_URL"] == "tls://nats:4222"
        assert stack[kind]["environment"]["RILLCAST_CONSUL_URL"] == "https://consul:8501"
    assert stack["consul-setup"]["command"][-1] == "https://consul:8501"
    (found,) = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"][0][
        "consul_sd_configs"
    ]
    assert (found["server"], found["scheme"]) == ("consul:8501", "https")
    assert found["tls_config"] == {"ca_file": "/run/rillcast/ca.pem"}


def test_what_speaks_in_the_clear_on_the_control_plane_listens_on_loopback(root: Path) -> None:
    assert 'http: "127.0.0.1:8222"' in (root / "deploy/nats/nats.conf").read_text()
    assert re.search(r'addresses \{\s*http = "127\.0\.0\.1"', (root / "deploy/consul/agent.hcl").read_text())


def test_admin_listeners_and_the_control_plane_are_not_published(stack: dict[str, Any]) -> None:
    public = {
        name
        for name, service in stack.items()
        for port in service.get("ports", [])
        if not port.startswith("127.0.0.1:")
    }

    assert public == {"signaling"}
    assert "ports" not in stack["nats"]
    assert "ports" not in stack["consul"]


def test_images_are_pinned(root: Path, stack: dict[str, Any]) -> None:
    named = [service["image"] for service in stack.values() if "build" not in service]
    for dockerfile in root.glob("deploy/**/Dockerfile"):
        named += re.findall(r"^FROM (\S+:\S+)", dockerfile.read_text(), re.M)

    assert len(named) >= 8
    assert [image for image in named if not PINNED.fullmatch(image)] == []


def test_the_rust_image_is_one_that_builds_the_native_module(root: Path) -> None:
    version = re.search(r"FROM rust:(\d+)\.(\d+)", (root / "deploy/docker/Dockerfile").read_text())

    assert version is not None
    assert (int(version[1]), int(version[2])) >= (1, 85)


OVERLAYS = sorted(path.name for path in (Path(__file__).parents[2] / "deploy/compose").glob("*.yml"))


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_changes_services_of_the_stack_and_mounts_what_is_there(
    root: Path, stack: dict[str, Any], name: str
) -> None:
    overlay = yaml.safe_load((root / "deploy/compose" / name).read_text())

    assert overlay.keys() == {"services"}
    assert overlay["services"].keys() <= stack.keys()
    for service in overlay["services"].values():
        assert service.keys() <= {"environment", "ports", "volumes"}, "what compose merges entry by entry"
        for volume in service.get("volumes", []):
            source, _, mode = volume.split(":")
            assert (root / source).exists(), "paths are the first file's: compose takes its folder as the project's"
            assert mode == "ro"
