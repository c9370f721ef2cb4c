"""What a publisher may change or send at once, and what its viewers then see."""

from __future__ import annotations

from functools import partial

from tests.e2e.browser import Observation, Strangers
from tests.e2e.cluster import Cluster, until


def has_height(height: int, seen: Observation) -> bool:
    return seen.picture.height == height


async def test_a_change_of_resolution_passes_through(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("whipPublish", url=rillcast.whip(stream), codec="H264")
        await rillcast.live(stream)
        await viewer.call("whepPlay", url=rillcast.whep(stream))
        await viewer.until_watching()
        await viewer.until(lambda seen: seen.picture.width == 640, "the picture in the size of the camera")

        await publisher.call("whipScale", by="2")

        await viewer.until(lambda seen: seen.picture.width == 320, "the smaller picture")
        after = await viewer.until_frames_go_on()
        assert after.made == 1


async def test_viewers_of_a_layer_that_stops_go_on_with_another(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async def stopped() -> float:
        return sum([await rillcast.metric(edge, "rillcast_edge_layers_stopped_total") for edge in ("edge-1", "edge-2")])

    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("simulcastPublish", url=rillcast.whip(stream))
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        before = await viewer.until_watching(audio=False)
        await viewer.until(partial(has_height, 720), "the best layer")
        known = await stopped()

        await publisher.call("whipLayer", rid="h", active="no")
        await viewer.until(partial(has_height, 360), "the next layer")
        await viewer.until_frames_go_on()
        assert await stopped() > known, "the edge has seen it by itself"

        await publisher.call("whipLayer", rid="h", active="yes")
        await viewer.until(partial(has_height, 720), "the best layer again")
        after = await viewer.until_frames_go_on()
        assert after.made == before.made


async def test_simulcast_layers_become_renditions(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("simulcastPublish", url=rillcast.whip(stream))
        await until(
            lambda: rillcast.stream(stream),
            lambda entry: entry and entry.renditions == (720, 360, 180),
            "three renditions are known",
        )

        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        before = await viewer.until_watching(audio=False)
        for height in (180, 720, 360):
            await viewer.page.evaluate("([id, height]) => adaptor.forceStreamQuality(id, height)", [stream, height])
            await viewer.until(partial(has_height, height), f"{height} lines")

        after = await viewer.until_frames_go_on()
        assert after.made == before.made
