"""Which codec Ant Media's SDK sends: H.264 unless the app says otherwise, and what a living session keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import Observation, Stranger, Strangers
from tests.e2e.cluster import Cluster, until

VP8_ONLY = {"h264Enabled": False, "vp8Enabled": True}
SDP = {"Content-Type": "application/sdp"}
H264_OFFER = Path(__file__).parents[1] / "vectors" / "sdp" / "ffmpeg-9-whip.sdp"


@pytest.fixture
def app(stream: str) -> str:
    """The name of an app that nobody else uses."""
    return stream.replace("-", "")


@asynccontextmanager
async def made(rillcast: Cluster, app: str, **settings: Any) -> AsyncIterator[None]:
    """An app with these settings until the end of the block."""
    url = f"{rillcast.base}/rest/v2/applications/{app}"
    assert (await rillcast.request("POST", url)).json()["success"]
    try:
        await settings_are(rillcast, app, **settings)
        yield
    finally:
        assert (await rillcast.request("DELETE", url, params={"deleteDB": "true"})).json()["success"]


async def settings_are(rillcast: Cluster, app: str, **settings: Any) -> None:
    url = f"{rillcast.base}/rest/v2/applications/settings/{app}"
    assert (await rillcast.request("POST", url, json=settings)).json()["success"]
    shown = (await rillcast.request("GET", url)).json()
    assert settings.items() <= shown.items()


def sends(codec: str, seen: Observation) -> bool:
    return any(one.video_codec == f"video/{codec}" and one.frames_sent > 20 for one in seen.connections)


def shows(codec: str, seen: Observation) -> bool:
    return any(one.video_codec == f"video/{codec}" for one in seen.connections)


async def publishes(rillcast: Cluster, page: Stranger, app: str, stream: str, codec: str) -> Observation:
    """The SDK publishes, and what it sends is in this codec."""
    await page.call("sdkPublish", url=rillcast.websocket(app), stream=stream)
    await page.until_heard("publish_started")
    return await page.until(partial(sends, codec), f"it sends {codec}")


async def test_the_sdk_sends_h264_and_keeps_it_through_an_ice_restart_though_it_is_off_by_then(
    rillcast: Cluster, strangers: Strangers, stream: str, app: str
) -> None:
    async with made(rillcast, app), strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publishes(rillcast, publisher, app, stream, "H264")
        assert set((await rillcast.live(stream)).codecs) == {"H264", "opus"}
        await viewer.call("sdkPlay", url=rillcast.websocket(app), stream=stream)
        before = await viewer.until_watching()
        assert shows("H264", before)

        await settings_are(rillcast, app, **VP8_ONLY)
        await publisher.call("sdkRestart", stream=stream)

        after = await viewer.until_frames_go_on()
        assert after.made == before.made
        assert sends("H264", await publisher.observe())
        async with strangers.open(camera=True) as later, strangers.open() as late:
            await publishes(rillcast, later, app, f"{stream}-later", "VP8")
            await until(lambda: rillcast.stream(stream), lambda seen: seen and "VP8" in seen.codecs, "a rung in VP8")
            await late.call("sdkPlay", url=rillcast.websocket(app), stream=stream)
            assert shows("VP8", await late.until_watching()), "a viewer who comes now is offered nothing else"


async def test_with_vp8_alone_the_sdk_sends_vp8_and_who_has_h264_alone_is_told_so(
    rillcast: Cluster, strangers: Strangers, stream: str, app: str
) -> None:
    async with (
        made(rillcast, app, **VP8_ONLY),
        strangers.open(camera=True) as publisher,
        strangers.open(camera=True) as other,
        strangers.open() as viewer,
    ):
        await publishes(rillcast, publisher, app, stream, "VP8")
        await viewer.call("sdkPlay", url=rillcast.websocket(app), stream=stream)
        assert shows("VP8", await viewer.until_watching())

        await other.call("encodesOnly", codec="H264")
        await other.call("sdkPublish", url=rillcast.websocket(app), stream=f"{stream}-other")
        await other.until_heard("no_codec_enabled_in_the_server")
        url = rillcast.whip(f"{stream}-whip", app)
        refused = await rillcast.request("POST", url, content=H264_OFFER.read_bytes(), headers=SDP)
        assert refused.status_code == 422
        assert "switched off in this app: H264" in refused.text


async def test_a_browser_without_h264_publishes_by_default_and_not_where_vp8_was_switched_off(
    rillcast: Cluster, strangers: Strangers, stream: str, app: str
) -> None:
    async with made(rillcast, app), strangers.open(camera=True) as publisher, strangers.open(camera=True) as late:
        for page in (publisher, late):
            await page.call("encodesOnly", codec="VP8")
        await publishes(rillcast, publisher, app, stream, "VP8")

        await settings_are(rillcast, app, vp8Enabled=False)
        await late.call("sdkPublish", url=rillcast.websocket(app), stream=f"{stream}-late")
        await late.until_heard("no_codec_enabled_in_the_server")
        assert sends("VP8", await publisher.observe()), "who was there before goes on"


async def test_layers_on_a_socket_come_in_h264_and_become_renditions(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with strangers.open(camera=True) as publisher, strangers.open() as viewer:
        await publisher.call("mobile", url=rillcast.websocket(), stream=stream, does="publish", layers="three")
        live = await until(
            lambda: rillcast.stream(stream),
            lambda entry: entry and entry.renditions == (720, 360, 180),
            "three renditions are known",
        )
        assert live is not None
        assert set(live.codecs) == {"H264", "opus"}
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        before = await viewer.until_watching()
        for height in (180, 720, 360):
            await viewer.call("sdkForce", stream=stream, height=str(height))
            await viewer.until(partial(has_height, height), f"{height} lines")
        assert (await viewer.until_frames_go_on()).made == before.made


def has_height(height: int, seen: Observation) -> bool:
    return seen.picture.height == height
