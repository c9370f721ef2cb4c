"""The end of a job: nothing is offered any more, nothing stays behind, and no loop lives on."""

from __future__ import annotations

import asyncio
import logging

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.protocol import AddPushSource, AddRelaySource, RemoveSource
from rillcast.testing.eventually import eventually, within
from tests.unit.transcoder.cluster import KEY, LADDER, SIZED, Cluster, TestNode, cluster
from tests.unit.transcoder.fake_codecs import FakeCodecs


async def working(around: Cluster) -> TestNode:
    """A node with a job of which one rung is encoded."""
    node = await around.node()
    await around.ladder(*LADDER)
    await around.publish(SIZED)
    await around.announced()
    await around.watch_rung("v0.90p", node.name)
    await eventually(lambda: node.running.encoders == 1)
    return node


async def test_a_job_that_ends_gives_no_rung_away_and_leaves_nothing_in_the_plane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopping, may_stop = asyncio.Event(), asyncio.Event()

    async def slowly(_: FakeCodecs) -> None:
        stopping.set()
        await may_stop.wait()

    monkeypatch.setattr(FakeCodecs, "stop", slowly)
    async with cluster() as around:
        node = await working(around)
        await around.unpublish()
        async with within(5, "the codecs being stopped"):
            await stopping.wait()
        try:
            with pytest.raises(RillcastError) as caught:
                await around.watch_rung("v0.180p", node.name)
            assert node.running.held == 0, "its lease is given back"
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
        (job,) = node.running._jobs.values()
        (task,) = [task for task in node.media.tasks._tasks if task.get_name() == f"ladder {KEY}"]
        await asyncio.sleep(0)
        job._changed.set()
        task.cancel()
        await eventually(task.done, 3.0, "the job's end")
        assert task.cancelled()


@pytest.mark.parametrize("nonsense", [b"{not json", b'{"app": "\xff"}', b"[" * 100_000])
async def test_nonsense_under_the_key_of_a_job_is_overwritten_and_no_fault_of_ours(
    nonsense: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with cluster() as around:
        node = await working(around)
        await around.renditions.put(f"{KEY}/ladder", nonsense)

        async def overwritten() -> bool:
            entry = await around.renditions.get(f"{KEY}/ladder")
            return entry is not None and entry.value is not None and entry.value != nonsense

        await eventually(overwritten, what="the job's own record")

        assert node.running.held == 1
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_stream_that_ends_while_its_job_is_handed_over_is_no_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    giving_back, may_answer = asyncio.Event(), asyncio.Event()
    async with cluster() as around:
        node = await working(around)
        await around.unwatch_rung("v0.90p", node.name)
        delete = around.renditions.delete

        async def slowly(key: str, revision: int | None = None) -> int | None:
            giving_back.set()
            await may_answer.wait()
            return await delete(key, revision)

        monkeypatch.setattr(around.renditions, "delete", slowly)
        draining = asyncio.create_task(node.jobs.drain())
        await giving_back.wait()
        await around.unpublish()
        await asyncio.sleep(0)
        may_answer.set()

        async with within(3.0, "the end of the drain"):
            await draining
        await eventually(lambda: not node.media.tasks._tasks, what="the job's end")
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_job_that_is_cancelled_while_it_closes_has_ended_and_leaves_no_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopping = asyncio.Event()

    async def never(_: FakeCodecs) -> None:
        stopping.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(FakeCodecs, "stop", never)
    async with cluster() as around:
        node = await working(around)
        await eventually(lambda: node.feed_source() is not None)
        draining = asyncio.create_task(node.jobs.drain())
        await asyncio.sleep(0)
        await around.unpublish()
        await stopping.wait()
        (task,) = [task for task in node.media.tasks._tasks if task.get_name() == f"ladder {KEY}"]
        task.cancel()

        async with within(3.0, "the end of the drain"):
            await draining
        assert task.cancelled()
        pushed = {command.source for command in node.plane.of(AddPushSource)}
        fed = {command.source for command in node.plane.of(AddRelaySource)}
        assert pushed | fed == {command.source for command in node.plane.of(RemoveSource)}
