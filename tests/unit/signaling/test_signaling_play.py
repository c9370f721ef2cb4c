"""Viewers on a WebSocket: offers and answers, full and leaving edges, and what an edge tells of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import jwt
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import NodeLeft
from rillcast.contracts.words import EndReason, NodeKind, SessionState
from tests.unit.signaling.fake_nodes import ANSWER, LIVE, OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_play_from_offer_to_finish(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        offer = await client.ask("play", streamId="s1")
        assert (offer["command"], offer["type"], offer["sdp"]) == ("takeConfiguration", "offer", OFFER)
        assert offer["idMapping"] == {"0": "ARDAMSvs1"}

        await client.send("takeConfiguration", streamId="s1", type="answer", sdp=ANSWER)
        await client.send("takeCandidate", streamId="s1", label=0, id="0", candidate="")
        session = c.played[0].session
        edge = c.edge_of(session)
        await c.sees(lambda: edge.answers)
        await edge.tell(session, state=SessionState.CONNECTED)
        await edge.tell(session, state=SessionState.MEDIA)
        assert (await client.receive())["definition"] == "play_started"
        assert await client.nothing_came()

        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.STREAM_ENDED)
        finished = await client.receive()
        assert (finished["command"], finished["definition"]) == ("notification", "play_finished")


async def test_several_streams_play_on_one_socket_and_spread_over_edges(c: Cluster) -> None:
    for stream in ("s1", "s2", "s3", "s4"):
        await c.go_live(stream)
    async with c.client() as client:
        for stream in ("s1", "s2", "s3", "s4"):
            await client.play(c, stream)

    assert [len(edge.played) for edge in c.edges] == [2, 2]


async def test_the_same_stream_is_played_and_published_once_per_socket(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        await client.play(c)
        await client.publish(c)

        assert (await client.ask("play", streamId="s1"))["definition"] == "already_playing"
        assert (await client.ask("publish", streamId="s1"))["definition"] == "already_publishing"


async def test_stop_and_play_again_need_no_wait_even_while_the_first_play_is_under_way(c: Cluster) -> None:
    await c.go_live()
    for edge in c.edges:
        edge.held = asyncio.Event()
    async with c.client() as client:
        await client.send("play", streamId="s1")
        await c.sees(lambda: len(c.played) == 1)
        first = c.played[0].session
        assert (await client.ask("stop", streamId="s1"))["definition"] == "play_finished"
        await client.send("play", streamId="s1")
        await c.sees(lambda: len(c.played) == 2)
        for edge in c.edges:
            assert edge.held is not None
            edge.held.set()

        assert (await client.receive())["type"] == "offer"
        assert await client.nothing_came()
        await c.sees(lambda: c.edge_of(first).closed)
    assert [request.session for edge in c.edges for request in edge.closed if request.reason == "abandoned"] == [first]


async def test_an_edge_need_not_tell_the_end_of_a_session_that_its_client_has_left(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        await client.ask("play", streamId="s1")
        edge = c.edge_of(c.played[0].session)
        await client.ask("stop", streamId="s1")
        await c.sees(lambda: edge.closed)

    assert [request.forgotten_by for request in edge.closed] == [c.host.info.node]


async def test_a_full_edge_is_passed_over_for_another(c: Cluster) -> None:
    await c.go_live()
    c.edges[0].refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
    async with c.client() as one, c.client() as two:
        await one.play(c)
        await two.play(c)

    accepted = {answer.session for answer in c.edges[1].answers}
    assert len(accepted) == 2


async def test_refused_joins_leave_nothing_behind(c: Cluster) -> None:
    await c.go_live()
    for edge in c.edges:
        edge.refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")
    async with c.client() as client:
        for _ in range(5):
            assert (await client.ask("play", streamId="s1"))["definition"] == "highResourceUsage"

        assert len(c.service.core.events) == 0


async def test_no_node_at_all_is_high_resource_usage() -> None:
    async with cluster(node_wait_s=0) as c:
        await c.go_live()
        for edge in c.edges:
            c.report(edge, ready=False)
        async with c.client() as client:
            assert (await client.ask("play", streamId="s1"))["definition"] == "highResourceUsage"


async def test_who_comes_right_after_the_clusters_start_waits_for_the_first_node(c: Cluster) -> None:
    await c.go_live()
    for node in (c.origin, *c.edges):
        c.report(node, ready=False)
    async with c.client() as viewer, c.client() as publisher:
        await viewer.send("play", streamId="s1")
        await publisher.ask("publish", streamId="s2")
        await publisher.send("takeConfiguration", streamId="s2", type="offer", sdp=OFFER)
        assert await viewer.nothing_came()
        assert await publisher.nothing_came()
        c.report(c.origin)
        c.report(c.edges[1])

        assert (await viewer.receive())["type"] == "offer"
        assert (await publisher.receive())["type"] == "answer"


async def test_an_answer_the_edge_refuses_ends_the_session(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        await client.ask("play", streamId="s1")
        error = await client.ask("takeConfiguration", streamId="s1", type="answer", sdp="broken")
        assert error["definition"] == "notSetRemoteDescription"
        await c.sees(lambda: c.edge_of(c.played[0].session).closed)


async def test_measurements_and_true_changes_of_the_rendition_are_told(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        edge, session = await client.play(c)
        for height in (720, 720, 360):
            await edge.tell(session, stream_height=height)
        await edge.tell(session, target_bitrate_bps=900, video_bitrate_bps=800, audio_bitrate_bps=60)

        assert await client.receive() == {
            "command": "notification",
            "definition": "resolutionChangeInfo",
            "streamId": "s1",
            "streamHeight": 360,
        }
        measured = await client.receive()
    assert (measured["targetBitrate"], measured["videoBitrate"], measured["audioBitrate"]) == (900, 800, 60)


async def test_quality_and_toggles_reach_the_edge(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        edge, session = await client.play(c)
        for height in (360, "720", "auto"):
            await client.send("forceStreamQuality", streamId="s1", streamHeight=height)
        await client.send("toggleVideo", streamId="s1", trackId="s1", enabled=False)
        await client.send("toggleAudio", streamId="s1", trackId="s1", enabled="true")
        await c.sees(lambda: len(edge.selected) == 3 and len(edge.muted) == 2)

    assert sorted(request.height for request in edge.selected) == [0, 360, 720]
    assert {(request.kind, request.enabled) for request in edge.muted} == {("video", False), ("audio", True)}
    assert {request.session for request in edge.selected} == {session}


async def test_a_viewer_of_a_leaving_edge_gets_an_offer_of_another_on_the_same_connection(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        edge, session = await client.play(c)
        c.report(edge, draining=True)
        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)

        offer = await client.receive()
        other = next(another for another in c.edges if another is not edge)
        assert (offer["type"], offer["streamId"]) == ("offer", "s1")
        assert other.played[0].session != session
        await client.send("takeConfiguration", streamId="s1", type="answer", sdp=ANSWER)
        await c.sees(lambda: other.answers)
        await other.tell(other.played[0].session, state=SessionState.CONNECTED)
        assert await client.nothing_came()

        assert (await client.ask("stop", streamId="s1"))["definition"] == "play_finished"
        await c.sees(lambda: other.closed)


async def test_a_viewer_of_a_dead_edge_is_moved(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        edge, _ = await client.play(c)
        edge.bus.connected = False
        c.host.directory.left(NodeLeft(node=edge.name, kind=NodeKind.EDGE))

        assert (await client.receive())["type"] == "offer"


async def test_a_viewer_that_cannot_be_moved_is_told_why_and_that_it_finished() -> None:
    async with cluster(node_wait_s=0) as c, c.client() as client:
        await c.go_live()
        edge, session = await client.play(c)
        for each in c.edges:
            c.report(each, draining=True)
        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)

        assert [(await client.receive())["definition"] for _ in range(2)] == ["highResourceUsage", "play_finished"]


async def test_tokens_are_asked_for_where_the_app_has_a_secret(c: Cluster) -> None:
    bucket = c.host.buckets[subjects.BUCKET_APPS]
    await bucket.put("live", f'{{"appName":"live","playTokenSecret":"{SECRET}"}}'.encode())
    await c.sees(lambda: c.settings_of(LIVE).play_token_secret)
    await c.go_live()
    good = jwt.encode({"sub": "s1", "type": "play"}, SECRET, algorithm="HS256")
    other = jwt.encode({"sub": "s2", "type": "play"}, SECRET, algorithm="HS256")
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1", token=other))["definition"] == "unauthorized_access"
        assert (await client.ask("play", streamId="s1"))["definition"] == "unauthorized_access"
        assert (await client.ask("play", streamId="s1", token=good))["type"] == "offer"
