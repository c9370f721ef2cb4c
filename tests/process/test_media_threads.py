"""A media thread that stands still for ever, in a real process: the node notices and ends, instead of leaving the
viewers of that thread with a frozen picture."""

from __future__ import annotations

import ctypes
import re
import signal
from pathlib import Path

import httpx
import pytest

from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import nats_server
from rillcast.testing.services import ServiceProcess, service_process

pytest.importorskip("rillcast_native")

PAUSES_ON_SIGUSR1 = """
import ctypes, signal
libc = ctypes.CDLL(None)
libc.signal(signal.SIGUSR1, ctypes.cast(libc.pause, ctypes.c_void_p))
"""
"""Run by the process at its start: a thread that is sent SIGUSR1 calls pause(2), which does not return."""


def media_thread(pid: int) -> int:
    """The id of the first worker's thread."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "media-0":
            return int(task.name)
    raise AssertionError("there is no media thread")


async def reasons(service: ServiceProcess) -> dict[str, str]:
    """Why the node is not ready."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        found = (await client.get(service.admin + "/readyz")).json()["reasons"]
    assert isinstance(found, dict)
    return found


async def test_a_media_thread_that_stands_still_ends_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(PAUSES_ON_SIGUSR1)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    async with (
        nats_server() as nats,
        service_process(NodeKind.EDGE, tmp_path, nats_url=nats.url, kv_storage="memory", workers=2) as edge,
    ):
        await edge.says("Node is up")

        async def wired() -> bool:
            return "starting" not in await reasons(edge)

        await eventually(wired, 60, "the edge being up", not_yet=(httpx.HTTPError,))
        assert ctypes.CDLL(None).tgkill(edge.pid, media_thread(edge.pid), signal.SIGUSR1) == 0

        async def doubted() -> str:
            return (await reasons(edge)).get("media threads", "")

        doubt = await eventually(doubted, 30, not_yet=(httpx.TimeoutException,))
        assert re.match("media thread 0 has said nothing for [4-9] s", doubt)
        assert await edge.end(60) == 1, edge.log
        assert len(re.findall(r"ERROR.*media thread 0 has said nothing for 1[0-9] s", edge.log)) == 1
        assert "Traceback" not in edge.log
        assert "Media threads hang and are left to the end of the process: 1" in edge.log
