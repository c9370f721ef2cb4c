"""Which node takes which job, and what ends it. Everything is faked; time is virtual."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import (
    AddPushSource,
    AddRelaySource,
    RelayParentLost,
    RemoveRelay,
    RemoveSource,
    SourceId,
)
from rillcast.testing.eventually import eventually, within
from services.transcoder.usecases import media_jobs
from tests.unit.transcoder.cluster import APP, AUDIO, KEY, LADDER, SIZED, STREAM, cluster
from tests.unit.transcoder.jobs_at_work import job_with_rungs, watching
from tests.unit.transcoder.pictures import Camera, frames_of


def claims(outcome: str) -> float:
    return REGISTRY.get_sample_value("rillcast_transcoder_claims_total", {"outcome": outcome}) or 0.0


async def test_a_silent_origin_is_asked_again_and_the_rungs_go_on() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        (source,) = await watching(around, node, "v0.90p")
        camera = Camera()
        node.feed(camera, 3)
        feed = around.fed(node).source
        node.plane.emit(RelayParentLost(source=feed))
        await eventually(lambda: len(node.plane.of(AddRelaySource)) == 2)
        assert around.fed(node).source == feed
        camera = Camera(first_ts=camera.rtp_ts)
        node.feed(camera, 3)
        await eventually(lambda: len(frames_of("H264", node.pushed(SourceId(source)))) == 6)
        assert len(node.plane.of(AddPushSource)) == 1


async def test_an_origin_that_refuses_is_asked_again_later() -> None:
    async with cluster() as around:
        around.refusing = True
        node = await job_with_rungs(around)
        await around.watch_rung("v0.90p", node.name)
        await eventually(lambda: len(around.opened) >= 2)
        around.refusing = False
        await eventually(lambda: node.feed_source() is not None)


async def test_one_of_two_transcoders_takes_the_job() -> None:
    async with cluster() as around:
        nodes = [await around.node("transcoder-1"), await around.node("transcoder-2")]
        await around.ladder(*LADDER)
        await around.publish(SIZED)
        record = await around.announced()
        await eventually(lambda: sum(node.running.held for node in nodes) == 1)
        assert record.owner in {node.name for node in nodes}


async def test_the_idler_transcoder_takes_the_job() -> None:
    async with cluster() as around:
        busy = await around.node("transcoder-1")
        busy.running.cpu = 0.8
        await around.node("transcoder-2")
        await around.ladder(*LADDER)
        await around.publish(SIZED)
        await around.announced(owner=NodeId("transcoder-2"))


async def test_another_transcoder_takes_over_when_the_owner_dies() -> None:
    async with cluster(lease_s=1.0) as around:
        first = await job_with_rungs(around)
        second = await around.node("transcoder-2")
        await first.kill()
        await around.announced(owner=second.name)
        await around.watch_rung("v0.90p", second.name)


async def test_a_draining_transcoder_hands_over_and_encodes_until_its_children_left() -> None:
    async with cluster() as around:
        first = await job_with_rungs(around)
        (source,) = await watching(around, first, "v0.90p")
        second = await around.node("transcoder-2")
        draining = asyncio.create_task(first.jobs.drain())
        await around.announced(owner=second.name)
        first.feed(Camera(), 2)
        await eventually(lambda: len(frames_of("H264", first.pushed(SourceId(source)))) == 2)
        assert not draining.done()
        await around.unwatch_rung("v0.90p", first.name)
        async with within(5, "the end of the drain"):
            await draining
        assert (await around.announced()).owner == second.name
        assert first.running.held == 0


async def test_the_end_of_the_stream_ends_the_job_and_leaves_nothing_behind() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        (source,) = await watching(around, node, "v0.90p")
        await around.unpublish()
        await eventually(lambda: node.running.held == 0)
        assert await around.rendition() is None
        assert {removed.source for removed in node.plane.of(RemoveSource)} == {source, around.fed(node).source}
        assert len(node.plane.of(RemoveRelay)) == 1


async def test_a_new_claim_voids_what_was_given_away_and_gets_a_new_job() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        before = (await around.watch_rung("v0.90p", node.name)).claim
        await around.origin(NodeId("origin-2"))
        await around.publish(SIZED, owner=NodeId("origin-2"), epoch=9)
        await around.announced(stream_claim="c9")
        assert len(node.plane.of(RemoveRelay)) == 1
        with pytest.raises(RillcastError):
            await around.watch_rung("v0.90p", node.name, claim=before)
        await around.watch_rung("v0.90p", node.name)
        await eventually(lambda: around.opened and around.opened[-1].claim == "c9")


@pytest.mark.parametrize(
    "tracks",
    [
        (AUDIO,),
        (msgspec.structs.replace(SIZED, codec="H266"), AUDIO),
    ],
    ids=["audio only", "undecodable codec"],
)
async def test_streams_without_a_ladder_get_no_job(tracks: tuple[TrackRecord, ...]) -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER)
        await around.publish(*tracks)
        await eventually(lambda: node.watch.get(APP, STREAM) and node.wishes.get(APP, STREAM))
        node.jobs.look(KEY)
        assert node.jobs._attended == set()
        assert node.running.held == 0


async def test_a_store_that_is_away_only_delays_the_claim() -> None:
    async with cluster() as around:
        around.renditions.available = False
        await around.node()
        await around.ladder(*LADDER)
        await around.publish(SIZED)
        before = claims("unavailable")
        await eventually(lambda: claims("unavailable") > before, what="the next claim in vain")
        around.renditions.available = True
        await around.announced()


async def test_a_claim_that_comes_before_the_store_let_go_of_a_dead_owner_is_tried_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media_jobs, "LOOK_S", 3600.0)
    async with cluster(lease_s=1.0) as around:
        around.renditions._ttl_s = 3.0
        first = await job_with_rungs(around)
        second = await around.node("transcoder-2")
        before = claims("lost")
        await first.kill()
        await around.announced(owner=second.name)
        assert claims("lost") > before


async def test_a_stream_whose_job_was_cancelled_before_it_began_is_worked_on_all_the_same() -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER)
        await around.publish(SIZED)
        await eventually(lambda: bool(node.media.tasks._tasks), every_s=0.0)
        (task,) = node.media.tasks._tasks
        task.cancel()
        await eventually(task.done)

        node.jobs.look(KEY)

        assert (await around.announced()).owner == node.name
