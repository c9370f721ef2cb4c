"""Ladders: which rungs are announced, when they are encoded, and what a change of source or settings does."""

from __future__ import annotations

import asyncio

import msgspec

from rillcast.contracts.ids import AppName
from rillcast.contracts.records import LadderRung
from rillcast.media.protocol import (
    AddRelaySource,
    RemoveSource,
    RequestKeyframe,
    SourceId,
)
from rillcast.testing.eventually import eventually, within
from tests.unit.transcoder.cluster import APP, LADDER, SIZED, STREAM, cluster
from tests.unit.transcoder.jobs_at_work import job_with_rungs, stats, watching
from tests.unit.transcoder.pictures import Camera, frames_of


async def test_a_stream_gets_its_rungs_announced_without_any_work_done() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        record = await around.announced()
        assert (record.owner, record.stream_claim) == (node.name, "c5")
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
        assert (around.opened[0].track, around.opened[0].claim, around.opened[0].child_address) == (
            "v0",
            "c5",
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


async def test_a_changed_ladder_is_followed_and_a_removed_one_ends_the_job() -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        await around.ladder(LadderRung(height=240, video_bitrate=500_000))
        async with within(10, "the changed rung"):
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


async def test_a_source_that_grows_gets_the_rungs_it_lacked() -> None:
    async with cluster() as around:
        await around.node()
        await around.ladder(*LADDER)
        await around.publish(msgspec.structs.replace(SIZED, width=160, height=90))
        assert [track.height for track in (await around.announced()).tracks] == [90]
        await around.publish(SIZED)
        async with within(10, "both rungs"):
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
