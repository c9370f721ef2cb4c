"""Wall clocks that jump by an hour, to and fro, at one node and at all, while a stream runs: nobody notices."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from rillcast.testing.eventually import eventually
from tests.e2e.cluster import Cluster, cluster
from tests.e2e.load import publishing, seen, started, viewers
from tests.e2e.wall_clock import WallClocks

NODES = ("signaling-1", "origin-1", "edge-1", "transcoder-1", "license-1")
HOUR_S = 3_600
JUMPS = (
    (HOUR_S, ("origin-1",)),
    (-2 * HOUR_S, ("origin-1", "edge-1")),
    (2 * HOUR_S, ("edge-1", "signaling-1")),
    (-3 * HOUR_S, ("signaling-1", "license-1", "transcoder-1")),
    (2 * HOUR_S, ()),
    (-2 * HOUR_S, ()),
)
VIEWERS = 6
SENT = "rillcast_plane_packets_total{direction=out}"


async def jumped_s(running: Cluster, node: str) -> float:
    """How far a node's wall clock is from ours, as the dates of its answers say."""
    report = next(one for one in (await running.status()).nodes if one.info.node == node)
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://{report.info.admin_address}/livez")
    return parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()


async def test_clocks_that_jump_disturb_neither_streams_nor_nodes(tmp_path: Path) -> None:
    clocks, stream, offsets = WallClocks(tmp_path, NODES), "s1", dict.fromkeys(NODES, 0)
    async with (
        cluster(tmp_path, settings=clocks.settings) as running,
        publishing(running.whip(stream)),
        AsyncExitStack() as stack,
    ):
        before = await running.live(stream)
        watching = await stack.enter_async_context(viewers(running.whep(stream), VIEWERS))

        async def all_watch() -> bool:
            return await running.metric("edge-1", "rillcast_edge_viewers") >= VIEWERS

        await eventually(all_watch, 30, "all viewers")
        for seconds, nodes in JUMPS:
            clocks.jump(seconds, *nodes)
            for node in nodes or NODES:
                offsets[node] += seconds

                async def jumped(node: str = node) -> bool:  # the date of answers is made once a second
                    return abs(await jumped_s(running, node) - offsets[node]) < HOUR_S / 2

                await eventually(jumped, 20, f"the clock of {node} {offsets[node]} s off")
            sent = await running.metric("edge-1", SENT)

            async def flows_on(sent: float = sent) -> bool:
                return await running.metric("edge-1", SENT) > sent + VIEWERS * 60

            await eventually(flows_on, 20, "media after the jump")
        figures = await watching.leave()
        after = await running.live(stream)
        late = await seen(await started("viewers", running.whep(stream), "-n", "2", "--seconds", "1"))

        assert (figures.connected, figures.failures, figures.ended) == (VIEWERS, {}, {})
        assert figures.steady.receiving == VIEWERS
        assert figures.steady.lost <= figures.steady.packets / 100
        assert late.connected == 2
        assert (after.origin, after.epoch) == (before.origin, before.epoch)
        gone = [name for name in await running.metrics("signaling-1") if name.startswith("rillcast_nodes_gone_total")]
        assert gone == []
        assert running.tracebacks() == []
