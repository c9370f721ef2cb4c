"""The compose stack is complete: health checks, limits, pinned versions, no privilege that isn't needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rillcast.contracts.words import NodeKind

NOT_OURS = ["nats", "consul", "prometheus", "grafana", "otel-collector", "jaeger"]
PINNED = re.compile(r"[^:]+:v?\d+(\.\d+)*[-a-z]*")


@pytest.fixture
def stack(root: Path) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    return services


def test_the_five_services_and_what_they_need_are_there(stack: dict[str, Any]) -> None:
    assert sorted(stack) == sorted([*NodeKind, *NOT_OURS])


@pytest.mark.parametrize("name", [*NodeKind, *NOT_OURS])
def test_every_container_is_checked_and_limited(stack: dict[str, Any], name: str) -> None:
    service = stack[name]

    assert "localhost" not in str(service["healthcheck"]["test"])
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("kind", NodeKind)
def test_nodes_run_without_privileges(stack: dict[str, Any], kind: NodeKind) -> None:
    assert stack[kind]["cap_drop"] == ["ALL"]
    assert stack[kind]["read_only"] is True


def test_admin_listeners_and_the_control_plane_are_not_published(stack: dict[str, Any]) -> None:
    public = {
        name
        for name, service in stack.items()
        for port in service.get("ports", [])
        if not port.startswith("127.0.0.1:")
    }

    assert public == {"signaling"}
    assert "ports" not in stack["nats"]


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
