"""What only a real server and real sockets show: upgrades, close codes, sizes, clients that break off."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import AsyncExitStack

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rillcast.testing.eventually import eventually, within
from services.signaling.app import room_in_memory
from services.signaling.config import SignalingSettings
from services.signaling.metrics import NODE_WAITS, SOCKETS_CLOSED
from services.signaling.rest.adapters.json_body import MAX_BODY_BYTES
from tests.integration.signaling.wire import WireCluster, wire_cluster
from tests.unit.signaling.fake_nodes import ANSWER, OFFER

SDP = {"Content-Type": "application/sdp"}


async def test_a_client_publishes_and_another_plays(c: WireCluster) -> None:
    async with c.client() as publisher, c.client() as viewer:
        assert await publisher.ask("ping") == {"command": "pong"}
        await publisher.publish(c)
        await c.go_live()
        await viewer.play(c)

        assert (await viewer.ask("stop", streamId="s1"))["definition"] == "play_finished"
        assert (await publisher.ask("stop", streamId="s1"))["definition"] == "publish_finished"


async def test_the_stream_is_kept_for_a_publisher_whose_socket_closed(c: WireCluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)

    await c.sees(lambda: c.origin.closed)
    assert (c.origin.closed[0].session, c.origin.closed[0].keep_stream_s) == (session, 10.0)


@pytest.mark.parametrize("path", ["websocket", "websocket/signaling", "websocket?target=origin"])
async def test_a_socket_opens_at_both_addresses_and_answers_pings(c: WireCluster, path: str) -> None:
    async with c.client(f"/live/{path}") as client:
        assert isinstance(client.socket, ClientConnection)
        async with within(5, "a pong"):
            await (await client.socket.ping())
        assert await client.ask("ping") == {"command": "pong"}


@pytest.mark.parametrize("path", ["live/websocket/", "live/websocket/signaling/", "none/websocket", "live/other", ""])
async def test_elsewhere_there_is_no_socket(c: WireCluster, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with c.client(f"/{path}"):
            pass
    assert refused.value.response.status_code == 404


async def test_a_binary_frame_is_ignored_and_the_socket_stays(c: WireCluster) -> None:
    async with c.client() as client:
        await client.socket.send(b'{"command":"ping"}')
        assert await client.nothing_came()


async def test_a_frame_beyond_80_kib_closes_the_socket_with_1009(c: WireCluster) -> None:
    async with c.client() as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.ask("play", streamId="x" * 90_000)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_a_flood_is_dropped_and_then_the_socket_closed() -> None:
    async with wire_cluster(messages_per_s=1, message_burst=20) as c, c.client() as client:
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(100):
                await client.send("ping")
            while True:
                await client.receive()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "flood")


async def test_a_flood_of_pongs_ends_like_a_flood_of_messages(c: WireCluster) -> None:
    counter = SOCKETS_CLOSED.labels("flood")
    before = counter._value.get()
    async with connect(f"ws://127.0.0.1:{c.port}/live/websocket", proxy=None) as client, c.client() as another:
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await client.pong()
        assert await another.ask("ping") == {"command": "pong"}
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "flood")
    await c.sees(lambda: counter._value.get() == before + 1)


@pytest.mark.parametrize("path", ["/nosuchapp/websocket", "/live/websocket/", "/live/other"])
async def test_paths_that_lead_nowhere_are_not_upgraded(c: WireCluster, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with c.client(path):
            pass
    assert refused.value.response.status_code in (403, 404)


async def test_sockets_beyond_the_limit_are_answered_503() -> None:
    async with wire_cluster(max_sockets=1) as c, c.client():
        with pytest.raises(InvalidStatus) as refused:
            async with c.client():
                pass
    assert refused.value.response.status_code == 503


async def test_the_last_message_of_a_client_that_says_no_more_is_not_kept(c: WireCluster) -> None:
    count, large = 10, 60_000
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(c.client()) for _ in range(count)]
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        for client in clients:
            assert await client.ask("ping", more="x" * large) == {"command": "pong"}
        await eventually(lambda: tracemalloc.get_traced_memory()[0] < count * large / 4, 10, "messages, freed")


async def test_by_tls_the_socket_for_which_there_is_no_memory_is_told_so_in_words() -> None:
    little = 1
    settings = SignalingSettings(tls_certificate="c", tls_key="k")
    room = room_in_memory(settings.model_copy(update={"max_sockets": 20}), little)
    async with wire_cluster(max_sockets=room.sockets) as c:
        url = f"wss://127.0.0.1:{c.tls_port}/live/websocket"
        async with AsyncExitStack() as stack:
            for _ in range(room.sockets):
                await stack.enter_async_context(connect(url, ssl=c.trust, proxy=None))
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, ssl=c.trust, proxy=None):
                    pass
    assert refused.value.response.status_code == 503
    assert b"this instance takes no more clients" in (refused.value.response.body or b"")


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
async def test_the_largest_body_arrives_over_a_link_of_a_megabit_with_long_ways(
    c: WireCluster,
    encrypted: bool,
) -> None:
    """In the time that a round trip of 200 ms takes, the sender may have no more on its way than the server's window,
    which is 16 KiB: the slower of the two decides."""
    round_trip_s, window = 0.2, 16 * 1024
    a_trip = min(window, int(1_000_000 / 8 * round_trip_s))
    body = b'{"streamId": "slow"}'.ljust(MAX_BODY_BYTES)
    port, trust = (c.tls_port, c.trust) if encrypted else (c.port, None)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    token = c.credentials["ProxyAuthorization"]
    writer.write(
        f"POST /live/rest/v2/broadcasts/create HTTP/1.1\r\nhost: 127.0.0.1\r\nproxyauthorization: {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
    )
    for at in range(0, len(body), a_trip):
        writer.write(body[at : at + a_trip])
        await writer.drain()
        await asyncio.sleep(round_trip_s)
    async with within(30, "the answer"):
        answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert b'"streamId":"slow"' in answer


async def test_clients_are_asked_to_leave_and_their_sessions_stay_when_this_instance_drains(c: WireCluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        draining = asyncio.gather(*(hook() for hook in c.host.drain_hooks))
        assert await client.receive() == {"command": "notification", "definition": "server_will_stop"}
        await client.socket.close()
        async with within(20, "the end of the drain"):
            await draining
        with pytest.raises(InvalidStatus):
            async with c.client():
                pass
    await c.service.core.tasks.settle()
    assert session not in [request.session for request in c.origin.closed]


async def test_a_whip_resource_lives_until_it_is_deleted(c: WireCluster) -> None:
    async with c.http() as http:
        created = await http.post("/live/whip/s1", content=OFFER, headers=SDP)
        deleted = await http.delete(created.headers["location"])

    assert (created.status_code, created.text, deleted.status_code) == (201, ANSWER, 200)
    assert [request.session for request in c.origin.closed] == [c.origin.published[0].session]


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status"),
    [
        ("/live/whip/s1", OFFER, "text/plain", 415),
        ("/live/whip/s1", "", "application/sdp", 400),
        ("/live/whip/s1", b"v=0\xff\xfe", "application/sdp", 400),
        ("/live/whip/s1", "v=0" + "x" * 300_000, "application/sdp", 413),
        ("/live/whip/a b", OFFER, "application/sdp", 400),
        ("/nosuchapp/whip/s1", OFFER, "application/sdp", 404),
    ],
)
async def test_bad_requests_are_refused_in_words(
    c: WireCluster, path: str, body: str | bytes, content_type: str, status: int
) -> None:
    async with c.http() as http:
        answer = await http.post(path, content=body, headers={"Content-Type": content_type})

    assert answer.status_code == status
    assert answer.text
    assert not c.origin.published


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_other_methods_on_the_endpoint_are_not_allowed(c: WireCluster, method: str) -> None:
    async with c.http() as http:
        answer = await http.request(method, "/live/whip/s1")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST,OPTIONS"


async def test_a_client_that_breaks_off_while_it_waits_for_an_origin_opens_nothing(c: WireCluster) -> None:
    def left() -> float:
        return float(NODE_WAITS.labels("origin", "left")._value.get())

    c.report(c.origin, ready=False)
    before = left()
    async with c.http() as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/live/whip/s1", content=OFFER, headers=SDP, timeout=httpx.Timeout(5, read=0.3))
    await c.sees(lambda: left() == before + 1)
    c.report(c.origin)

    async with c.http() as http:
        assert (await http.post("/live/whip/s1", content=OFFER, headers=SDP)).status_code == 201
    assert len(c.origin.published) == 1
