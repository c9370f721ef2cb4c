"""`rillcast up` with a Consul on the PATH: the cluster comes up, and Consul lets nobody in without a token."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import httpx
import pytest

from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import find_consul, need_consul
from tests.e2e.cluster import Cluster, cluster


@pytest.fixture
def path(tmp_path: Path) -> str:
    need_consul()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "consul").symlink_to(find_consul())
    return f"{programs}{os.pathsep}{os.environ['PATH']}"


def seen(consul: str, token: str = "") -> list[str]:
    """The nodes that Consul shows to this token."""
    headers = {"X-Consul-Token": token} if token else {}
    with httpx.Client(base_url=consul, headers=headers, trust_env=False, timeout=5) as client:
        answers = [client.get(f"/v1/health/service/rillcast-{kind}?passing=1") for kind in NodeKind]
    if any(answer.status_code != 200 for answer in answers):
        return []
    return sorted(entry["Service"]["ID"] for answer in answers for entry in answer.json())


async def test_a_cluster_with_consul_comes_up_and_only_its_nodes_get_in(tmp_path: Path, path: str) -> None:
    async with cluster(tmp_path, edges=2, settings={"PATH": path}) as running:
        folder = tmp_path / "run"
        agent = next(p for p in running.processes() if p.name() == "consul")
        consul = f"http://127.0.0.1:{min(c.laddr.port for c in agent.net_connections() if c.status == 'LISTEN')}"
        token = (folder / "consul-tokens/edge.token").read_text().strip()
        everybody = ["edge-1", "edge-2", "license-1", "origin-1", "signaling-1", "transcoder-1"]
        assert seen(consul, token) == everybody
        assert seen(consul) == []

        secret = [*(folder / "consul-tokens").iterdir(), folder / "consul.json"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
        assert stat.S_IMODE((folder / "consul").stat().st_mode) == 0o700
        told = _told(running, folder)
        assert token not in told
        assert (folder / "consul-tokens/management.token").read_text().strip() not in told

        agent.kill()
        await eventually(lambda: _is_back(consul, token, everybody), 40, "Consul and all nodes being back")
        assert running.tracebacks() == []


async def test_a_second_start_keeps_the_tokens_and_knows_no_former_node(tmp_path: Path, path: str) -> None:
    (tmp_path / "up.log").touch()
    async with cluster(tmp_path, settings={"PATH": path}):
        tokens = {file: file.read_text() for file in (tmp_path / "run/consul-tokens").iterdir()}
        former = tmp_path / "run/consul/former"
        former.touch()
    async with cluster(tmp_path, settings={"PATH": path}):
        assert {file: file.read_text() for file in (tmp_path / "run/consul-tokens").iterdir()} == tokens
        assert not former.exists()
    shutil.rmtree(tmp_path / "run")


def _is_back(consul: str, token: str, everybody: list[str]) -> bool:
    try:
        return seen(consul, token) == everybody
    except httpx.HTTPError:
        return False


def _told(running: Cluster, folder: Path) -> str:
    """All that can be read of the processes without opening their files."""
    logs = "".join(path.read_text(errors="replace") for path in (folder / "logs").iterdir())
    lines = "".join(" ".join([*process.cmdline(), *process.environ().values()]) for process in running.processes())
    return logs + lines
