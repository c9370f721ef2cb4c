"""A node dies (SIGKILL) or leaves (SIGTERM) under publishers and viewers with Ant Media's SDK: they keep their peer
connections."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio

from rillcast.contracts.status import StreamStatus
from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, cluster, edge_with_media_port, process_of, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pairs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Two origins and two edges."""
    async with cluster(tmp_path_factory.mktemp("pairs"), edges=2, origins=2) as running:
        yield running


@asynccontextmanager
async def watched(pairs: Cluster, strangers: Strangers, stream: str) -> AsyncIterator[tuple[Stranger, Stranger]]:
    """A publisher and a viewer, the picture running. Each may have made more than one peer connection by then: the SDK
    begins anew when a join takes more than three seconds."""
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(strangers.open(camera=True))
        viewer = await stack.enter_async_context(strangers.open())
        await publisher.call("sdkPublish", url=pairs.websocket(), stream=stream)
        await pairs.live(stream)
        await viewer.call("sdkPlay", url=pairs.websocket(), stream=stream)
        await viewer.until_watching()
        yield publisher, viewer


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
async def test_viewers_move_when_their_edge_goes(
    pairs: Cluster, strangers: Strangers, stream: str, how: signal.Signals
) -> None:
    async with watched(pairs, strangers, stream) as (_, viewer):
        before = await viewer.observe()
        assert before.first is not None
        port = before.first.port

        await end(pairs, edge_with_media_port(pairs, port), how)

        await viewer.until(lambda seen: seen.first and seen.first.port not in {0, port}, "another edge serves it")
        after = await viewer.until_frames_go_on()
        assert after.made == before.made


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
async def test_a_publisher_goes_on_at_another_origin_in_its_peer_connection(
    pairs: Cluster, strangers: Strangers, stream: str, how: signal.Signals
) -> None:
    async with watched(pairs, strangers, stream) as (publisher, viewer):
        live = await pairs.live(stream)
        watched_before, sent_before = await viewer.observe(), await publisher.observe()

        async def other() -> StreamStatus | None:
            return await pairs.stream(stream)

        async with h264_off(pairs):
            await end(pairs, live.origin, how)
            moved = await until(other, lambda now: now and now.origin != live.origin, "another origin has the stream")
            seen, sent = await viewer.until_frames_go_on(), await publisher.observe()
        assert moved is not None
        assert set(moved.codecs) == set(live.codecs) == {"H264", "opus"}, "it goes on in the codec that it was given"
        assert moved.epoch > live.epoch
        assert (seen.made, sent.made) == (watched_before.made, sent_before.made)
        assert not sent.heard_since(sent_before, "reconnection_attempt_for_publisher")
        assert not sent.heard_since(sent_before, "publish_finished")
        assert not seen.heard_since(watched_before, "play_finished")


@pytest.mark.parametrize("kind", ["edge", "origin"])
async def test_a_node_that_is_frozen_for_a_moment_is_not_taken_for_dead(
    pairs: Cluster, strangers: Strangers, stream: str, kind: str
) -> None:
    async with watched(pairs, strangers, stream) as (publisher, viewer):
        live, before = await pairs.live(stream), await viewer.observe()
        sent = await publisher.observe()
        assert before.first is not None
        node = live.origin if kind == "origin" else edge_with_media_port(pairs, before.first.port)
        frozen = process_of(pairs, node)
        frozen.send_signal(signal.SIGSTOP)
        try:
            await until(pairs.doubtful, lambda seen: seen == {node: "frozen"}, f"signaling takes {node} for frozen")
        finally:
            frozen.send_signal(signal.SIGCONT)
        await until(pairs.doubtful, lambda seen: seen == {}, f"{node} is heard of again")

        after = await viewer.until_frames_go_on()
        assert after.first is not None
        assert (after.made, after.first.port) == (before.made, before.first.port)
        assert (await publisher.observe()).made == sent.made
        assert (await pairs.live(stream)).epoch == live.epoch


@asynccontextmanager
async def h264_off(pairs: Cluster) -> AsyncIterator[None]:
    """For sessions that begin before the end of the block."""
    url = f"{pairs.base}/rest/v2/applications/settings/LiveApp"

    async def settings_are(**settings: object) -> None:
        assert (await pairs.request("POST", url, json=settings)).json()["success"]

    await settings_are(h264Enabled=False, vp8Enabled=True)
    try:
        yield
    finally:
        await settings_are(h264Enabled=True, vp8Enabled=False, strictCodecs=[])


async def end(pairs: Cluster, node: str, how: signal.Signals) -> None:
    """Sends a signal to a node's process, once another one can take what it has; `rillcast up` starts it again."""
    await pairs.another_is_ready(node)
    process_of(pairs, node).send_signal(how)
