"""A real edge on a machine that a cloud takes away: the hook is completed when the process has drained and ended."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import httpx
import pytest
from cloud_machine import STATE, aws_answers, metadata_service, put_command, script

from rillcast.testing.eventually import eventually
from rillcast.testing.servers import free_port, nats_server

AWS = {"CLOUD": "aws", "KIND": "edge", "REGION": "eu-central-1", "HOOK": "drain", "GROUP": "rillcast-edge"}


async def test_the_hook_of_a_real_edge_is_completed_after_its_process_has_drained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, log = free_port(), tmp_path / "edge.log"
    async with nats_server() as server:
        said = {
            "RILLCAST_NATS_URL": server.url,
            "RILLCAST_NODE_ID": "edge-1",
            "RILLCAST_ADVERTISE_ADDRESS": "127.0.0.1",
            "RILLCAST_ADMIN_PORT": str(admin),
            "RILLCAST_DRAIN_TIMEOUT_S": "20",
        }
        with log.open("wb") as sink:
            edge = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.edge", stdout=sink, stderr=sink, env=os.environ | said
            )
        try:
            await eventually(lambda: has_started(admin), 30, not_yet=(httpx.HTTPError,))
            stop = f"kill -TERM {edge.pid}; exec tail --pid={edge.pid} --follow /dev/null"
            put_command(tmp_path / "bin", "systemctl", f'[ "$1 $2" = "stop rillcast.service" ] && {{ {stop}; }}')
            put_command(
                tmp_path / "bin",
                "aws",
                f"kill -0 {edge.pid} && state=lives || state=ended; echo $state $2 >>{tmp_path}/calls",
            )
            monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
            with metadata_service() as service:
                service.answers = aws_answers() | {STATE: "Terminated"}
                watch = script("leave").Watch(script("metadata").cloud(AWS, service.base), script("leave").Unit())
                looking = asyncio.create_task(asyncio.to_thread(watch.look))
                assert await edge.wait() == 0  # reaps it, as systemd does
                await looking
        finally:
            if edge.returncode is None:
                edge.kill()
                await edge.wait()

    assert (tmp_path / "calls").read_text() == "ended complete-lifecycle-action\n"
    assert "Drained" in log.read_text()


async def has_started(port: int) -> bool:
    """Whether nothing is missing but what other services would do."""
    async with httpx.AsyncClient() as client:
        return "starting" not in (await client.get(f"http://127.0.0.1:{port}/readyz")).json()["reasons"]
