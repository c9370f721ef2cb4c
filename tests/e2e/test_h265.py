"""H.265: what OBS and GStreamer publish is seen by those who can, and by browsers that cannot on the ladder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from av.video.frame import VideoFrame
from playwright.async_api import Error

from rillcast.testing.rtp_peer import RtpPeer
from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, until
from tests.e2e.conftest import need
from tests.e2e.publishers import gstreamer_whip, has_gstreamer, running
from tests.e2e.test_whep_viewers import decodes
from tests.unit.transcoder.pictures import Camera, bar_position, decode, frames_of

OFFERS = Path(__file__).resolve().parents[1] / "vectors/sdp/offers"
SDP = {"Content-Type": "application/sdp"}
SSRC = 2061430658
"""Of the video in OBS's offer."""
PAYLOAD_TYPE = 49
"""Of Chromium's format."""
EVERY_S, TICKS = 1 / 20, 90_000 // 20
RUNG = [{"height": 90, "videoBitrate": 200_000}]
HAS_IT = "RTCRtpReceiver.getCapabilities('video').codecs.some((codec) => codec.mimeType === 'video/H265')"


@asynccontextmanager
async def opened(rillcast: Cluster, url: str, client: str) -> AsyncIterator[tuple[RtpPeer, str]]:
    """A peer with the offer of a client, and the answer that it got."""
    peer = RtpPeer()
    try:
        offer = await peer.offer((OFFERS / f"{client}.sdp").read_text())
        answer = await rillcast.request("POST", url, content=offer, headers=SDP)
        assert answer.status_code == 201, answer.text
        await peer.connect(answer.text)
        yield peer, answer.text
    finally:
        await peer.close()


@asynccontextmanager
async def obs(rillcast: Cluster, stream: str) -> AsyncIterator[None]:
    """Publishes 320×180 in HEVC."""
    camera = Camera("H265", 320, 180, ssrc=SSRC)
    async with opened(rillcast, rillcast.whip(stream), "obs-hevc") as (peer, answer):
        assert "a=rtpmap:96 H265/90000" in answer
        assert "m=video 0" not in answer
        async with peer.filming(lambda wanted: camera.frame(keyframe=wanted, ticks=TICKS), EVERY_S):
            assert "H265" in (await rillcast.live(stream)).codecs
            yield


async def test_what_obs_publishes_is_seen_by_viewers_who_can(rillcast: Cluster, stream: str) -> None:
    async with (
        obs(rillcast, stream),
        opened(rillcast, rillcast.whep(stream), "play-chrome-144-h265") as (viewer, answer),
    ):
        assert f"a=rtpmap:{PAYLOAD_TYPE} H265/90000" in answer

        async def decoded() -> list[VideoFrame]:
            return decode("H265", frames_of("H265", viewer.received(PAYLOAD_TYPE)))

        seen = await until(decoded, lambda pictures: len(pictures) >= 30, "thirty pictures")

    assert {(picture.width, picture.height) for picture in seen} == {(320, 180)}
    assert len({round(bar_position(picture), 2) for picture in seen}) > 10, "the picture moves"


async def test_a_browser_that_cannot_is_told_and_gets_the_ladder_as_soon_as_there_is_one(
    rillcast: Cluster, strangers: Strangers, stream: str
) -> None:
    async with obs(rillcast, stream), strangers.open() as told, strangers.open() as viewer:
        assert not await viewer.page.evaluate(HAS_IT), "this Chromium would be sent the stream itself"
        with pytest.raises(Error, match="status 422"):
            await told.call("whepPlay", url=rillcast.whep(stream))
        await told.call("sdkPlay", url=rillcast.websocket(), stream=stream)
        await told.until_heard("no_codec_enabled_in_the_server")

        url = f"{rillcast.base}/LiveApp/rest/v2/broadcasts/{stream}"
        changed = await rillcast.request("PUT", url, json={"encoderSettingsList": RUNG})
        assert changed.json()["success"] is True
        await until(
            lambda: rillcast.stream(stream), lambda entry: entry and "H264" in entry.codecs, "a rung is announced"
        )
        await viewer.call("sdkPlay", url=rillcast.websocket(), stream=stream)

        seen = await viewer.until_watching(audio=False)
        assert seen.first is not None
        assert seen.first.video_codec == "video/H264"
        assert seen.picture.height == RUNG[0]["height"]


async def test_gstreamer_publishes_it_and_gstreamer_watches_it(rillcast: Cluster, stream: str, tmp_path: Path) -> None:
    need(has_gstreamer("x265enc", "rtph265pay", "rtph265depay"), "GStreamer with Python and H.265")
    async with running(*gstreamer_whip(rillcast.whip(stream), "H265"), log=tmp_path / "publisher.log"):
        assert "H265" in (await rillcast.live(stream)).codecs
        await decodes(rillcast.whep(stream), "H265", tmp_path / "viewer.log")
