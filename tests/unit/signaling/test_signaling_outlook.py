"""Edges are told in which codecs a ladder is about to make a stream's video."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId, StreamId, TrackId, stream_key
from rillcast.contracts.messages import NodeLoad, NodeReport
from rillcast.contracts.records import RenditionRecord, TrackRecord
from rillcast.contracts.words import MediaKind, NodeKind
from tests.unit.signaling.fake_nodes import LIVE, OFFER, info
from tests.unit.signaling.signaling_harness import Cluster, cluster

RUNGS = [{"height": 360, "videoBitrate": 600_000}]
SETTINGS = "/rest/v2/applications/settings/live"


def video(codec: str, track: str = "v0") -> TrackRecord:
    return TrackRecord(track=TrackId(track), mid="v0", kind=MediaKind.VIDEO, codec=codec, clock_rate=90_000, height=720)


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


def transcoder(c: Cluster, *, draining: bool = False) -> None:
    report = NodeReport(info=info("transcoder-1", NodeKind.TRANSCODER), load=NodeLoad(), ready=True, draining=draining)
    c.host.directory.heard(report)


async def settings_are(c: Cluster, **settings: object) -> None:
    async with c.http() as http:
        assert (await http.post(SETTINGS, json=settings)).status_code == 200
    bucket = c.host.buckets[subjects.BUCKET_APPS]
    stored = await bucket.get("live")
    assert stored is not None
    await c.sees(lambda: msgspec.json.encode(c.settings_of(LIVE)) == stored.value)


async def told(c: Cluster) -> list[tuple[str, ...]]:
    """What a WHEP viewer's edge and a WebSocket viewer's edge are told."""
    known = {request.session for request in c.played}
    async with c.http() as http:
        await http.post("/live/whep/s1", content=OFFER, headers={"Content-Type": "application/sdp"})
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1"))["type"] == "offer"
    asked = [request.subscriptions[0].codecs_to_come for request in c.played if request.session not in known]
    assert len(asked) == 2
    return asked


async def test_a_codec_that_the_app_asks_for_and_nobody_has_yet_is_told(c: Cluster) -> None:
    transcoder(c)
    await settings_are(c, encoderSettings=RUNGS)
    await c.go_live(tracks=(video("VP8"),))

    assert await told(c) == [("H264",)] * 2


async def test_what_is_there_already_is_not_to_come(c: Cluster) -> None:
    transcoder(c)
    await settings_are(c, encoderSettings=RUNGS, vp8Enabled=True)
    await c.go_live(tracks=(video("VP9"),))
    assert await told(c) == [("H264", "VP8")] * 2

    job = RenditionRecord(
        app=LIVE, stream=StreamId("s1"), epoch=1, owner=NodeId("transcoder-1"), tracks=(video("VP8", "v0.360p"),)
    )
    bucket = c.host.buckets[subjects.BUCKET_RENDITIONS]
    await bucket.put(f"{stream_key(LIVE, StreamId('s1'))}/ladder", msgspec.json.encode(job))
    await c.sees(lambda: any(live.renditions for live in c.service.core.streams.all()))
    assert await told(c) == [("H264",)] * 2


@pytest.mark.parametrize(
    ("settings", "codec"),
    [({}, "VP8"), ({"encoderSettings": RUNGS}, "H264"), ({"encoderSettings": RUNGS}, "H266")],
)
async def test_nothing_comes_where_nothing_is_asked_for_or_can_be_made(
    c: Cluster, settings: dict[str, object], codec: str
) -> None:
    transcoder(c)
    await settings_are(c, **settings)
    await c.go_live(tracks=(video(codec),))
    assert await told(c) == [()] * 2


@pytest.mark.parametrize("draining", [True, None])
async def test_nothing_comes_without_a_transcoder(c: Cluster, draining: bool | None) -> None:
    if draining is not None:
        transcoder(c, draining=draining)
    await settings_are(c, encoderSettings=RUNGS)
    await c.go_live(tracks=(video("VP8"),))
    assert await told(c) == [()] * 2


async def test_a_broadcasts_own_rungs_count(c: Cluster) -> None:
    transcoder(c)
    await c.go_live(tracks=(video("VP8"),))
    async with c.http() as http:
        await http.put("/live/rest/v2/broadcasts/s1", json={"encoderSettingsList": RUNGS})
        assert await told(c) == [("H264",)] * 2
        await http.put("/live/rest/v2/broadcasts/s1", json={"encoderSettingsList": []})
        assert await told(c) == [()] * 2


@pytest.mark.parametrize(
    ("settings", "lives", "codecs"),
    [
        ({}, True, ()),
        ({"encoderSettings": RUNGS}, True, ("H264",)),
        ({"encoderSettings": RUNGS, "vp8Enabled": True}, True, ("H264", "VP8")),
        ({"encoderSettings": RUNGS, "vp8Enabled": True}, False, ()),
    ],
)
async def test_the_codecs_of_the_ladder_are_told_also_when_they_are_there(
    c: Cluster, settings: dict[str, object], lives: bool, codecs: tuple[str, ...]
) -> None:
    if lives:
        transcoder(c)
    await settings_are(c, **settings)
    await c.go_live(tracks=(video("H264"),))

    await told(c)

    assert [request.subscriptions[0].ladder_codecs for request in c.played] == [codecs] * 2
