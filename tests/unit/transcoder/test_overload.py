"""Machines too slow for their ladder: what is withdrawn, what goes on, and who takes over. In virtual time; with real
codecs on real threads it is in tests/integration/transcoder/test_slow_machines.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rillcast.contracts.ids import StreamId
from rillcast.media.protocol import AddPushSource, RemoveRelay, RemoveSource
from rillcast.testing.eventually import eventually
from services.transcoder.domain import overuse_detector
from services.transcoder.domain.overuse_detector import BACK_S, CALM_S, WINDOW_S, OveruseDetector, Verdict
from tests.unit.transcoder.cluster import AUDIO, LADDER, SIZED, Cluster, TestNode, cluster
from tests.unit.transcoder.pictures import Camera, frames_of

FRAME_S = 1 / 30
NOTICED_S = CALM_S + WINDOW_S + 2.0


@asynccontextmanager
async def filmed(*nodes: TestNode) -> AsyncIterator[None]:
    """30 frames/s for the feed of each node while it has one, until the end of the block."""

    async def film(node: TestNode) -> None:
        camera = Camera(width=64, height=36)
        while True:
            if node.feed_source() is not None:
                node.feed(camera, 1)
            await asyncio.sleep(FRAME_S)

    filming = [asyncio.create_task(film(node)) for node in nodes]
    try:
        yield
    finally:
        for task in filming:
            task.cancel()
        await asyncio.wait(filming)


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


async def tracks_become(around: Cluster, timeout_s: float, *wanted: str) -> None:
    """Wait until exactly these are announced."""

    async def announced() -> bool:
        record = await around.rendition()
        return record is not None and [track.track for track in record.tracks] == list(wanted)

    await eventually(announced, timeout_s, f"{wanted} being announced")


async def test_the_top_rung_is_withdrawn_the_others_and_the_source_go_on_and_it_comes_back() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around, "v0.180p", "v0.90p")
        feed, small = around.fed(node).source, node.plane.of(AddPushSource)[1].source
        around.machine.too_slow_from = 180
        async with filmed(node):
            await tracks_become(around, NOTICED_S, "v0.90p")
            before = len(frames_of("H264", node.pushed(small)))
            await asyncio.sleep(2.0)
            assert len(frames_of("H264", node.pushed(small))) - before >= 55
            assert len(node.plane.of(RemoveRelay)) == 1, "the top rung's"
            assert feed not in {removed.source for removed in node.plane.of(RemoveSource)}
            assert node.running.held == 1
            await tracks_become(around, BACK_S + 2.0, "v0.180p", "v0.90p")


async def test_a_job_that_is_too_much_goes_to_a_node_with_room() -> None:
    async with cluster() as around:
        first = await job_with_rungs(around, "v0.90p")
        second = await around.node("transcoder-2")
        around.machine.too_slow_from = 90
        async with filmed(first):
            await around.announced(NOTICED_S, owner=second.name)
            assert first.running.held == 0
        await around.watch_rung("v0.90p", second.name)


async def test_without_such_a_node_the_last_rung_goes_on_with_fewer_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Verdict] = []
    observe = OveruseDetector.observe

    def noted(self: OveruseDetector, made: int, left_out: int, parts: int, now: float) -> Verdict:
        judged.append(observe(self, made, left_out, parts, now))
        return judged[-1]

    monkeypatch.setattr(overuse_detector.OveruseDetector, "observe", noted)
    async with cluster() as around:
        node = await job_with_rungs(around, "v0.90p")
        (source,) = [added.source for added in node.plane.of(AddPushSource)]
        around.machine.too_slow_from = 90
        async with filmed(node):
            await eventually(lambda: Verdict.GIVE_UP in judged, NOTICED_S, "overload being noticed")
            before = len(frames_of("H264", node.pushed(source)))
            await asyncio.sleep(3.0)
            assert len(frames_of("H264", node.pushed(source))) >= before + 20
        assert (await around.announced()).owner == node.name
        assert node.running.held == 1


async def test_streams_spread_over_transcoders_by_what_their_ladders_cost() -> None:
    async with cluster() as around:
        a_fiftieth = 0.02 / (os.cpu_count() or 1)  # of one processor: any ladder fills that
        nodes = [await around.node(f"transcoder-{number}", max_cpu=a_fiftieth) for number in (1, 2)]
        await around.ladder(*LADDER)
        await around.publish(SIZED)
        owner = (await around.announced()).owner
        (busy,) = [node for node in nodes if node.name == owner]
        (idle,) = [node for node in nodes if node.name != owner]
        await around.watch_rung("v0.180p", busy.name)
        await eventually(lambda: busy.feed_source() is not None)
        busy.running.measure(around.clock())
        async with filmed(busy):
            await eventually(lambda: len(busy.plane.pushed) >= 30)
            busy.running.measure(around.clock())
        assert busy.running.share() > 0.5 > idle.running.share()

        await around.publish(SIZED, stream=StreamId("another"))

        assert (await around.announced(stream=StreamId("another"))).owner == idle.name
