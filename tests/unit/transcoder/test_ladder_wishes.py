"""What apps and broadcasts ask for reaches the jobs: other codecs, ladders of their own, encoding unwatched, ladders
beside simulcast layers."""

from __future__ import annotations

import asyncio

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import LadderRung, TrackRecord
from rillcast.media.protocol import AddPushSource
from rillcast.testing.eventually import eventually, within
from tests.unit.transcoder.cluster import APP, AUDIO, KEY, LADDER, SIZED, STREAM, VIDEO, Cluster, cluster
from tests.unit.transcoder.pictures import Camera, frames_of


async def names(around: Cluster, *wanted: str) -> None:
    """Wait until exactly these rungs are announced."""
    async with within(10, "these rungs"):
        while {str(track.track) for track in (await around.announced()).tracks} != set(wanted):
            await asyncio.sleep(0.02)


async def test_vp8_without_a_ladder_makes_one_rung_of_the_sources_size() -> None:
    async with cluster() as around:
        await around.node()
        await around.ladder(vp8=True)
        await around.publish(SIZED, AUDIO)
        await names(around, "v0.360p.vp8")


async def test_a_broadcast_has_a_ladder_of_its_own_until_it_is_taken_back() -> None:
    async with cluster() as around:
        await around.node()
        await around.ladder(*LADDER)
        await around.broadcast_ladder(LadderRung(height=120, video_bitrate=100_000))
        await around.publish(SIZED)
        await names(around, "v0.120p")
        await around.broadcasts.delete(KEY)
        await names(around, "v0.180p", "v0.90p")


async def test_impossible_settings_of_a_broadcast_leave_it_as_it_was() -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER)
        await around.broadcast_ladder(LadderRung(height=120, video_bitrate=100_000))
        await eventually(lambda: len(node.wishes.get(APP, STREAM).rungs) == 1)
        await around.broadcast_ladder(LadderRung(height=0, video_bitrate=100_000))
        await around.broadcasts.put(KEY, b"{")
        await around.broadcasts.put("no-stream-key", b"{}")
        await around.ladder(*LADDER, always=True)
        await eventually(lambda: node.wishes.get(APP, STREAM).always)
        assert [rung.height for rung in node.wishes.get(APP, STREAM).rungs] == [120]


async def test_on_request_rungs_are_encoded_while_nobody_watches() -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER, always=True)
        await around.publish(SIZED)
        await eventually(lambda: node.running.encoders == 2 and node.feed_source() is not None)
        node.feed(Camera(), 5)
        sources = [added.source for added in node.plane.of(AddPushSource)]
        await eventually(lambda: all(len(frames_of("H264", node.pushed(source))) == 5 for source in sources))
        await around.watch_rung("v0.90p", node.name)
        await around.unwatch_rung("v0.90p", node.name)
        await around.ladder(*LADDER)
        await eventually(lambda: node.running.encoders == 0)


def layer(rid: str, height: int, bitrate_bps: int = 500_000) -> TrackRecord:
    return msgspec.structs.replace(
        VIDEO, track=TrackId(f"v0.{rid}"), rid=rid, width=height * 16 // 9, height=height, bitrate_bps=bitrate_bps
    )


async def test_beside_simulcast_only_the_missing_rungs_are_made_and_from_the_largest_layer() -> None:
    async with cluster() as around:
        node = await around.node()
        await around.ladder(*LADDER, LadderRung(height=240, video_bitrate=200_000))
        await around.publish(layer("l", 180), layer("h", 360), AUDIO)
        await names(around, "v0.240p", "v0.90p")
        await around.watch_rung("v0.90p", node.name)
        await eventually(lambda: around.opened)
        assert around.opened[0].track == "v0.h"


async def test_when_the_largest_layer_stops_the_ladder_goes_on_from_the_next() -> None:
    async with cluster() as around:
        await around.node()
        await around.ladder(*LADDER)
        await around.publish(layer("l", 120), layer("h", 360))
        await names(around, "v0.180p", "v0.90p")
        await around.publish(layer("l", 120), layer("h", 360, 0))
        await names(around, "v0.90p")
