"""Ant Media's SDK, unmodified, publishing and playing."""

from __future__ import annotations

from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, until


async def test_sdk_publishes_and_sdk_plays(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await publisher.until_heard("publish_started")
        live = await rillcast.live(stream)
        edges_sent = {edge: await packets(rillcast, edge, "out") for edge in ("edge-1", "edge-2")}
        origin_got = await packets(rillcast, live.origin, "in")

        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        await viewer.until_heard("play_started")
        seen = await viewer.until_watching()

        assert seen.made == 1
        assert seen.first is not None
        assert seen.first.srtp == "SRTP_AEAD_AES_128_GCM"
        assert seen.first.state == "connected"
        assert seen.picture.width == 640

        sending = await publisher.observe()
        assert sending.first is not None
        assert sending.first.srtp == "SRTP_AEAD_AES_128_GCM"
        assert live.origin == "origin-1"
        assert sending.first.port != seen.first.port, "the viewer is served by another process than the publisher"
        await until(
            lambda: grown(rillcast, edges_sent, "out"), lambda edges: len(edges) == 1, "exactly one edge sends media"
        )
        await until(
            lambda: grown(rillcast, {live.origin: origin_got}, "in"), lambda nodes: nodes, "the origin receives media"
        )
        await until(lambda: rillcast.stream(stream), lambda entry: entry and entry.viewers == 1, "one viewer counted")


async def packets(rillcast: Cluster, node: str, direction: str) -> float:
    return await rillcast.metric(node, f"rillcast_plane_packets_total{{direction={direction}}}")


async def grown(rillcast: Cluster, before: dict[str, float], direction: str) -> list[str]:
    """Nodes that moved at least 100 more packets than `before`."""
    return [node for node, seen in before.items() if await packets(rillcast, node, direction) > seen + 100]


async def test_sdk_viewer_waits_for_the_stream_to_begin(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with strangers.open() as viewer, strangers.open(camera=True) as publisher:
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        early = await viewer.until_heard("no_stream_exist")
        assert early.frames_decoded == 0

        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await viewer.until_heard("streaming_started")
        await viewer.until_watching()


async def test_viewer_keeps_its_session_when_the_publisher_reloads(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        before = await viewer.until_watching()
        epoch = (await rillcast.live(stream)).epoch

        await publisher.page.reload()
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        started = await publisher.until(
            lambda seen: seen.heard("publish_started") or seen.heard("session_restored"), "the publisher is back"
        )
        assert not any(kind == "error" for kind, _, _ in started.events)

        after = await viewer.until_frames_go_on()
        assert after.made == before.made
        assert after.first is not None
        assert after.first.state == "connected"
        assert not after.heard_since(before, "play_finished")
        assert (await rillcast.live(stream)).epoch >= epoch
