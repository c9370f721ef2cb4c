"""Places under the limits of an app at two signaling instances: who never arrives keeps no other address out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.core.usecases.limit_reservations import LimitReservations
from tests.unit.signaling.fake_nodes import OFFER, FakeMediaNode
from tests.unit.signaling.two_instances import Pair, pair

BY = "x-forwarded-for"
ATTACKER, FRIEND = {BY: "203.0.113.9"}, {BY: "198.51.100.1"}


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        yield both


@asynccontextmanager
async def behind_a_proxy() -> AsyncIterator[Pair]:
    """Clients at both instances have addresses of their own."""
    async with pair(trusted_proxies="127.0.0.1/32") as both:
        await both.go_live()
        await both.sees(lambda: len(tuple(both.other.core.streams.all())) == 1)
        yield both


def reservations(c: Pair, number: int) -> LimitReservations:
    found = [one for one in c.instance(number).core.admission._asking_checks if isinstance(one, LimitReservations)]
    return found[0]


async def ask(c: Pair, number: int, path: str, by: dict[str, str]) -> httpx.Response:
    async with c._client(number, by) as http:
        return await http.post(path, content=OFFER, headers={"Content-Type": "application/sdp"})


async def tell(c: Pair, number: int, node: FakeMediaNode, session: SessionId, state: SessionState) -> None:
    """The node says to the instance that opened the session how far it is."""
    told = NodeId(f"signaling-{number}")
    await node.bus.emit(subjects.session_changed(told), SessionChanged(session=session, node=node.name, state=state))


@pytest.mark.parametrize("number", [1, 2])
async def test_viewers_that_never_connect_keep_those_of_other_addresses_out_at_no_instance(number: int) -> None:
    async with behind_a_proxy() as c:
        await c.protect(webRTCViewerLimit=5)
        held = [await ask(c, 3 - number, "/live/whep/s1", ATTACKER) for _ in range(5)]
        assert [answer.status_code for answer in held] == [201] * 5

        friends = [await ask(c, number, "/live/whep/s1", {BY: f"198.51.100.{n}"}) for n in range(4)]

        assert [answer.status_code for answer in friends] == [201] * 4


@pytest.mark.parametrize("number", [1, 2])
async def test_publishers_without_media_keep_those_of_other_addresses_out_at_no_instance(number: int) -> None:
    async with behind_a_proxy() as c:
        await c.protect(ingestingStreamLimit=5)
        held = [await ask(c, 3 - number, f"/live/whip/x{n}", ATTACKER) for n in range(5)]
        assert [answer.status_code for answer in held] == [201] * 4 + [503]  # one stream is live

        assert (await ask(c, number, "/live/whip/mine", FRIEND)).status_code == 201


@pytest.mark.parametrize("number", [1, 2])
async def test_who_connects_after_others_took_its_place_is_ended_with_the_reason(number: int) -> None:
    async with behind_a_proxy() as c:
        await c.protect(webRTCViewerLimit=2)
        late: list[SessionId] = []
        for _ in range(2):
            assert (await ask(c, number, "/live/whep/s1", ATTACKER)).status_code == 201
            late += [request.session for request in c.played if request.session not in late]
        friends = [await ask(c, number, "/live/whep/s1", {BY: f"198.51.100.{n}"}) for n in range(2)]
        assert [answer.status_code for answer in friends] == [201, 503]
        (friend,) = {request.session for request in c.played} - set(late)
        where = {session: edge for edge in c.edges for session in edge.sessions}

        await tell(c, number, where[friend], friend, SessionState.CONNECTED)
        await tell(c, number, where[late[1]], late[1], SessionState.CONNECTED)
        await tell(c, number, where[late[0]], late[0], SessionState.CONNECTED)
        await c.sees(lambda: bool([one for edge in c.edges for one in edge.closed]))

        ended = [(one.session, one.reason) for edge in c.edges for one in edge.closed]
        assert ended == [(late[0], EndReason.LIMIT_REACHED)]
        assert len(reservations(c, number)) == 0


async def test_an_offer_that_does_not_come_takes_no_place(c: Pair) -> None:
    await c.protect(ingestingStreamLimit=1)
    body = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        await body.wait()
        yield OFFER.encode()

    async with c._client(1, {}) as http:
        headers = {"Content-Type": "application/sdp"}
        slow = asyncio.create_task(http.post("/live/whip/slow", content=slowly(), headers=headers))
        for _ in range(50):
            await asyncio.sleep(0)
        quick = await http.post("/live/whip/quick", content=OFFER, headers=headers)
        body.set()

        assert (quick.status_code, (await slow).status_code) == (201, 503)


async def test_the_last_place_is_given_also_where_a_token_is_asked_for(c: Pair) -> None:
    await c.protect(ingestingStreamLimit=1, publishTokenControlEnabled=True)
    async with c.at(1) as operator:
        made = await operator.get("/live/rest/v2/broadcasts/s1/token?expireDate=9999999999&type=publish")
    async with c.client() as socket:
        await socket.send("publish", streamId="s1", video=True, audio=True, token=made.json()["tokenId"])

        assert (await socket.receive())["command"] == "start"


async def test_a_socket_that_is_sent_away_reads_why(c: Pair) -> None:
    await c.go_live()
    async with c.client() as client:
        await client.ask("play", streamId="s1")
        viewer = c.played[-1].session
        await c.edge_of(viewer).tell(viewer, state=SessionState.CLOSED, reason=EndReason.LIMIT_REACHED)
        assert (await client.receive())["definition"] == "viewerLimitReached"

        await client.publish(c, "s2")
        publisher = c.origin.published[-1].session
        await c.origin.tell(publisher, state=SessionState.CLOSED, reason=EndReason.LIMIT_REACHED)
        assert (await client.receive())["definition"] == "highResourceUsage"
