"""One publisher, viewers on both edges: each edge gets one copy from the origin, however many watch there."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, until

EDGES = ("edge-1", "edge-2")
TRACKS = 2
VIEWERS = 4


async def test_each_edge_opens_one_relay_per_track(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(strangers.open(camera=True))
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await rillcast.live(stream)
        before = {node: await relays_opened(rillcast, node) for node in ("origin-1", *EDGES)}

        viewers = [await stack.enter_async_context(strangers.open()) for _ in range(VIEWERS)]
        for viewer in viewers:
            await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        seen = [await viewer.until_watching() for viewer in viewers]

        ports = {one.first.port for one in seen if one.first is not None}
        assert len(ports) == len(EDGES), "each edge has its own media port, and both have viewers"
        for edge in EDGES:
            assert await relays_opened(rillcast, edge) - before[edge] == TRACKS
        assert await relays_opened(rillcast, "origin-1") - before["origin-1"] == TRACKS * len(EDGES)
        await until(
            lambda: rillcast.stream(stream), lambda entry: entry and entry.viewers == VIEWERS, "all viewers are counted"
        )


async def relays_opened(rillcast: Cluster, node: str) -> float:
    kind = node.partition("-")[0]
    return await rillcast.metric(node, f"rillcast_{kind}_relay_opens_total{{outcome=ok}}")
