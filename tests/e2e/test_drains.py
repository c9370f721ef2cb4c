"""An operator empties an edge with `rillcast drain`: its viewer keeps the picture, and it can be undone."""

from __future__ import annotations

import asyncio
import sys

from rillcast.contracts.messages.drains import DrainCount
from rillcast.contracts.words import DrainPhase
from rillcast.testing.eventually import within
from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, edge_with_media_port, until
from tests.e2e.load import ROOT


async def drain(running: Cluster, *arguments: str) -> tuple[int, str]:
    """The exit code of the command, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rillcast.cli", "drain", *arguments, "--run-dir", str(running.folder / "run")),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with within(60, "the end of the drain"):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_viewer_is_moved_and_the_edge_takes_viewers_again_when_it_is_undone(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        watched = await viewer.until_watching()
        first = watched.first
        assert first is not None
        edge = edge_with_media_port(rillcast, first.port)

        async def viewers() -> float:
            return await rillcast.metric(edge, "rillcast_edge_viewers")

        await until(viewers, lambda count: count == 1, "those of earlier tests are gone", 60)
        try:
            code, said = await drain(rillcast, edge, "--deadline", "40")

            assert code == 0, said
            assert f"{edge} drained: viewers 1 moved, 0 left" in said
            await viewer.until(lambda seen: seen.first and seen.first.port not in {0, first.port}, "another edge")
            assert (await viewer.until_frames_go_on()).made == watched.made, "the peer connection is the same"
            report = next(one for one in (await rillcast.status()).nodes if one.info.node == edge)
            assert report.drain is not None
            assert report.drain.phase is DrainPhase.DRAINED
            assert report.drain.viewers == DrainCount(began=1)
            assert not report.ready
            assert (await drain(rillcast, edge))[0] == 0, "what is drained is drained"
        finally:
            code, said = await drain(rillcast, edge, "--undo")
        assert (code, said.strip()) == (0, f"{edge} takes new work")

        async def takes_work() -> bool:
            return any(one.info.node == edge and one.ready for one in (await rillcast.status()).nodes)

        await until(takes_work, bool, f"{edge} is ready again")
    assert rillcast.tracebacks() == []
