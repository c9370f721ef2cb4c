"""A job of a node in `cluster`, brought to where a test begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.media.protocol import (
    AddPushSource,
    SourceId,
    SourceStats,
)
from rillcast.testing.eventually import eventually, within
from tests.unit.transcoder.cluster import AUDIO, LADDER, SIZED, Cluster, TestNode
from tests.unit.transcoder.pictures import Camera, frames_of


def stats(source: int, width: int, height: int) -> SourceStats:
    return SourceStats(
        source=SourceId(source),
        bitrate_bps=1,
        packets=1,
        lost=0,
        recovered=0,
        keyframes=1,
        frames_per_second=30.0,
        width=width,
        height=height,
        silent_ms=0,
        consumers=1,
    )


async def job_with_rungs(around: Cluster) -> TestNode:
    node = await around.node()
    await around.ladder(*LADDER)
    await around.publish(SIZED, AUDIO)
    await around.announced()
    return node


async def watching(around: Cluster, node: TestNode, *tracks: str) -> list[int]:
    """Push sources of rungs that are being watched now, the feed tapped."""
    for track in tracks:
        await around.watch_rung(track, node.name)
    await eventually(lambda: node.feed_source() is not None)
    return [added.source for added in node.plane.of(AddPushSource)[-len(tracks) :]]


def keyframes(node: TestNode, source: int) -> list[int]:
    return [frame.rtp_ts for frame in frames_of("H264", node.pushed(SourceId(source))) if frame.keyframe]


async def feed_until(node: TestNode, camera: Camera, condition: Callable[[], bool]) -> None:
    async with within(10, "the condition while pictures come"):
        while not condition():
            node.feed(camera, 1)
            await asyncio.sleep(0.01)
