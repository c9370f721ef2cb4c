"""A cluster under streams in which things go wrong, so that dashboards have something to show."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psutil

from rillcast.testing.eventually import eventually
from tests.e2e.cluster import Cluster, cluster, process_of
from tests.e2e.load import publishing, started
from tests.e2e.prometheus import Prometheus, prometheus
from tests.e2e.publishers import ffmpeg_whip, killed, make_source
from tests.e2e.test_bus_stalls import frozen
from tests.e2e.test_drains import drain

APP = "LiveApp"
LADDER = {"encoderSettings": [{"height": 180, "videoBitrate": 300_000}], "vp8Enabled": True}
SETTINGS = {
    "RILLCAST_DISCOVERY": "nats",
    "RILLCAST_REGION": "home",
    "RILLCAST_ZONE": "a",
    "RILLCAST_EDGE_MAX_SESSIONS": "20",
}
THIN = ("--limit", "3M/250k@8/3M@25,none,120k", "--link-loss", "0.02")
"""Links that become thin for a while, that are fast, and that carry next to nothing."""
NODES = 7
STALL_S = 12
"""Longer than the patience of the client of NATS (9 s)."""


@asynccontextmanager
async def played(folder: Path) -> AsyncIterator[tuple[Cluster, Prometheus]]:
    """The cluster at the end of the scene, still under streams, and a Prometheus that has seen all of it."""
    async with cluster(folder, edges=2, origins=2, settings=SETTINGS) as running, AsyncExitStack() as stack:
        there = await stack.enter_async_context(prometheus(folder / "prometheus", running))
        await there.until_all_are_up(NODES)
        settings = f"{running.base}/rest/v2/applications/settings/{APP}"
        assert (await running.request("POST", settings, json=LADDER)).is_success
        source = await make_source(folder)
        await stack.enter_async_context(killed(*ffmpeg_whip(source, running.whip("camera")), log=folder / "ffmpeg.log"))
        layers = await started("publish", running.whip("layers"), "--simulcast", "--seconds", "300")
        stack.push_async_callback(gone, [layers])
        await running.live("camera")
        await running.live("layers")
        crowds = [
            await started(*("viewers", running.whep("camera"), "-n", "6", "--rate", "3", "--seconds", "300", *THIN)),
            await started(
                *("viewers", running.whep("layers"), "-n", "6", "--rate", "3", "--seconds", "300"),
                *THIN,
            ),
            await started(
                *("viewers", running.websocket(), "--stream", "layers", "-n", "4", "--rate", "2", "--seconds", "300")
            ),
        ]
        stack.push_async_callback(gone, crowds)
        await eventually(lambda: watching(running, 16), 60, "everybody watches", every_s=0.5)
        await goes_wrong(running)
        await stack.enter_async_context(publishing(running.whip("later"), "--simulcast"))
        await running.live("later")
        crowds += [
            await started(*("viewers", running.whep("later"), "-n", "5", "--rate", "3", "--seconds", "300")),
            await started(
                *("viewers", running.websocket(), "--stream", "later", "-n", "3", "--rate", "2", "--seconds", "300")
            ),
        ]
        await eventually(lambda: watching(running, 8), 60, "somebody watches again", every_s=0.5)
        yield running, there


async def watching(running: Cluster, count: int) -> bool:
    """Whether so many watch at both edges together, or more."""
    return sum([await running.metric(f"edge-{n}", "rillcast_edge_viewers") for n in (1, 2)]) >= count


async def gone(crowds: list[asyncio.subprocess.Process]) -> None:
    """The viewers end at once."""
    for crowd in crowds:
        if crowd.returncode is None:
            crowd.kill()
        await crowd.wait()


async def goes_wrong(running: Cluster) -> None:
    """One fault after the other, each over before the next."""
    await nobody(running)
    process_of(running, "edge-1").send_signal(signal.SIGKILL)
    await running.another_is_ready("edge-2")
    await running.another_is_ready("edge-1")
    code, said = await drain(running, "edge-2", "--deadline", "20")
    assert code in (0, 3), said
    assert (await drain(running, "edge-2", "--undo"))[0] == 0
    too_many = await started(
        *("viewers", running.whep("layers"), "-n", "60", "--rate", "20", "--seconds", "3"),
    )
    await too_many.communicate()
    origin = (await running.live("layers")).origin
    psutil.Process(process_of(running, origin).pid).send_signal(signal.SIGKILL)
    await running.another_is_ready("origin-1")
    await running.another_is_ready("origin-2")
    with frozen(running, "nats-server"):
        await asyncio.sleep(STALL_S)


async def nobody(running: Cluster) -> None:
    """Who comes and goes, and requests that cannot be carried out: a stream that is not there, no right, no sense."""
    await (await started("publish", running.whip("short"), "--seconds", "2")).communicate()
    leaving = ("viewers", running.websocket(), "--stream", "camera", "-n", "2", "--rate", "5", "--seconds", "1")
    await (await started(*leaving)).communicate()
    missing = await started("viewers", running.whep("nobody"), "-n", "5", "--rate", "20", "--seconds", "1")
    await missing.communicate()
    async with httpx.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.get(f"{running.base}/rest/v2/applications")).is_client_error
    await running.request("POST", f"{running.base}/rest/v2/applications/settings/{APP}", content=b"{")
    await running.request("POST", running.whep("layers"), content=b"v=0", headers={"Content-Type": "application/sdp"})
