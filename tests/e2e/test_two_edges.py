"""One publisher, viewers on two edges: each edge gets one copy from the origin, however many watch there.

On a busy machine signaling rather chooses the edge that has the stream, so all may watch there;
`tests/integration/test_origin_to_edges.py` puts viewers on two edges by itself.
"""

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
        moved_before = {edge: await relays_moved(rillcast, edge) for edge in EDGES}

        viewers = [await stack.enter_async_context(strangers.open()) for _ in range(VIEWERS)]
        for viewer in viewers:
            await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        seen = [await viewer.until_watching() for viewer in viewers]

        ports = {one.first.port for one in seen if one.first is not None}
        opened = {node: await relays_opened(rillcast, node) - before[node] for node in before}
        moved = {edge: await relays_moved(rillcast, edge) - moved_before[edge] for edge in EDGES}
        used = [edge for edge in EDGES if opened[edge]]
        assert len(ports) == len(used), "each edge has a media port of its own"
        assert {edge: opened[edge] - moved[edge] for edge in EDGES} == {e: TRACKS * (e in used) for e in EDGES}
        assert opened["origin-1"] == sum(opened[edge] for edge in EDGES), "what was opened anew came from it as well"
        await until(
            lambda: rillcast.stream(stream), lambda entry: entry and entry.viewers == VIEWERS, "all viewers are counted"
        )


async def relays_opened(rillcast: Cluster, node: str) -> float:
    kind = node.partition("-")[0]
    return await rillcast.metric(node, f"rillcast_{kind}_relay_opens_total{{outcome=ok}}")


async def relays_moved(rillcast: Cluster, edge: str) -> float:
    """Of those opened: again, for a track that came in before."""
    return await rillcast.metric(edge, "rillcast_edge_relay_moves_total")
