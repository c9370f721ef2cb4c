"""Sources that can't be decoded, or change under the decoder: the job and the node survive each of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.apps.ladder_wish import DECODED
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import AddPushSource, RequestKeyframe, SourceId
from rillcast.testing.eventually import eventually
from tests.integration.transcoder.real_codecs import cluster
from tests.unit.transcoder.cluster import APP, AUDIO, LADDER, STREAM, VIDEO, Cluster, TestNode
from tests.unit.transcoder.pictures import Camera, decode, frames_of

pytestmark = pytest.mark.usefixtures("every_picture")

RUNG = "v0.90p"
PATIENCE_S = 40.0
"""With codecs, whatever else the machine does."""


class Watched:
    """A cluster whose one rung is watched, and the camera that feeds it."""

    def __init__(self, around: Cluster, node: TestNode, source: int, codec: str) -> None:
        self.around, self.node, self.source, self.codec = around, node, source, codec

    def pictures(self) -> list[tuple[int, int]]:
        """Sizes of all pictures that came out of the rung."""
        return [
            (picture.width, picture.height)
            for picture in decode("H264", frames_of("H264", self.node.pushed(SourceId(self.source))))
        ]

    async def still_works(self, camera: Camera) -> None:
        """A good keyframe and what follows come out again; the job never ended."""
        before = len(frames_of("H264", self.node.pushed(SourceId(self.source))))

        def more() -> bool:
            self.send(camera.frame(keyframe=True))
            return len(frames_of("H264", self.node.pushed(SourceId(self.source)))) >= before + 3

        await eventually(more, PATIENCE_S, "three frames more")
        assert self.node.running.held == 1
        assert (await self.around.announced()).owner == self.node.name

    def send(self, packets: list[bytes]) -> None:
        feed = self.node.feed_source()
        assert feed is not None
        for packet in packets:
            self.node.running.on_packet(feed, packet)


@pytest.fixture(params=DECODED)
async def watched(request: pytest.FixtureRequest) -> AsyncIterator[Watched]:
    """Once per codec a source may have."""
    codec: str = request.param
    async with cluster() as around:
        yield await watch(around, codec, AUDIO)


async def watch(around: Cluster, codec: str = "H264", *others: TrackRecord) -> Watched:
    """`others`: tracks beside the video."""
    node = await around.node()
    await around.ladder(*LADDER)
    return await watch_at(around, node, codec, *others)


async def watch_at(around: Cluster, node: TestNode, codec: str, *others: TrackRecord) -> Watched:
    """The same of a node that is there."""
    await around.publish(msgspec.structs.replace(VIDEO, codec=codec, width=640, height=360), *others)
    await around.announced()
    await around.watch_rung(RUNG if codec == "H264" else f"{RUNG}.h264", node.name)
    await eventually(lambda: node.feed_source() is not None)
    return Watched(around, node, node.plane.of(AddPushSource)[0].source, codec)


async def test_a_corrupt_source_is_survived(watched: Watched) -> None:
    rng, camera = random.Random(5), Camera(watched.codec)
    for index in range(40):
        for good in camera.frame(keyframe=index % 10 == 0):
            packet = bytearray(good)
            for _ in range(3):
                packet[rng.randrange(12, len(packet))] ^= 1 << rng.randrange(8)
            watched.send([bytes(packet)])
        watched.send([rng.randbytes(rng.randrange(100))])
        await asyncio.sleep(0)
    await watched.still_works(camera)
    assert watched.node.plane.of(RequestKeyframe)


async def test_a_change_of_resolution_is_followed(watched: Watched) -> None:
    camera = Camera(watched.codec)
    watched.node.feed(camera, 5)
    camera.resize(320, 180)
    watched.node.feed(camera, 5)
    camera.resize(180, 320)
    watched.node.feed(camera, 5)
    await eventually(lambda: len(watched.pictures()) == 15, PATIENCE_S, "fifteen pictures")
    assert watched.pictures() == [(160, 90)] * 10 + [(50, 90)] * 5
    await watched.still_works(camera)


async def test_frozen_timestamps_give_no_flood_of_pictures(watched: Watched) -> None:
    camera = Camera(watched.codec)
    for _ in range(20):
        watched.send(camera.frame(ticks=0))
    camera.rtp_ts += 3000
    await watched.still_works(camera)
    stamps = [frame.rtp_ts for frame in frames_of("H264", watched.node.pushed(SourceId(watched.source)))]
    assert len(set(stamps)) == len(stamps)


@pytest.mark.parametrize(
    ("codec", "pixels"), [("H264", "yuv444p"), ("VP9", "yuv444p"), ("H265", "yuv444p"), ("H265", "yuv420p10le")]
)
async def test_a_source_in_other_pixels_becomes_420(codec: str, pixels: str) -> None:
    async with cluster() as around:
        watched = await watch(around, codec)
        camera = Camera(codec, pixels=pixels)
        watched.node.feed(camera, 5)
        await eventually(lambda: len(watched.pictures()) == 5, PATIENCE_S, "five pictures")
        formats = {
            picture.format.name
            for picture in decode("H264", frames_of("H264", watched.node.pushed(SourceId(watched.source))))
        }
        assert formats == {"yuv420p"}
        await watched.still_works(camera)


async def test_a_source_in_another_codec_than_it_says_ends_nothing() -> None:
    async with cluster() as around:
        watched = await watch(around, "AV1")
        liar = Camera("VP8")
        for _ in range(20):
            watched.send(liar.frame(keyframe=True))
        await watched.still_works(Camera("AV1"))


async def test_video_only_gets_its_pictures() -> None:
    async with cluster() as around:
        watched = await watch(around)
        watched.node.feed(Camera(), 5)
        await eventually(lambda: watched.pictures() == [(160, 90)] * 5, PATIENCE_S, "five pictures")
        assert len((await around.announced()).tracks) == 2


async def test_audio_only_gets_none_until_video_comes() -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER)
        await around.publish(AUDIO)
        await eventually(lambda: node.watch.get(APP, STREAM) and node.wishes.get(APP, STREAM))
        assert node.running.held == 0
        assert await around.rendition() is None
        watched = await watch_at(around, node, "H264", AUDIO)
        watched.node.feed(Camera(), 5)
        await eventually(lambda: watched.pictures() == [(160, 90)] * 5, PATIENCE_S, "five pictures")
