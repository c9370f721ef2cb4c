"""All jobs of a node together: what others may have of them, what the plane tells them, what they cost."""

from __future__ import annotations

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import UNSAID_CLAIM, ClaimId
from rillcast.media.protocol import (
    AddPushSource,
    AddRelay,
    ClockSeen,
    KeyframeWanted,
    RelayChildLost,
    RemoveRelay,
    RequestKeyframe,
    SetClock,
    SourceId,
)
from rillcast.testing.eventually import eventually
from tests.unit.transcoder.cluster import cluster
from tests.unit.transcoder.jobs_at_work import feed_until, job_with_rungs, keyframes, watching
from tests.unit.transcoder.pictures import Camera, frames_of


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


@pytest.mark.parametrize(
    ("track", "claim"), [("v0.720p", None), ("v0", None), ("v0.90p", "c5"), ("v0.90p", UNSAID_CLAIM)]
)
async def test_what_is_not_made_here_is_refused(track: str, claim: ClaimId | None) -> None:
    async with cluster() as around:
        node = await job_with_rungs(around)
        with pytest.raises(RillcastError) as caught:
            await around.watch_rung(track, node.name, claim=claim)
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
