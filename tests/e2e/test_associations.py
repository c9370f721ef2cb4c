"""A node is drained under Ant Media's SDK: the client keeps its DTLS association, which goes along to the next node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rillcast.contracts.status import StreamStatus
from tests.e2e.browser import Observation, Strangers
from tests.e2e.cluster import Cluster, edge_with_media_port, until
from tests.e2e.test_drains import drain
from tests.e2e.test_node_failures import pairs, watched

__all__ = ["pairs"]

KEPT = "rillcast_node_associations_taken_total{outcome=kept}"


@asynccontextmanager
async def drained(pairs: Cluster, node: str) -> AsyncIterator[None]:
    """The node is empty, and takes new work again after the block."""
    await pairs.another_is_ready(node)
    code, said = await drain(pairs, node, "--deadline", "40")
    try:
        assert code == 0, said
        yield
    finally:
        await drain(pairs, node, "--undo")


def kept(before: Observation, after: Observation) -> None:
    """One offer, no handshake, the same certificate, and still the same peer connection."""
    assert before.first is not None
    assert after.first is not None
    assert (after.made, after.first.index) == (before.made, before.first.index)
    assert before.first.certificate
    assert after.first.certificate == before.first.certificate
    assert (before.first.handshakes, after.first.handshakes) == (1, 1)
    assert after.first.negotiations == before.first.negotiations + 1


async def test_a_viewer_keeps_its_association_when_its_edge_is_drained(
    pairs: Cluster, strangers: Strangers, stream: str
) -> None:
    async with watched(pairs, strangers, stream) as (_, viewer):
        before = await viewer.until_frames_go_on()
        assert before.first is not None
        port = before.first.port
        edges = [edge_with_media_port(pairs, port)]

        async with drained(pairs, edges[0]):
            moved = await viewer.until(lambda seen: seen.first and seen.first.port not in {0, port}, "another edge")
            after = await viewer.until_frames_go_on()

            assert moved.first is not None
            edges.append(edge_with_media_port(pairs, moved.first.port))
            kept(before, after)
            assert after.frames_decoded > before.frames_decoded
            assert await pairs.metric(edges[1], KEPT) == 1
        async with drained(pairs, edges[1]):
            await viewer.until(lambda seen: seen.first and seen.first.port == port, "the first edge again")
            again = await viewer.until_frames_go_on()
            kept(moved, again)
            assert await pairs.metric(edges[0], KEPT) == 1


async def test_a_publisher_keeps_its_association_when_its_origin_is_drained(
    pairs: Cluster, strangers: Strangers, stream: str
) -> None:
    async with watched(pairs, strangers, stream) as (publisher, viewer):
        before, live = await publisher.observe(), await pairs.live(stream)

        async def elsewhere() -> StreamStatus | None:
            return await pairs.stream(stream)

        async with drained(pairs, live.origin):
            moved = await until(elsewhere, lambda now: now and now.origin != live.origin, "another origin has it")
            await viewer.until_frames_go_on()
            after = await publisher.observe()

            assert moved is not None
            kept(before, after)
            assert not after.heard_since(before, "publish_finished")
            assert await pairs.metric(moved.origin, KEPT) == 1
