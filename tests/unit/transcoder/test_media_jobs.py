"""Jobs: who takes them, when they work, what ends them. Everything is faked; time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId
from rillcast.contracts.records import LadderRung, TrackRecord
from rillcast.media.protocol import (
    AddPushSource,
    AddRelay,
    AddRelaySource,
    ClockSeen,
    KeyframeWanted,
    RelayChildLost,
    RelayParentLost,
    RemoveRelay,
    RemoveSource,
    RequestKeyframe,
    SetClock,
    SourceId,
    SourceStats,
)
from rillcast.testing.eventually import eventually
from services.transcoder.usecases import media_jobs
from tests.unit.transcoder.cluster import APP, AUDIO, KEY, LADDER, SIZED, STREAM, Cluster, TestNode, cluster
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


def claims(outcome: str) -> float:
    return REGISTRY.get_sample_value("rillcast_transcoder_claims_total", {"outcome": outcome}) or 0.0


async def feed_until(node: TestNode, camera: Camera, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            node.feed(camera, 1)
            await asyncio.sleep(0.01)


async def test_a_stream_gets_its_rungs_announced_without_any_work_done() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        record = await around.announced()
        assert (record.owner, record.epoch) == (node.name, 5)
        assert [(track.track, track.width, track.height, track.mid) for track in record.tracks] == [
            ("v0.180p", 320, 180, "v0"),
            ("v0.90p", 160, 90, "v0"),
        ]
        assert around.opened == []
        assert node.plane.commands == []
        assert node.running.encoders == 0


async def test_an_unknown_source_size_is_looked_at_once() -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER)
        await around.publish()
        await eventually(lambda: node.plane.of(AddRelaySource))
        assert (around.opened[0].track, around.opened[0].epoch, around.opened[0].child_address) == (
            "v0",
            5,
            "127.0.0.1:51000",
        )
        assert node.feed_source() is None
        node.plane.emit(stats(around.fed(node).source, 320, 180))
        record = await around.announced()
        assert [track.height for track in record.tracks] == [180, 90]
        await eventually(lambda: around.closed, what="giving the source back")


async def test_only_the_watched_rung_is_encoded_and_its_end_ends_all_work() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        (source,) = await watching(around, node, "v0.90p")
        node.feed(Camera(), 5)
        await eventually(lambda: len(frames_of("H264", node.pushed(SourceId(source)))) == 5)
        assert {pushed for pushed, _ in node.plane.pushed} == {source}
        await around.unwatch_rung("v0.90p", node.name)
        await eventually(lambda: node.running.encoders == 0 and around.closed)
        assert {removed.source for removed in node.plane.of(RemoveSource)} == {source, around.fed(node).source}
        assert await around.rendition() is not None
        await watching(around, node, "v0.90p")


async def test_two_edges_share_a_rung_and_a_lost_one_frees_it() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        first = await around.watch_rung("v0.90p", node.name, child="edge-1")
        second = await around.watch_rung("v0.90p", node.name, child="edge-2")
        assert first.srtp_key != second.srtp_key
        assert len(node.plane.of(AddPushSource)) == 1
        await eventually(lambda: node.running.encoders == 1)
        for relay in node.plane.of(AddRelay):
            node.plane.emit(RelayChildLost(relay=relay.relay))
        await eventually(lambda: node.running.encoders == 0)


async def test_asking_again_replaces_the_relay() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        await around.watch_rung("v0.90p", node.name)
        await around.watch_rung("v0.90p", node.name)
        assert [removed.relay for removed in node.plane.of(RemoveRelay)] == [node.plane.of(AddRelay)[0].relay]


@pytest.mark.parametrize(("track", "epoch"), [("v0.720p", 5), ("v0", 5), ("v0.90p", 4), ("v0.90p", 6)])
async def test_what_is_not_made_here_is_refused(track: str, epoch: int) -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        with pytest.raises(RillcastError) as caught:
            await around.watch_rung(track, node.name, epoch=epoch)
        assert caught.value.code is ErrorCode.NO_STREAM_EXIST


async def test_a_busy_node_begins_no_rung_but_goes_on_with_those_it_has() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        await around.watch_rung("v0.90p", node.name)
        node.running.cpu = 0.99
        with pytest.raises(RillcastError, match="busy") as caught:
            await around.watch_rung("v0.180p", node.name)
        assert caught.value.code is ErrorCode.HIGH_RESOURCE_USAGE
        await around.watch_rung("v0.90p", node.name, child="edge-2")


async def test_clock_and_keyframe_wishes_travel_between_source_and_rungs() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        (first,) = await watching(around, node, "v0.180p")
        feed = around.fed(node).source
        node.plane.emit(ClockSeen(source=feed, ntp=2 << 40, rtp_ts=7))  # the plane's guess, in answer to the tap
        node.plane.emit(ClockSeen(source=feed, ntp=1 << 40, rtp_ts=99))
        (second,) = await watching(around, node, "v0.90p")
        assert node.plane.of(SetClock) == [
            SetClock(source=SourceId(first), ntp=1 << 40, rtp_ts=99),
            SetClock(source=SourceId(second), ntp=1 << 40, rtp_ts=99),
        ]
        assert node.plane.of(RequestKeyframe)[0].source == feed
        camera = Camera()
        await feed_until(node, camera, lambda: len(frames_of("H264", node.pushed(SourceId(second)))) >= 3)
        node.plane.emit(KeyframeWanted(source=SourceId(second)))
        await feed_until(node, camera, lambda: len(keyframes(node, second)) == 2)
        assert len(keyframes(node, first)) == 1


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
        async with asyncio.timeout(5):
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


async def test_a_new_epoch_voids_what_was_given_away_and_gets_a_new_job() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        await around.watch_rung("v0.90p", node.name)
        await around.origin(NodeId("origin-2"))
        await around.publish(SIZED, owner=NodeId("origin-2"), epoch=9)
        await around.announced(epoch=9)
        assert len(node.plane.of(RemoveRelay)) == 1
        with pytest.raises(RillcastError):
            await around.watch_rung("v0.90p", node.name, epoch=5)
        await around.watch_rung("v0.90p", node.name, epoch=9)
        await eventually(lambda: around.opened and around.opened[-1].epoch == 9)


async def test_a_changed_ladder_is_followed_and_a_removed_one_ends_the_job() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        await around.ladder(LadderRung(height=240, video_bitrate=500_000))
        async with asyncio.timeout(10):
            while [track.height for track in (await around.announced()).tracks] != [240]:
                await asyncio.sleep(0.02)
        await around.ladder()
        await eventually(lambda: node.running.held == 0)


async def test_another_bit_rate_of_the_audio_leaves_the_ladder_alone() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        (job,) = node.running._jobs.values()
        await around.ladder(*(msgspec.structs.replace(rung, audio_bitrate=96_000) for rung in LADDER))
        await around.apps.put("later", b'{"appName":"later","vp8Enabled":true}')
        await eventually(lambda: node.wishes.get(AppName("later"), STREAM), what="the change before being read as well")
        assert list(node.running._jobs.values()) == [job]
        assert job.held


async def test_impossible_settings_are_refused_and_the_former_ones_stay() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        await around.ladder(LadderRung(height=0, video_bitrate=500_000))
        await around.apps.put("broken", b"{not json")
        await around.ladder(LadderRung(height=360, video_bitrate=10**9))
        await around.apps.put("later", b'{"appName":"later","encoderSettings":[{"height":90,"videoBitrate":100000}]}')
        await eventually(lambda: node.wishes.get(AppName("later"), STREAM))
        assert [rung.height for rung in node.wishes.get(APP, STREAM).rungs] == [180, 90]
        assert node.running.held == 1


@pytest.mark.parametrize(
    "tracks",
    [
        (AUDIO,),
        (msgspec.structs.replace(SIZED, codec="H265"), AUDIO),
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


async def test_a_source_that_grows_gets_the_rungs_it_lacked() -> None:
    async with cluster() as around:
        await around.node()
        await around.ladder(*LADDER)
        await around.publish(msgspec.structs.replace(SIZED, width=160, height=90))
        assert [track.height for track in (await around.announced()).tracks] == [90]
        await around.publish(SIZED)
        async with asyncio.timeout(10):
            while len((await around.announced()).tracks) != 2:
                await asyncio.sleep(0.02)


async def test_garbage_in_the_source_asks_for_a_keyframe_and_harms_nothing() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        (source,) = await watching(around, node, "v0.90p")
        feed = node.feed_source()
        assert feed is not None
        for junk in (b"", b"\x80", b"\x00" * 40, b"\xff" * 1500):
            node.running.on_packet(feed, junk)
        node.running.on_packet(SourceId(12_345), b"nobody's")
        node.feed(Camera(), 3)
        await eventually(lambda: len(frames_of("H264", node.pushed(SourceId(source)))) >= 3)
        assert node.plane.of(RequestKeyframe)


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


async def test_measured_processor_time_counts_as_load() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        await watching(around, node, "v0.180p", "v0.90p")
        node.running.measure(100.0)
        camera = Camera()
        node.feed(camera, 30)
        await eventually(lambda: len(node.plane.pushed) >= 10)
        node.running.measure(100.1)
        assert node.running.cpu > 0


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
