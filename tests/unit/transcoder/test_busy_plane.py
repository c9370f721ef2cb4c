"""A worker of the plane that takes no work for a while ends no job and leaves nothing half done."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.protocol import AddPushSource, AddRelay, AddRelaySource, ClockSeen, RemoveSource, SetClock, Tap
from rillcast.testing.eventually import eventually
from services.transcoder.usecases.media_job import KEYFRAME_EVERY_S
from tests.unit.transcoder.cluster import LADDER, SIZED, Cluster, TestNode, cluster


async def job(around: Cluster, *, always: bool = False) -> TestNode:
    node = await around.node()
    await around.ladder(*LADDER, always=always)
    await around.publish(SIZED)
    await around.announced()
    return node


async def test_a_child_is_refused_and_no_rung_is_left_half_begun() -> None:
    async with cluster() as around:
        node = await job(around)
        before = list(node.running._jobs.values())
        node.plane.busy = True
        with pytest.raises(RillcastError) as caught:
            await around.watch_rung("v0.90p", node.name)
        assert caught.value.code is ErrorCode.HIGH_RESOURCE_USAGE
        await asyncio.sleep(2.0)
        assert node.running.encoders == 0
        node.plane.busy = False
        await around.watch_rung("v0.90p", node.name)
        assert len(node.plane.of(AddPushSource)) == len(node.plane.of(AddRelay)) == 1
        assert list(node.running._jobs.values()) == before


async def test_reports_and_packets_of_the_source_raise_nothing() -> None:
    async with cluster() as around:
        node = await job(around)
        await around.watch_rung("v0.90p", node.name)
        await eventually(lambda: node.feed_source() is not None)
        feed = around.fed(node).source
        node.plane.emit(ClockSeen(source=feed, ntp=1, rtp_ts=1))  # the plane's guess, in answer to the tap
        node.plane.busy = True
        node.plane.emit(ClockSeen(source=feed, ntp=2, rtp_ts=2))
        await asyncio.sleep(KEYFRAME_EVERY_S)
        node.running.on_packet(feed, b"junk, after which a keyframe is wanted")
        node.plane.busy = False
        node.plane.emit(ClockSeen(source=feed, ntp=3, rtp_ts=3))
        assert [clock.ntp for clock in node.plane.of(SetClock)] == [3]
        assert node.running.held == 1


async def test_what_was_to_be_done_is_done_when_the_plane_takes_work_again() -> None:
    async with cluster() as around:
        node = await job(around)
        node.plane.busy = True
        await around.ladder(*LADDER, always=True)
        await asyncio.sleep(1.0)
        before = list(node.running._jobs.values())
        await asyncio.sleep(5.0)
        assert node.plane.commands == []
        assert list(node.running._jobs.values()) == before
        node.plane.busy = False
        await eventually(lambda: node.feed_source() is not None)
        assert len(node.plane.of(AddPushSource)) == 2
        assert len(node.plane.of(AddRelaySource)) == len(node.plane.of(Tap)) == 1


async def test_a_tap_that_was_refused_comes_later() -> None:
    async with cluster() as around:
        node = await job(around)
        node.plane.busy_for = (Tap,)
        await around.watch_rung("v0.90p", node.name)
        await eventually(lambda: node.plane.of(AddRelaySource))
        await asyncio.sleep(2.0)
        assert node.plane.of(Tap) == []
        node.plane.busy_for = ()
        await eventually(lambda: node.feed_source() is not None)
        assert node.running.held == 1


async def test_the_end_of_a_job_is_never_refused() -> None:
    async with cluster() as around:
        node = await job(around)
        await around.watch_rung("v0.90p", node.name)
        await eventually(lambda: node.feed_source() is not None)
        node.plane.busy = True
        await around.unpublish()
        await eventually(lambda: not node.media.tasks._tasks)
        added = {command.source for command in node.plane.of(AddPushSource)} | {around.fed(node).source}
        assert {command.source for command in node.plane.of(RemoveSource)} == added
