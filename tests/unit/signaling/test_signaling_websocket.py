"""The Ant Media WebSocket protocol, spoken in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import jwt
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId, stream_key
from rillcast.contracts.messages import NodeLeft
from rillcast.contracts.words import EndReason, LicenseState, NodeKind, SessionState
from tests.unit.signaling.asgi_socket import Closed, Denied
from tests.unit.signaling.signaling_harness import ANSWER, LIVE, OFFER, Client, Cluster, cluster

SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_ping_gets_pong_and_ice_servers_need_no_stream(c: Cluster) -> None:
    async with c.client() as client:
        assert await client.ask("ping") == {"command": "pong"}
        servers = await client.ask("getIceServerConfig")

    assert servers["command"] == "iceServerConfig"
    assert servers["stunServerUri"].startswith("stun:")
    assert servers["turnServerUsername"] == servers["turnServerCredential"] == ""


async def test_publish_from_start_to_finish(c: Cluster) -> None:
    async with c.client() as client:
        start = await client.ask(
            "publish", streamId="s1", token="t", subscriberId="me", streamName="Show", metaData={"a": 1}
        )
        assert start == {"command": "start", "streamId": "s1", "subscriberId": "me"}

        answer = await client.ask("takeConfiguration", streamId="s1", type="offer", sdp=OFFER)
        request = c.origin.published[0]
        assert (answer["command"], answer["type"], answer["sdp"]) == ("takeConfiguration", "answer", ANSWER)
        assert (request.name, request.meta_data, request.has_credentials) == ("Show", '{"a":1}', True)

        await c.origin.tell(request.session, state=SessionState.CONNECTED)
        await c.origin.tell(request.session, state=SessionState.MEDIA)
        started = await client.receive()
        assert (started["definition"], started["streamId"], started["subscriberId"]) == ("publish_started", "s1", "me")

        finished = await client.ask("stop", streamId="s1")
        assert finished["definition"] == "publish_finished"
        await c.sees(lambda: c.origin.closed)
        assert c.origin.closed[0].session == request.session
        assert c.origin.closed[0].keep_stream_s == 0


async def test_a_publisher_that_took_its_stream_over_hears_that_the_session_was_restored(c: Cluster) -> None:
    c.origin.restored = True
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)

        definitions = [(await client.receive())["definition"] for _ in range(2)]

    assert definitions == ["publish_started", "session_restored"]


async def test_the_stream_is_kept_for_a_publisher_whose_socket_closed(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)

    await c.sees(lambda: c.origin.closed)
    assert (c.origin.closed[0].session, c.origin.closed[0].keep_stream_s) == (session, 10.0)


async def test_the_same_publisher_is_known_by_its_token_wherever_it_comes_from(c: Cluster) -> None:
    async with c.client() as first, c.client("/live/websocket?target=origin") as second, c.client() as other:
        await first.publish(c, token="mine")
        await second.publish(c, token="mine")
        await other.publish(c, token="another")

    digests = [request.credential_digest for request in c.origin.published]
    assert digests[0] == digests[1] != digests[2]


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


async def test_a_stream_that_is_not_live_is_answered_cheaply_and_waited_for(c: Cluster) -> None:
    async with c.client() as client:
        sent = len(c.host.bus.requested)
        for _ in range(3):
            assert await client.ask("play", streamId="s1") == {
                "command": "error",
                "definition": "no_stream_exist",
                "error_code": "404",
                "streamId": "s1",
                "information": "stream_not_exist_or_not_streaming",
            }
        play_requests = [s for s, _ in c.host.bus.requested[sent:] if "play" in s]
        assert not play_requests

        await c.go_live()
        assert await client.receive() == {
            "command": "notification",
            "definition": "streaming_started",
            "streamId": "s1",
        }
        await client.play(c)


async def test_a_stream_without_media_yet_is_not_live(c: Cluster) -> None:
    await c.go_live(media_flowing=False)
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1"))["definition"] == "no_stream_exist"
        await c.go_live()
        assert (await client.receive())["definition"] == "streaming_started"


async def test_who_stopped_waiting_is_not_told(c: Cluster) -> None:
    async with c.client() as client:
        await client.ask("play", streamId="s1")
        await client.send("stop", streamId="s1")
        await client.nothing_came()
        await c.go_live()
        await asyncio.wait_for(c.service.core.tasks.settle(), 5)
        assert await client.nothing_came()


async def test_a_stream_that_ends_between_directory_and_edge_puts_the_viewer_on_the_waiting_list(c: Cluster) -> None:
    await c.go_live()
    for edge in c.edges:
        edge.refusal = RillcastError(ErrorCode.NO_STREAM_EXIST, "gone")
    async with c.client() as client:
        answer = await client.ask("play", streamId="s1")

    assert answer["definition"] == "no_stream_exist"
    assert answer["information"] == "stream_not_exist_or_not_streaming"


@pytest.mark.parametrize(
    ("code", "definition"),
    [
        (ErrorCode.STREAM_ID_IN_USE, "streamIdInUse"),
        (ErrorCode.NO_COMMON_CODEC, "no_codec_enabled_in_the_server"),
        (ErrorCode.BAD_REMOTE_DESCRIPTION, "notSetRemoteDescription"),
        (ErrorCode.STORE_UNAVAILABLE, "data_store_not_available"),
        (ErrorCode.HIGH_RESOURCE_USAGE, "highResourceUsage"),
        (ErrorCode.NO_NODE_AVAILABLE, "highResourceUsage"),
    ],
)
async def test_an_origins_refusal_reaches_the_publisher_in_words(c: Cluster, code: ErrorCode, definition: str) -> None:
    c.origin.refusal = RillcastError(code, "because")
    async with c.client() as client:
        await client.ask("publish", streamId="s1")
        error = await client.ask("takeConfiguration", streamId="s1", type="offer", sdp=OFFER)
        assert (error["command"], error["definition"], error["streamId"]) == ("error", definition, "s1")
        c.origin.refusal = None
        await client.publish(c)


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


async def test_a_session_that_never_starts_is_a_publish_timeout(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.NO_MEDIA)
        assert (await client.receive())["definition"] == "publishTimeoutError"
        assert await client.nothing_came()


async def test_a_replaced_publisher_is_told_that_it_finished(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.REPLACED)
        assert (await client.receive())["definition"] == "publish_finished"


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


async def test_a_publisher_of_a_leaving_origin_is_asked_to_come_back(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)

        assert (await client.receive())["definition"] == "server_will_stop"


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
    assert '"originAdress":"192.0.2.7"' in broadcast["broadcast"]
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
async def test_ids_that_are_missing_or_illegal_are_refused(c: Cluster, stream: object, definition: str) -> None:
    async with c.client() as client:
        for command in ("play", "publish", "stop", "getStreamInfo", "anythingElse"):
            assert (await client.ask(command, streamId=stream))["definition"] == definition


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


async def test_a_socket_has_a_bounded_number_of_streams() -> None:
    async with cluster(max_streams_per_socket=1) as c, c.client() as client:
        await client.publish(c, "s1")
        assert (await client.ask("publish", streamId="s2"))["definition"] == "highResourceUsage"


@pytest.mark.parametrize("path", ["/nosuchapp/websocket", "/live/websocket/", "/live/other"])
async def test_paths_that_lead_nowhere_are_not_upgraded(c: Cluster, path: str) -> None:
    with pytest.raises(Denied) as refused:
        async with c.client(path):
            pass
    assert refused.value.status in (403, 404)


async def test_default_apps_exist(c: Cluster) -> None:
    for app in ("live", "LiveApp", "WebRTCAppEE"):
        async with c.client(f"/{app}/websocket") as client:
            assert await client.ask("ping") == {"command": "pong"}


async def test_sockets_beyond_the_limit_are_answered_503() -> None:
    async with cluster(max_sockets=1) as c, c.client():
        with pytest.raises(Denied) as refused:
            async with c.client():
                pass
    assert refused.value.status == 503


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


async def test_only_a_license_expired_beyond_grace_stops_new_sessions(c: Cluster) -> None:
    await c.license_is(LicenseState.EXPIRED)
    await c.service.core.license.refresh()
    async with c.client() as client:
        error = await client.ask("publish", streamId="s1")

    assert error["definition"] == "license_suspended_please_renew_license"


async def test_clients_are_asked_to_leave_and_their_sessions_stay_when_this_instance_drains(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        draining = asyncio.gather(*(hook() for hook in c.host.drain_hooks))
        assert await client.receive() == {"command": "notification", "definition": "server_will_stop"}
        await client.socket.close()
        await asyncio.wait_for(draining, 5)
        with pytest.raises(Denied):
            async with c.client():
                pass
    await c.service.core.tasks.settle()
    assert session not in [request.session for request in c.origin.closed]


async def test_waiting_viewers_are_told_one_after_the_other() -> None:
    async with cluster(streaming_started_per_s=50) as c, c.client() as one, c.client() as two, c.client() as three:
        clients: list[Client] = [one, two, three]
        for client in clients:
            await client.ask("play", streamId="s1")
        await c.go_live()
        told = [await client.receive() for client in clients]
    assert {frame["definition"] for frame in told} == {"streaming_started"}


async def test_a_removed_stream_is_no_longer_live(c: Cluster) -> None:
    await c.go_live()
    await c.host.buckets[subjects.BUCKET_STREAMS].delete(stream_key(LIVE, StreamId("s1")))
    await c.sees(lambda: not list(c.service.core.streams.all()))
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1"))["definition"] == "no_stream_exist"
