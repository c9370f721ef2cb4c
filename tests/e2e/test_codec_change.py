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


async def test_another_codec_in_a_living_connection_is_refused_in_words_and_nobody_sees_less(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer, strangers.open() as later:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        live = await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        before = await viewer.until_watching()
        other = "VP9" if codec(before) != "video/VP9" else "VP8"

        await publisher.call("sdkOffersAnother", stream=stream, codec=other)

        said = [event for event in (await publisher.observe()).events if event[0] == "error"]
        assert [name for _, name, _ in said] == ["notSetRemoteDescription"]
        after = await viewer.until_frames_go_on()
        assert (after.made, codec(after)) == (before.made, codec(before))
        await later.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        assert codec(await later.until_watching()) == codec(before)
        assert (await rillcast.live(stream)).epoch == live.epoch
