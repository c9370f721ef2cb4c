"""Pictures from the source's packets to the rungs', through a job with real codecs on a real thread."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from rillcast.media.protocol import AddPushSource, AddRelay, SourceId
from rillcast.testing.eventually import eventually, within
from tests.integration.transcoder.real_codecs import cluster
from tests.unit.transcoder.cluster import AUDIO, LADDER, SIZED
from tests.unit.transcoder.jobs_at_work import job_with_rungs, watching
from tests.unit.transcoder.pictures import Camera, decode, frames_of

pytestmark = pytest.mark.usefixtures("every_picture")


async def test_rtp_in_two_watched_rungs_out() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        sources = await watching(around, node, "v0.180p", "v0.90p")
        camera = Camera(first_ts=777)
        async with within(60, "thirty pictures of each rung"):
            while any(len(frames_of("H264", node.pushed(SourceId(source)))) < 30 for source in sources):
                node.feed(camera, 1)
                await asyncio.sleep(0.005)
        for source, size in zip(sources, ((320, 180), (160, 90)), strict=True):
            frames = frames_of("H264", node.pushed(SourceId(source)))
            assert {(picture.width, picture.height) for picture in decode("H264", frames)} == {size}
            assert [frame.rtp_ts for frame in frames[:3]] == [777, 3777, 6777]
        assert len(node.plane.of(AddRelay)) == 2
        assert node.running.encoders == 2


@pytest.mark.parametrize(
    ("source", "rung", "codec"),
    [
        ("H264", "v0.90p.vp8", "VP8"),
        ("VP8", "v0.90p.h264", "H264"),
        ("VP9", "v0.90p.vp8", "VP8"),
        ("AV1", "v0.90p.h264", "H264"),
        ("H265", "v0.90p.h264", "H264"),
        ("H265", "v0.90p.vp8", "VP8"),
    ],
)
async def test_a_viewer_without_the_publishers_codec_gets_a_picture(source: str, rung: str, codec: str) -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER, vp8=True)
        await around.publish(msgspec.structs.replace(SIZED, codec=source), AUDIO)
        record = await around.announced()
        assert {track.codec for track in record.tracks} == {"H264", "VP8"}
        assert (await around.watch_rung(rung, node.name)).track.codec == codec
        await eventually(lambda: node.feed_source() is not None)
        (pushed,) = node.plane.of(AddPushSource)
        assert pushed.codec == codec
        node.feed(Camera(source), 6)
        await eventually(lambda: len(frames_of(codec, node.pushed(pushed.source))) == 6, 40, "six pictures")
        pictures = decode(codec, frames_of(codec, node.pushed(pushed.source)))
        assert {(picture.width, picture.height) for picture in pictures} == {(160, 90)}
