"""`rillcast up` with a Consul on the PATH: the cluster comes up, and Consul lets nobody in without a token."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import sys
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


def seen(consul: str, folder: Path, token: str = "") -> list[str]:
    """The nodes that Consul shows to this token."""
    headers = {"X-Consul-Token": token} if token else {}
    trusting = ssl.create_default_context(cafile=folder / "tls/ca.pem")
    with httpx.Client(base_url=consul, headers=headers, verify=trusting, trust_env=False, timeout=5) as client:
        answers = [client.get(f"/v1/health/service/rillcast-{kind}?passing=1") for kind in NodeKind]
    if any(answer.status_code != 200 for answer in answers):
        return []
    return sorted(entry["Service"]["ID"] for answer in answers for entry in answer.json())


async def test_only_nodes_get_into_consul_and_a_second_start_keeps_the_tokens_and_knows_no_former_node(
    tmp_path: Path, path: str
) -> None:
    async with cluster(tmp_path, edges=2, settings={"PATH": path}) as running:
        folder = tmp_path / "run"
        agent = next(p for p in running.processes() if p.name() == "consul")
        consul = f"https://127.0.0.1:{min(c.laddr.port for c in agent.net_connections() if c.status == 'LISTEN')}"
        token = (folder / "consul-tokens/edge.token").read_text().strip()
        everybody = ["edge-1", "edge-2", "license-1", "origin-1", "signaling-1", "transcoder-1"]
        await eventually(lambda: seen(consul, folder, token) == everybody, 40, "Consul knows all nodes")
        assert seen(consul, folder) == []
        assert seen(consul.replace("https:", "http:"), folder, token) == []
        assert "built in" in await _license_status(folder)

        secret = [*(folder / "consul-tokens").iterdir(), *(folder / "tls").iterdir(), folder / "consul.json"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
        assert stat.S_IMODE((folder / "consul").stat().st_mode) == 0o700
        told = _told(running, folder)
        assert token not in told
        assert (folder / "consul-tokens/management.token").read_text().strip() not in told

        agent.kill()
        await eventually(lambda: _is_back(consul, folder, token, everybody), 40, "Consul and all nodes being back")
        assert running.tracebacks() == []
        tokens, certificates = _texts(folder / "consul-tokens"), _texts(folder / "tls")
        former = folder / "consul/former"
        former.touch()

    async with cluster(tmp_path, settings={"PATH": path}):
        assert (_texts(folder / "consul-tokens"), _texts(folder / "tls")) == (tokens, certificates)
        assert not former.exists()


def _is_back(consul: str, folder: Path, token: str, everybody: list[str]) -> bool:
    try:
        return seen(consul, folder, token) == everybody
    except httpx.HTTPError:
        return False


async def _license_status(folder: Path) -> str:
    """What the command of an operator of this machine shows, who has set another NATS's authority."""
    ours = {"RILLCAST_RUN_DIR": str(folder), "RILLCAST_NATS_CA": "/nowhere/ca.pem"}
    others = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "license", "status"),
        env=others | ours,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()


def _texts(folder: Path) -> dict[Path, str]:
    return {file: file.read_text() for file in folder.iterdir()}


def _told(running: Cluster, folder: Path) -> str:
    """All that can be read of the processes without opening their files."""
    logs = "".join(path.read_text(errors="replace") for path in (folder / "logs").iterdir())
    lines = "".join(" ".join([*process.cmdline(), *process.environ().values()]) for process in running.processes())
    return logs + lines
