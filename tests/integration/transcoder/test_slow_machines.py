"""Machines too slow for their ladder, with real codecs on real threads: what is withdrawn, and what goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from rillcast.media.protocol import AddPushSource, RemoveRelay, RemoveSource
from rillcast.testing.eventually import eventually
from services.transcoder.adapters.pyav_codecs import Encoder
from services.transcoder.domain import overuse_detector
from tests.integration.transcoder.real_codecs import cluster
from tests.unit.transcoder.cluster import AUDIO, LADDER, SIZED, Cluster, TestNode
from tests.unit.transcoder.pictures import Camera, frames_of

FRAME_S = 1 / 30
PATIENCE_S = 40.0
SLOW_S = 0.07
"""What a slow machine takes for a picture of a slow size: two frame times and more."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overload is judged within a second or two instead of ten."""
    monkeypatch.setattr(overuse_detector, "CALM_S", 0.5)
    monkeypatch.setattr(overuse_detector, "WINDOW_S", 1.5)


@contextmanager
def too_slow_from(height: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Until the end of the block, every ladder thread that is there or comes spends long on such pictures."""
    encode = Encoder.encode
    never = threading.Event()

    def slowly(self: Encoder, *arguments: object, **options: object) -> object:
        if self.height >= height:
            never.wait(SLOW_S)
        return encode(self, *arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "encode", slowly)
        yield


@asynccontextmanager
async def filmed(node: TestNode) -> AsyncIterator[None]:
    """30 frames/s for the node's feed while it has one, until the end of the block."""

    async def film() -> None:
        camera, begin = Camera(), time.monotonic()
        while True:
            if node.feed_source() is not None:
                node.feed(camera, 1)
            await asyncio.sleep(max(0.0, begin + camera.index * FRAME_S - time.monotonic(), 0.005))

    filming = asyncio.create_task(film())
    try:
        yield
    finally:
        filming.cancel()
        await asyncio.wait([filming])


async def job_with_rungs(around: Cluster, *tracks: str) -> TestNode:
    """A node that has the job, with watched rungs."""
    node = await around.node()
    await around.ladder(*LADDER)
    await around.publish(SIZED, AUDIO)
    await around.announced()
    for track in tracks:
        await around.watch_rung(track, node.name)
    await eventually(lambda: node.feed_source() is not None)
    return node


async def tracks_become(around: Cluster, *wanted: str) -> None:
    """Wait until exactly these are announced."""

    async def announced() -> bool:
        tracks = [track.track for track in (await around.announced()).tracks]
        assert tracks == list(wanted), tracks
        return True

    await eventually(announced, PATIENCE_S, f"the tracks {wanted}")


async def test_the_top_rung_is_withdrawn_the_others_and_the_source_go_on_and_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overuse_detector, "BACK_S", 4.0)
    async with cluster() as around:
        node = await job_with_rungs(around, "v0.180p", "v0.90p")
        feed, small = around.fed(node).source, node.plane.of(AddPushSource)[1].source
        with too_slow_from(180, monkeypatch):
            async with filmed(node):
                await tracks_become(around, "v0.90p")
                before = len(frames_of("H264", node.pushed(small)))
                await eventually(
                    lambda: len(frames_of("H264", node.pushed(small))) >= before + 45,
                    PATIENCE_S,
                    "pictures of the other rung",
                )
        assert len(node.plane.of(RemoveRelay)) == 1, "the top rung's"
        assert feed not in {removed.source for removed in node.plane.of(RemoveSource)}
        assert node.running.held == 1
        await tracks_become(around, "v0.180p", "v0.90p")


async def test_without_such_a_node_the_last_rung_goes_on_with_fewer_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster() as around:
        node = await job_with_rungs(around, "v0.90p")
        (source,) = [added.source for added in node.plane.of(AddPushSource)]
        judged: list[overuse_detector.Verdict] = []
        observe = overuse_detector.OveruseDetector.observe

        def noted(self: overuse_detector.OveruseDetector, *figures: float) -> overuse_detector.Verdict:
            judged.append(observe(self, *figures))  # type: ignore[arg-type]
            return judged[-1]

        monkeypatch.setattr(overuse_detector.OveruseDetector, "observe", noted)
        with too_slow_from(90, monkeypatch):
            async with filmed(node):
                await eventually(
                    lambda: overuse_detector.Verdict.GIVE_UP in judged, PATIENCE_S, "overload being noticed"
                )
                before = len(frames_of("H264", node.pushed(source)))
                await eventually(
                    lambda: len(frames_of("H264", node.pushed(source))) >= before + 20, PATIENCE_S, "pictures"
                )
        assert (await around.announced()).owner == node.name
        assert node.running.held == 1
