"""Clients that begin anew without a `stop`, and pages that ask twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, cluster, until


async def settled(viewer: Stranger) -> None:
    """So long after its `play` that another one is no second click."""
    await viewer.until_watching()
    await viewer.until(lambda seen: seen.frames_decoded > 90, "frames of more than a second")


async def test_a_viewer_that_begins_anew_has_its_picture_at_once_and_is_counted_once(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await rillcast.live(stream)
        await viewer.call("mobile", url=rillcast.websocket(), stream=stream, does="play")
        await settled(viewer)

        await viewer.page.evaluate("again()")

        seen = await viewer.until(
            lambda seen: seen.made == 2 and seen.connections[-1].frames_decoded > 20, "a picture in the next connection"
        )
        assert not any(kind == "error" for kind, _, _ in seen.events)
        await until(lambda: rillcast.stream(stream), lambda entry: entry and entry.viewers == 1, "one viewer counted")


async def test_a_publisher_that_begins_anew_keeps_its_stream_and_its_viewers(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("mobile", url=rillcast.websocket(), stream=stream, does="publish")
        await publisher.until_heard("publish_started")
        await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        before = await viewer.until_watching()

        await publisher.page.evaluate("again()")

        seen = await publisher.until(
            lambda seen: sum(name == "publish_started" for _, name, _ in seen.events) == 2, "it has started again"
        )
        after = await viewer.until_frames_go_on()
        assert not any(kind == "error" for kind, _, _ in seen.events)
        assert after.made == before.made
        assert not after.heard("play_finished")


@pytest.mark.parametrize("edges", [1, 2])
async def test_a_page_that_plays_twice_has_its_picture_again(
    tmp_path: Path, strangers: Strangers, stream: str, edges: int
) -> None:
    """Its peer connection can go on at another edge, and not in another session of its own: there it is told so, and
    the SDK connects anew."""
    async with (
        cluster(tmp_path, edges=edges) as small,
        strangers.open(camera=True) as publisher,
        strangers.open() as viewer,
    ):
        await publisher.call("sdkPublish", url=small.websocket(), stream=stream)
        await small.live(stream)
        await viewer.call("sdkPlay", url=small.websocket(), stream=stream)
        await settled(viewer)

        await viewer.page.evaluate("(stream) => adaptor.play(stream, '')", stream)
        if edges == 1:
            await viewer.until_heard("already_playing")
            await viewer.until(lambda seen: seen.made == 2, "it connects anew")

        await viewer.until_watching()
        await viewer.until_frames_go_on()
        await until(lambda: small.stream(stream), lambda entry: entry and entry.viewers == 1, "one viewer counted")


async def test_a_page_that_publishes_twice_goes_on_in_its_only_connection(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        await publisher.until_heard("publish_started")
        await rillcast.live(stream)
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        await viewer.until_watching()

        await publisher.page.evaluate("(stream) => adaptor.publish(stream, '')", stream)
        await publisher.until(lambda seen: seen.first and seen.first.negotiations == 2, "it was answered again")

        await viewer.until_frames_go_on()
        seen = await publisher.observe()
        assert seen.made == 1
        assert not any(kind == "error" for kind, _, _ in seen.events)
