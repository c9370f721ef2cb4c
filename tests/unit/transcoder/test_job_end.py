"""The end of a job: nothing is given away any more, nothing stays behind, and no loop lives on."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.protocol import AddPushSource, RemoveSource
from rillcast.testing.eventually import eventually
from services.transcoder.adapters import thread_ladder
from services.transcoder.adapters.pyav_encoders import EncoderChoice
from services.transcoder.adapters.pyav_ladder import LadderEngine
from services.transcoder.adapters.thread_ladder import LadderThread
from services.transcoder.domain.depacketizer import EncodedFrame
from services.transcoder.ports import Outcome
from tests.unit.transcoder.cluster import KEY, LADDER, SIZED, Cluster, TestNode, cluster
from tests.unit.transcoder.pictures import Camera, frames_of

SOFTWARE = EncoderChoice("ultrafast", hardware=False)


async def working(around: Cluster) -> TestNode:
    """A node with a job of which one rung is encoded."""
    node = await around.node()
    await around.ladder(*LADDER)
    await around.publish(SIZED)
    await around.announced()
    await around.watch_rung("v0.90p", node.name)
    await eventually(lambda: node.jobs.encoders == 1)
    return node


async def test_a_job_that_ends_gives_no_rung_away_and_leaves_nothing_in_the_plane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopping, may_stop = asyncio.Event(), asyncio.Event()
    stop = LadderThread.stop

    async def slowly(self: LadderThread, timeout_s: float = 5.0) -> None:
        stopping.set()
        await may_stop.wait()
        await stop(self, timeout_s)

    monkeypatch.setattr(LadderThread, "stop", slowly)
    async with cluster() as around:
        node = await working(around)
        await around.unpublish()
        async with asyncio.timeout(5):
            await stopping.wait()
        try:
            with pytest.raises(RillcastError) as caught:
                await around.watch_rung("v0.180p", node.name)
            assert node.jobs.held == 0, "its lease is given back"
        finally:
            may_stop.set()
        assert caught.value.code is ErrorCode.NO_STREAM_EXIST
        await eventually(lambda: not node.media.tasks._tasks, what="the job's end")
        added = {command.source for command in node.plane.of(AddPushSource)}
        assert added <= {command.source for command in node.plane.of(RemoveSource)}


async def test_a_job_ends_although_the_store_swallows_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` in Python 3.11 does, by which nats-py waits, when the answer comes at the same time."""
    async with cluster() as around:
        node = await working(around)
        update, asked = around.renditions.update, asyncio.Event()

        async def deaf(key: str, value: bytes, revision: int) -> int | None:
            asked.set()
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                monkeypatch.setattr(around.renditions, "update", update)
            return await update(key, value, revision)

        monkeypatch.setattr(around.renditions, "update", deaf)
        await asked.wait()
        await around.unpublish()
        await eventually(lambda: not node.media.tasks._tasks, 3.0, "the job's end")
        assert await around.rendition() is None


async def test_a_cancellation_that_comes_together_with_a_change_ends_the_job() -> None:
    async with cluster() as around:
        node = await working(around)
        (job,) = node.jobs._jobs.values()
        (task,) = [task for task in node.media.tasks._tasks if task.get_name() == f"ladder {KEY}"]
        await asyncio.sleep(0)
        job._changed.set()
        task.cancel()
        await eventually(task.done, 3.0, "the job's end")
        assert task.cancelled()


async def test_a_thread_that_outlives_its_job_is_told_of_and_heard_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate, entered = threading.Event(), threading.Event()

    class Stuck(LadderEngine):
        def process(self, frame: EncodedFrame, *, encode: bool) -> Outcome:
            entered.set()
            gate.wait(30)
            return super().process(frame, encode=encode)

    outcomes: list[Outcome] = []
    thread = LadderThread(Stuck("H264", 2.0, SOFTWARE), outcomes.append)
    thread.start()
    (frame,) = frames_of("H264", Camera().frame())
    thread.put(frame)
    await eventually(entered.is_set)
    before = stuck_threads()
    with caplog.at_level(logging.ERROR, thread_ladder.__name__):
        await thread.stop(timeout_s=0.01)
    assert "outlives" in caplog.text
    assert stuck_threads() == before + 1
    gate.set()
    await asyncio.to_thread(thread._thread.join, 10)
    await asyncio.sleep(0)
    assert outcomes == []


def stuck_threads() -> float:
    return REGISTRY.get_sample_value("rillcast_transcoder_errors_total", {"kind": "stuck"}) or 0.0
