"""SIGTERM ends everything that `rillcast up` started, streams and viewers or not."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.e2e.browser import Strangers
from tests.e2e.cluster import cluster


async def test_sigterm_leaves_nothing_behind(strangers: Strangers, stream: str, tmp_path: Path) -> None:
    async with cluster(tmp_path) as running, strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=running.websocket(), stream=stream)
        await running.live(stream)
        await viewer.call("sdkPlay", url=running.websocket(), stream=stream)
        await viewer.until_watching()
        processes = running.processes()
        assert len(processes) >= 7, "rillcast up, NATS, five services"

        code = await running.terminate()

        assert code == 0
        gone, alive = psutil.wait_procs(processes, timeout=30)
        assert not alive
        assert len(gone) == len(processes)
        assert running.tracebacks() == []
