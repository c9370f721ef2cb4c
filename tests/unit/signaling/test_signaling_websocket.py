"""The WebSocket endpoint: who is let in, which frames are taken, and what floods and too large frames bring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rillcast.testing.eventually import within
from tests.unit.signaling.asgi_socket import Closed, Denied
from tests.unit.signaling.fake_nodes import ANSWER, OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_ping_gets_pong_and_ice_servers_need_no_stream(c: Cluster) -> None:
    async with c.client() as client:
        assert await client.ask("ping") == {"command": "pong"}
        servers = await client.ask("getIceServerConfig")

    assert servers["command"] == "iceServerConfig"
    assert servers["stunServerUri"] == "", "nobody has chosen one"
    assert servers["turnServerUsername"] == servers["turnServerCredential"] == ""


async def test_questions_about_a_live_stream(c: Cluster) -> None:
    await c.go_live()
    c.report(c.edges[0], viewers=3)
    async with c.client() as client:
        information = await client.ask("getStreamInfo", streamId="s1")
        count = await client.ask("getSubscriberCount", streamId="s1")
        broadcast = await client.ask("getBroadcastObject", streamId="s1")
        missing = await client.ask("getStreamInfo", streamId="other")

    assert information["streamInfo"] == [
        {"streamWidth": 1280, "streamHeight": 720, "videoBitrate": 1_000_000, "audioBitrate": 0, "videoCodec": "H264"}
    ]
    assert (count["definition"], count["count"]) == ("subscriberCount", 3)
    assert isinstance(broadcast["broadcast"], str)
    assert '"originAdress":null' in broadcast["broadcast"]
    assert missing == {
        "command": "error",
        "definition": "no_stream_exist",
        "error_code": "404",
        "streamId": "other",
    }


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "nonsense",
        "[]",
        "1",
        "null",
        '{"no":"command"}',
        '{"command":7}',
        "[" * 5_000,
        '{"command":"ha","streamId":"s1"}',
    ],
)
async def test_frames_that_make_no_sense_are_ignored_and_the_socket_stays(c: Cluster, frame: str) -> None:
    async with c.client() as client:
        await client.socket.send(frame)
        await client.socket.send(frame.encode())
        assert await client.nothing_came()


@pytest.mark.parametrize(
    ("stream", "definition"),
    [
        (None, "noStreamNameSpecified"),
        ("", "noStreamNameSpecified"),
        (7, "noStreamNameSpecified"),
        ("a b", "invalidStreamName"),
        ("a/b", "invalidStreamName"),
        ("x" * 256, "invalidStreamName"),
    ],
)
async def test_ids_that_are_missing_or_illegal_are_refused(c: Cluster, stream: Any, definition: str) -> None:
    async with c.client() as client:
        for command in ("play", "publish", "stop", "getStreamInfo", "enableTrack", "anythingElse"):
            frame = await client.ask(command, streamId=stream)
            assert frame.pop("streamId", None) == (stream[:255] if definition == "invalidStreamName" else None)
            assert frame == {"command": "error", "definition": definition}


async def test_configurations_and_candidates_nobody_waits_for_are_ignored(c: Cluster) -> None:
    await c.go_live()
    async with c.client() as client:
        await client.send("takeConfiguration", streamId="s1", type="answer", sdp=ANSWER)
        await client.send("takeConfiguration", streamId="s1", type="offer", sdp=OFFER)
        await client.send("takeCandidate", streamId="s1", label="x", candidate=17)
        await client.send("stop", streamId="s1")
        assert await client.nothing_came()
    assert not c.origin.published


async def test_a_frame_beyond_80_kib_closes_the_socket_with_1009(c: Cluster) -> None:
    async with c.client() as client:
        with pytest.raises(Closed) as closed:
            await client.ask("play", streamId="x" * 90_000)
    assert closed.value.code == 1009


async def test_a_flood_is_dropped_and_then_the_socket_closed() -> None:
    async with cluster(messages_per_s=1, message_burst=20) as c, c.client() as client:
        with pytest.raises(Closed) as closed:
            for _ in range(100):
                await client.send("ping")
            while True:
                await client.receive()
    assert (closed.value.code, closed.value.reason) == (1008, "flood")


@pytest.mark.parametrize(
    "path", ["/nosuchapp/websocket", "/live/websocket/", "/live/websocket/signaling/", "/live/other", "/"]
)
async def test_paths_that_lead_nowhere_are_not_upgraded(c: Cluster, path: str) -> None:
    with pytest.raises(Denied) as refused:
        async with c.client(path):
            pass
    assert refused.value.status == 404


async def test_default_apps_exist_at_both_addresses(c: Cluster) -> None:
    for path in ("live/websocket", "LiveApp/websocket?target=edge", "WebRTCAppEE/websocket/signaling?target=origin"):
        async with c.client(f"/{path}") as client:
            assert await client.ask("ping") == {"command": "pong"}


async def test_sockets_beyond_the_limit_are_answered_503() -> None:
    async with cluster(max_sockets=1) as c, c.client():
        with pytest.raises(Denied) as refused:
            async with c.client():
                pass
    assert refused.value.status == 503


async def test_clients_are_asked_to_leave_and_their_sessions_stay_when_this_instance_drains(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        draining = asyncio.gather(*(hook() for hook in c.host.drain_hooks))
        assert await client.receive() == {"command": "notification", "definition": "server_will_stop"}
        await client.socket.close()
        async with within(5, "the end of the drain"):
            await draining
        with pytest.raises(Denied):
            async with c.client():
                pass
    await c.service.core.tasks.settle()
    assert session not in [request.session for request in c.origin.closed]
