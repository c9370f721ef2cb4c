"""Publishers on a WebSocket, from `publish` to the end of their session."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import EndReason, LicenseState, NodeKind, SessionState
from services.signaling.websocket.domain import publisher_moves
from tests.unit.signaling.fake_nodes import ANSWER, OFFER, FakeMediaNode
from tests.unit.signaling.signaling_harness import Cluster, cluster


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_publish_from_start_to_finish(c: Cluster) -> None:
    async with c.client() as client:
        start = await client.ask(
            "publish", streamId="s1", token="t", subscriberId="me", streamName="Show", metaData={"a": 1}
        )
        assert start == {"command": "start", "streamId": "s1", "subscriberId": "me"}

        answer = await client.ask("takeConfiguration", streamId="s1", type="offer", sdp=OFFER)
        request = c.origin.published[0]
        assert (answer["command"], answer["type"], answer["sdp"]) == ("takeConfiguration", "answer", ANSWER)
        assert (request.name, request.meta_data, request.has_credentials) == ("Show", '{"a":1}', False)
        assert request.movable, "it has a socket, over which it can be offered another origin"

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


async def test_what_no_check_has_looked_at_is_no_credential(c: Cluster) -> None:
    async with c.client() as first, c.client() as second:
        await first.publish(c, token="whatever", subscriberId="me")
        await second.publish(c, token="whatever", subscriberId="me")

    one, other = c.origin.published
    assert not one.has_credentials
    assert one.secret_digest != other.secret_digest
    assert one.credential_digest != other.credential_digest


async def test_a_publisher_is_known_by_the_cookie_of_its_first_socket_at_every_instance(c: Cluster) -> None:
    async with c.client() as first:
        await first.publish(c)
        cookie = first.cookie
    another = Cluster(c.settings)
    another.broker, another.host.bus.broker, another.host.buckets = c.broker, c.broker, c.host.buckets
    another.origin, another.edges = c.origin, []
    async with another.running(), another.client(cookie=cookie) as again, another.client(cookie=cookie + "x") as other:
        await again.publish(another)
        await other.publish(another)

    digests = [request.secret_digest for request in c.origin.published]
    assert digests[0] == digests[1] != digests[2]


async def test_the_cookie_goes_back_to_the_socket_only(c: Cluster) -> None:
    async with c.client() as client:
        assert client.set_cookie.startswith("rillcast_publisher=")
        assert "; Path=/live/websocket; Max-Age=86400; HttpOnly; SameSite=Strict" in client.set_cookie


async def test_a_publisher_whose_media_came_too_late_for_its_id_is_told_so(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.IN_USE)

        told = await client.receive()

    assert (told["command"], told["definition"], told["streamId"]) == ("error", "streamIdInUse", "s1")


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


async def test_a_publisher_of_a_leaving_origin_goes_on_at_another_one(c: Cluster) -> None:
    other = FakeMediaNode("origin-2", NodeKind.ORIGIN, c.broker)
    await other.start()
    async with c.client() as client:
        session = await client.publish(c, streamName="A show", metaData="m")
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        c.report(other)
        c.report(c.origin, draining=True)
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)

        offer = await client.receive()
        (asked,) = other.moved_in
        await client.send("takeConfiguration", streamId="s1", type="answer", sdp=ANSWER)
        await c.sees(lambda: other.answers)
        await other.tell(asked.session, state=SessionState.MEDIA)
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.REPLACED)

        assert (offer["command"], offer["type"], offer["sdp"]) == ("takeConfiguration", "offer", OFFER)
        (first,) = c.origin.published
        same = msgspec.structs.replace(first, session=asked.session, sdp_answered=ANSWER)
        assert asked == same, "it is the same publisher"
        assert asked.session != session
        assert other.answers[0].session == asked.session
        assert await client.nothing_came()
        await client.send("stop", streamId="s1")
        await c.sees(lambda: [close.session for close in other.closed] == [asked.session])


async def test_a_publisher_that_no_origin_takes_is_asked_to_come_back(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        c.service.core.joins._arrival.wait_s = 0.0
        c.report(c.origin, draining=True)
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)

        assert (await client.receive())["definition"] == "server_will_stop"


async def test_a_publisher_whose_client_does_not_answer_is_asked_to_come_back(
    c: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_moves, "ANSWER_S", 0.01)
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)

        assert (await client.receive())["type"] == "offer"
        assert (await client.receive())["definition"] == "server_will_stop"
        (asked,) = c.origin.moved_in
        await c.sees(lambda: [close.session for close in c.origin.closed] == [asked.session])


async def test_a_socket_has_a_bounded_number_of_streams() -> None:
    async with cluster(max_streams_per_socket=1) as c, c.client() as client:
        await client.publish(c, "s1")
        assert (await client.ask("publish", streamId="s2"))["definition"] == "highResourceUsage"


async def test_only_a_license_expired_beyond_grace_stops_new_sessions(c: Cluster) -> None:
    await c.license_is(LicenseState.EXPIRED)
    await c.service.core.license.refresh()
    async with c.client() as client:
        error = await client.ask("publish", streamId="s1")

    assert error["definition"] == "license_suspended_please_renew_license"
