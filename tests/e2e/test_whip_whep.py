"""WHIP and WHEP with other people's clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.browser import Stranger, Strangers
from tests.e2e.cluster import Cluster, until
from tests.e2e.conftest import need
from tests.e2e.publishers import ffmpeg_whip, gstreamer_whip, has_gstreamer, running


@asynccontextmanager
async def whep_viewer(rillcast: Cluster, strangers: Strangers, stream: str) -> AsyncIterator[Stranger]:
    await rillcast.live(stream)
    async with strangers.open() as viewer:
        await viewer.call("whepPlay", url=rillcast.whep(stream))
        yield viewer


@pytest.mark.parametrize(("client", "codec"), [("whip", "VP8"), ("eyevinn", "")])
async def test_npm_client_publishes_by_whip(
    rillcast: Cluster, strangers: Strangers, stream: str, client: str, codec: str
) -> None:
    async with strangers.open(camera=True) as publisher:
        await publisher.call(f"{client}Publish", url=rillcast.whip(stream), codec=codec)
        async with whep_viewer(rillcast, strangers, stream) as viewer:
            seen = await viewer.until_watching()
            assert seen.first is not None
            assert seen.first.srtp == "SRTP_AEAD_AES_128_GCM"
            assert not codec or seen.first.video_codec == f"video/{codec}"

            await viewer.call("whepStop")
            await until(lambda: rillcast.stream(stream), lambda entry: entry and entry.viewers == 0, "the viewer left")

        await publisher.call(f"{client}Stop")
        await until(lambda: rillcast.stream(stream), lambda entry: entry is None, "DELETE ended the stream")


async def test_viewer_by_whep_of_an_sdk_publisher(rillcast: Cluster, strangers: Strangers, stream: str) -> None:
    async with strangers.open(camera=True) as publisher:
        await publisher.call("sdkPublish", url=rillcast.websocket(), stream=stream)
        async with whep_viewer(rillcast, strangers, stream) as viewer:
            await viewer.until_watching()


@pytest.mark.parametrize("dtls_role", ["passive", "active"])
async def test_ffmpeg_publishes_by_whip(
    rillcast: Cluster, strangers: Strangers, stream: str, source: Path, dtls_role: str
) -> None:
    flags = () if dtls_role == "passive" else ("-whip_flags", "dtls_active")
    command, log = ffmpeg_whip(source, rillcast.whip(stream), *flags), source.parent / f"{stream}.log"
    async with running(*command, log=log), whep_viewer(rillcast, strangers, stream) as viewer:
        seen = await viewer.until_watching()
        assert seen.first is not None
        assert seen.first.video_codec == "video/H264"
        assert seen.picture.width == 640
    await until(lambda: rillcast.stream(stream), lambda entry: entry is None, "ffmpeg's DELETE ended the stream")


async def test_gstreamer_publishes_by_whip(
    rillcast: Cluster, strangers: Strangers, stream: str, tmp_path: Path
) -> None:
    need(has_gstreamer(), "GStreamer with Python")
    command = gstreamer_whip(rillcast.whip(stream))
    async with running(*command, log=tmp_path / "gst.log"), whep_viewer(rillcast, strangers, stream) as viewer:
        seen = await viewer.until_watching()
        assert seen.first is not None
        assert seen.first.video_codec == "video/VP8"
        assert seen.picture.width == 320
