"""A publisher that comes back in another codec, under real browsers. With a ladder: see `test_ladder`."""

from __future__ import annotations

from tests.e2e.browser import Observation, Strangers
from tests.e2e.cluster import Cluster


def codec(seen: Observation) -> str:
    return seen.connections[-1].video_codec if seen.connections else ""


async def test_viewers_of_the_old_codec_are_told_and_may_play_anew(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as before, strangers.open(camera=True) as after, strangers.open() as viewer:
        await before.call("whipPublish", url=rillcast.whip(stream), codec="H264")
        await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        assert codec(await viewer.until_watching()) == "video/H264"

        await before.page.close()
        await after.publish_when_free(rillcast.whip(stream), codec="VP8")

        await viewer.until_heard("no_codec_enabled_in_the_server")
        await viewer.until_heard("play_finished")
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        assert codec(await viewer.until_watching()) == "video/VP8"
