"""The compose stack is complete: health checks, limits, pinned versions, no privilege that isn't needed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rillcast.cli.compose_keys import write_keys
from rillcast.contracts.words import NodeKind
from rillcast.testing.servers import find_nats_server

NOT_OURS = ["nats", "consul", "prometheus", "grafana", "otel-collector", "jaeger"]
PINNED = re.compile(r"[^:]+:v?\d+(\.\d+)*[-a-z]*")


@pytest.fixture
def stack(root: Path) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    return services


def test_the_five_services_and_what_they_need_are_there(stack: dict[str, Any]) -> None:
    assert sorted(stack) == sorted([*NodeKind, *NOT_OURS, "keys"])


@pytest.mark.parametrize("name", [*NodeKind, *NOT_OURS])
def test_every_container_is_checked_and_limited(stack: dict[str, Any], name: str) -> None:
    service = stack[name]

    assert "localhost" not in str(service["healthcheck"]["test"])
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", [*NodeKind, *NOT_OURS, "keys"])
def test_every_container_runs_without_privileges(stack: dict[str, Any], name: str) -> None:
    service = stack[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}
    assert service.keys().isdisjoint({"privileged", "pid", "ipc", "devices", "userns_mode"})
    assert all("docker.sock" not in str(volume) for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", [*NodeKind, *NOT_OURS])
def test_no_container_that_stays_runs_as_root(stack: dict[str, Any], name: str) -> None:
    uid, _, gid = stack[name]["user"].partition(":")

    assert int(uid) > 0
    assert int(gid) > 0
    assert "cap_add" not in stack[name]


def test_who_makes_the_keys_reaches_no_network_and_ends(stack: dict[str, Any]) -> None:
    assert stack["keys"]["network_mode"] == "none"
    assert stack["keys"]["restart"] == "no"
    for name in [*NodeKind, "nats", "grafana"]:
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
    assert readers == own | {"tools-keys": {"license"}, "nats-keys": {"nats"}, "grafana-keys": {"grafana"}}


def test_the_keys_are_made_where_their_readers_look(stack: dict[str, Any], tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)

    mounted = dict(volume.split(":") for volume in stack["keys"]["volumes"])
    assert sorted(mounted.values()) == sorted(f"/keys/{path.name}" for path in tmp_path.iterdir())
    for kind in NodeKind:
        assert f"{kind}-keys:/run/rillcast:ro" in stack[kind]["volumes"]
        assert stack[kind]["environment"]["RILLCAST_NATS_NKEY_FILE"] == "/run/rillcast/nats.nkey"
        assert (tmp_path / kind / "nats.nkey").exists()
    assert stack["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/rillcast/admin-password"
    assert (tmp_path / "grafana/admin-password").exists()


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
    (keys.parent / "rillcast.conf").write_text(config)
    check = [find_nats_server(), "--config", str(keys.parent / "rillcast.conf"), "-t"]

    done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stderr


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
