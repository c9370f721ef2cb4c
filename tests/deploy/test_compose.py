"""The compose stack is complete: health checks, limits, pinned versions, no privilege that isn't needed."""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from compose_servers import PINNED, accepts, nats_config, volumes

from rillcast.cli.compose_keys import CONSUL_NODE, write_keys
from rillcast.cli.consul_setup import set_up
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.consul_acl import read_tokens
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import ServerProcess, find_consul, find_nats_server, free_port, need_consul
from services.signaling.app import room_in_memory
from services.signaling.config import SignalingSettings

NOT_OURS = ["nats", "consul", "prometheus", "grafana", "otel-collector", "jaeger", "coturn"]
ENDING = ["keys", "consul-setup"]
"""They do their work before the others begin."""
TLS_PAGE = Path(__file__).parents[2] / "docs/tls.md"


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


def test_signaling_has_the_memory_for_as_many_sockets_as_it_takes(stack: dict[str, Any]) -> None:
    memory = int(stack["signaling"]["deploy"]["resources"]["limits"]["memory"].removesuffix("M")) * 1024**2
    plain, encrypted = SignalingSettings(), SignalingSettings(tls_certificate="c", tls_key="k")

    assert room_in_memory(plain, memory).sockets == plain.max_sockets
    told = re.search(r"With TLS these\s+are ([0-9,]+) in the memory that compose gives it", TLS_PAGE.read_text())
    assert told is not None
    assert int(told[1].replace(",", "")) == room_in_memory(encrypted, memory).sockets // 100 * 100


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
    for name in [*NodeKind, "nats", "grafana", "consul", "consul-setup", "coturn"]:
        assert stack[name]["depends_on"]["keys"] == {"condition": "service_completed_successfully"}


def test_each_container_sees_only_its_own_keys(stack: dict[str, Any]) -> None:
    readers: dict[str, set[str]] = {}
    for name, service in stack.items():
        for volume in service.get("volumes", []):
            source, _target, *mode = re.sub(r"\$\{.*?\}", "", volume).split(":")
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
        "coturn-keys": {"coturn"},
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
    assert stack["consul-setup"]["command"][1] == "/run/rillcast"
    assert (tmp_path / "consul-setup/management.token").exists()
    for server in ("nats", "consul"):
        assert f"{server}-keys:/etc/{server}/keys:ro" in stack[server]["volumes"]
        assert (tmp_path / server / "server.pem").exists()


def test_no_password_has_a_default_and_nobody_looks_without_one(root: Path, stack: dict[str, Any]) -> None:
    text = (root / "docker-compose.yml").read_text()

    assert stack["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert re.findall(r"\$\{\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*:-[^}]+\}", text) == []


def test_the_operators_first_password_is_in_a_file_and_not_in_a_log(
    root: Path, stack: dict[str, Any], tmp_path: Path
) -> None:
    write_keys(tmp_path, own=False)
    path = Path(stack["signaling"]["environment"]["RILLCAST_SIGNALING_FIRST_PASSWORD_PATH"])

    assert f"signaling-data:{path.parent}" in stack["signaling"]["volumes"], "it outlives the container"
    assert [name for name, one in stack.items() if "signaling-data" in str(one.get("volumes"))] == ["keys", "signaling"]
    assert (tmp_path / "signaling-data").is_dir()
    for page in ("docker-compose.yml", "README.md", "docs/security.md"):
        assert f"docker compose exec signaling cat {path}" in (root / page).read_text()


def test_no_configuration_of_nats_acknowledges_before_it_has_synced(root: Path) -> None:
    """What we ship: other tests may have servers that are quicker."""
    shipped = [
        path for path in root.glob("deploy/**/*") if path.is_file() and "jetstream {" in path.read_text("latin-1")
    ]
    assert root / "deploy/nats/nats.conf" in shipped
    for path in shipped:
        assert "sync_interval: always" in path.read_text(), path


def test_nats_takes_its_configuration(root: Path, tmp_path: Path) -> None:
    keys = volumes(tmp_path / "volumes") / "nats"
    check = [find_nats_server(), "--config", str(nats_config(root, tmp_path, keys, 4222)), "-t"]

    done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stderr


async def test_the_health_check_has_nats_read_a_renewed_certificate(
    root: Path, stack: dict[str, Any], tmp_path: Path
) -> None:
    made, port = volumes(tmp_path / "volumes", days_ago=400), free_port()
    config = nats_config(root, tmp_path, made / "nats", port)
    server = ServerProcess([find_nats_server(), "--config", str(config)], tmp_path, lambda: accepts(port))
    await server.start()
    try:
        check = stack["nats"]["healthcheck"]["test"][1].replace("/etc/nats/keys", str(made / "nats"))
        check = check.replace("/tmp/told", str(tmp_path / "told")).replace("-HUP 1", f"-HUP {server.pid}")
        check = check[: check.index("wget")]

        async def checked() -> bytes:
            assert await (await asyncio.create_subprocess_shell(check)).wait() == 0
            return await shown(port, made / "nats/ca.pem", starttls=True)

        before = await checked()
        volumes(made)
        await eventually(lambda: differs(checked, before), 20, "the renewed certificate", not_yet=(OSError,))
        told = (tmp_path / "told").stat().st_mtime_ns
        await checked()
        assert (tmp_path / "told").stat().st_mtime_ns == told, "it is told once"
    finally:
        await server.stop()


async def differs(look: Callable[[], Awaitable[bytes]], before: bytes) -> bool:
    return await look() != before


async def shown(port: int, authority: Path, *, starttls: bool = False) -> bytes:
    """The certificate that a server shows, in DER. Raises OSError when it is not by this authority."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if starttls:
            await reader.readline()
        await writer.start_tls(ssl.create_default_context(cafile=authority), server_hostname="127.0.0.1")
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return certificate
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def compose_consul(root: Path, stack: dict[str, Any], folder: Path) -> AsyncIterator[int]:
    """Consul as compose configures it, with the files of `volumes` in `folder`; its port for TLS."""
    port, own = free_port(), {"/etc/consul/rillcast.hcl": folder / "agent.hcl"}
    own["/etc/consul/keys/access.json"] = folder / "consul/access.json"
    data, ports = folder / "consul-data", f"http = {free_port()} server = {free_port()} serf_lan = {free_port()}"
    config = (root / "deploy/consul/agent.hcl").read_text().replace("/consul/data", str(data))
    config = config.replace("ports {", "ports {\n" + ports.replace(" s", "\n s")).replace("8501", str(port))
    config = config.replace("/etc/consul/keys/", f"{folder}/consul/")
    own["/etc/consul/rillcast.hcl"].write_text(config.replace("0.0.0.0", "127.0.0.1"))
    arguments = [argument.partition("=") for argument in stack["consul"]["command"]]
    command = [f"{name}={own[value]}" if value else name for name, _, value in arguments]
    agent = ServerProcess([find_consul(), *command], folder, lambda: accepts(port))
    await agent.start()
    try:
        yield port
    finally:
        await agent.stop()


async def test_consul_takes_its_configuration_and_then_the_tokens(
    root: Path, stack: dict[str, Any], tmp_path: Path
) -> None:
    need_consul()
    volumes(tmp_path)
    authority = tmp_path / "consul-setup/ca.pem"
    async with compose_consul(root, stack, tmp_path) as port:
        url = f"https://127.0.0.1:{port}"
        await set_up(url, read_tokens(tmp_path / "consul-setup"), CONSUL_NODE, authority=authority)
        answers, trusting = {}, ssl.create_default_context(cafile=authority)
        for reader in [*NodeKind, "prometheus", ""]:
            token = (tmp_path / reader / "consul.token").read_text().strip() if reader else ""
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with httpx.AsyncClient(headers=headers, verify=trusting, trust_env=False) as client:
                answers[reader] = (await client.get(f"{url}/v1/catalog/nodes")).json()

    assert answers.pop("") == []
    assert {node["Node"] for nodes in answers.values() for node in nodes} == {CONSUL_NODE}
    assert all(answers.values())


async def test_consul_reads_a_renewed_certificate_by_itself(root: Path, stack: dict[str, Any], tmp_path: Path) -> None:
    need_consul()
    volumes(tmp_path, days_ago=400)
    async with compose_consul(root, stack, tmp_path) as port:
        look = partial(shown, port, tmp_path / "edge/ca.pem")
        before = await look()
        volumes(tmp_path)
        await eventually(lambda: differs(look, before), 30, "the renewed certificate", not_yet=(OSError,))


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

    assert public == {"signaling", "coturn"}
    assert "ports" not in stack["nats"]
    assert "ports" not in stack["consul"]


def test_images_are_pinned(root: Path, stack: dict[str, Any]) -> None:
    named = [service["image"] for service in stack.values() if "build" not in service]
    for dockerfile in root.glob("deploy/**/Dockerfile"):
        named += re.findall(r"^FROM (?:--\S+ )?(\S+:\S+)", dockerfile.read_text(), re.M)

    assert len(named) >= 8
    assert [image for image in named if not PINNED.fullmatch(image)] == []


def test_the_rust_image_is_one_that_builds_the_native_module(root: Path) -> None:
    version = re.search(
        r"FROM --platform=\$BUILDPLATFORM rust:(\d+)\.(\d+)", (root / "deploy/docker/Dockerfile").read_text()
    )

    assert version is not None
    assert (int(version[1]), int(version[2])) >= (1, 85)
