"""Who may ask about a stream and who is told of the relay, when a stream may be published, and limits of viewers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId, StreamId, stream_key
from rillcast.contracts.records import BroadcastRecord
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import check_window
from services.signaling.core.domain.ice_servers import ice_server
from services.signaling.core.domain.recent_joins import LAG_S, RecentJoins
from services.signaling.websocket.domain.questions import QUESTIONS
from tests.unit.signaling.fake_nodes import LIVE, OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

SECRET = "a secret of at least thirty-two bytes"
TURN = {"stunServerUri": "turn:relay.example:3478", "turnSecret": "north"}


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def protect(c: Cluster, **settings: Any) -> None:
    await c.host.buckets[subjects.BUCKET_APPS].put("live", msgspec.json.encode({"appName": "live", **settings}))
    wanted = {"appName": "live", **settings}
    await c.sees(lambda: wanted.items() <= msgspec.to_builtins(c.settings_of(LIVE)).items())


def token(kind: str, stream: str = "s1") -> str:
    return jwt.encode({"streamId": stream, "type": kind, "exp": int(time.time()) + 600}, SECRET)


async def knows(c: Cluster, stream: str = "s1", **fields: Any) -> None:
    record = msgspec.convert({"streamId": stream, **fields}, KeptBroadcast)
    await c.host.buckets[subjects.BUCKET_BROADCASTS].put(
        stream_key(LIVE, StreamId(stream)), msgspec.json.encode(record)
    )
    await c.sees(lambda: c.service.core.broadcasts.get(LIVE, StreamId(stream)) == record)


@pytest.mark.parametrize("command", sorted(QUESTIONS))
@pytest.mark.parametrize("stream", ["s1", "none"])
async def test_strangers_get_no_answer_about_a_protected_stream(c: Cluster, command: str, stream: str) -> None:
    await c.go_live()
    await protect(c, playJwtControlEnabled=True, jwtStreamSecretKey=SECRET)
    async with c.client() as client:
        for shown in ({}, {"token": "x"}, {"token": token("publish")}, {"token": token("play", "s2")}):
            answer = await client.ask(command, streamId=stream, **shown)
            assert answer["definition"] == "unauthorized_access"
        right = await client.ask(command, streamId="s1", token=token("play"))
        assert right["command"] != "error"


@pytest.mark.parametrize("command", sorted(QUESTIONS))
async def test_who_plays_a_stream_may_ask_about_it_without_showing_anything_again(c: Cluster, command: str) -> None:
    await c.go_live()
    await protect(c, playJwtControlEnabled=True, jwtStreamSecretKey=SECRET)
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1", token=token("play")))["type"] == "offer"
        assert (await client.ask(command, streamId="s1"))["command"] != "error"
        await client.send("stop", streamId="s1")
        assert (await client.receive())["definition"] == "play_finished"
        assert (await client.ask(command, streamId="s1"))["definition"] == "unauthorized_access"


async def test_a_question_uses_no_one_time_token_up(c: Cluster) -> None:
    await c.go_live()
    await protect(c, playTokenControlEnabled=True)
    tokens = c.service.core.tokens
    record = await tokens.create(LIVE, StreamId("s1"), Role.PLAY, int(time.time()) + 600)
    async with c.client() as client:
        for _ in range(3):
            answer = await client.ask("getStreamInfo", streamId="s1", token=record.token_id)
            assert answer["command"] == "streamInformation"
        assert (await client.ask("getStreamInfo", streamId="s1", token="x"))["definition"] == "unauthorized_access"
    assert await tokens.find(LIVE, record.token_id) == record


async def test_in_an_open_app_everybody_may_ask(c: Cluster) -> None:
    await c.go_live()
    await protect(c, publishJwtControlEnabled=True, jwtStreamSecretKey=SECRET)
    async with c.client() as client:
        answer = await client.ask("getBroadcastObject", streamId="s1")
    assert answer["definition"] == "broadcastObject"
    assert msgspec.json.decode(answer["broadcast"])["originAdress"] is None


async def test_everybody_is_told_of_the_relay_where_everybody_may_come_in(c: Cluster) -> None:
    await protect(c, **TURN)
    async with c.client() as client:
        told = await client.ask("getIceServerConfig")
    assert told["stunServerUri"] == TURN["stunServerUri"]
    assert told["turnServerUsername"].endswith(":live")
    assert told["turnServerCredential"]


async def test_strangers_are_told_of_no_relay_and_whoever_is_let_in_is(c: Cluster) -> None:
    locks = {"publishJwtControlEnabled": True, "playJwtControlEnabled": True, "jwtStreamSecretKey": SECRET}
    await protect(c, **locks, **TURN)
    async with c.client() as client:
        before = await client.ask("getIceServerConfig")
        assert before == {
            "command": "iceServerConfig",
            "stunServerUri": "stun:relay.example:3478",
            "turnServerUsername": "",
            "turnServerCredential": "",
        }
        assert (await client.ask("publish", streamId="s1", token="x"))["definition"] == "unauthorized_access"

        told = await client.ask("publish", streamId="s1", token=token("publish"))
        assert told["command"] == "iceServerConfig"
        server = ice_server(c.settings_of(LIVE), int(told["turnServerUsername"].partition(":")[0]) - 3_600)
        assert told["turnServerCredential"] == server.credential
        assert (await client.receive())["command"] == "start"
        assert (await client.ask("getIceServerConfig"))["turnServerCredential"]


async def test_who_did_not_ask_for_a_relay_is_not_told_of_one(c: Cluster) -> None:
    locks = {"publishJwtControlEnabled": True, "playJwtControlEnabled": True, "jwtStreamSecretKey": SECRET}
    await protect(c, **locks, **TURN)
    async with c.client() as client:
        assert (await client.ask("publish", streamId="s1", token=token("publish")))["command"] == "start"


async def test_an_app_may_take_only_streams_that_were_created(c: Cluster) -> None:
    await protect(c, acceptOnlyStreamsInDataStore=True)
    await knows(c, "s2")
    async with c.client() as client:
        refused = await client.ask("publish", streamId="s1")
        assert refused["definition"] == "not_allowed_unregistered_streams"
        assert (await client.ask("publish", streamId="s2"))["command"] == "start"


@pytest.mark.parametrize(
    ("window", "open_at"),
    [
        ({"plannedStartDate": 1_000}, {999.0: False, 1_000.0: True}),
        ({"plannedEndDate": 1_000}, {1_000.0: True, 1_001.0: False}),
        ({"expireDurationMS": 5_000, "date": 1_000_000}, {1_005.0: True, 1_005.5: False}),
        ({}, {0.0: True, 1e9: True}),
    ],
)
def test_a_stream_has_its_time(window: dict[str, int], open_at: dict[float, bool]) -> None:
    record = msgspec.convert({"streamId": "s1", **window}, BroadcastRecord)
    for now_s, is_open in open_at.items():
        if is_open:
            check_window(record, now_s)
            continue
        with pytest.raises(RillcastError) as caught:
            check_window(record, now_s)
        assert caught.value.code is ErrorCode.STREAM_NOT_ACTIVE


async def test_a_stream_that_expires_counts_from_when_that_was_set(c: Cluster) -> None:
    async with c.http() as http:
        made = (
            await http.post(
                "/live/rest/v2/broadcasts/create",
                json={"streamId": "s1", "expireDurationMS": 60_000, "plannedEndDate": 4_102_444_800},
            )
        ).json()
        over = {"streamId": "s2", "plannedEndDate": 1}
        assert (await http.post("/live/rest/v2/broadcasts/create", json=over)).status_code == 200
        answer = await http.post("/live/whip/s2", content=OFFER, headers={"Content-Type": "application/sdp"})

    assert made["expireDurationMS"] == 60_000
    assert made["plannedEndDate"] == 4_102_444_800
    assert abs(made["date"] / 1_000 - time.time()) < 60
    assert answer.status_code == 403
    assert "is over" in answer.text


async def whep(c: Cluster, count: int) -> list[int]:
    async with c.stranger(headers={"Content-Type": "application/sdp"}) as http:
        posts = [http.post("/live/whep/s1", content=OFFER) for _ in range(count)]
        return sorted(answer.status_code for answer in await asyncio.gather(*posts))


async def test_a_limit_of_viewers_holds_for_a_crowd_that_comes_at_once(c: Cluster) -> None:
    await c.go_live()
    await protect(c, webRTCViewerLimit=5)
    assert await whep(c, 30) == [201] * 5 + [503] * 25


async def test_a_stream_may_have_a_limit_of_its_own(c: Cluster) -> None:
    await c.go_live()
    await knows(c, webRTCViewerLimit=2)
    assert await whep(c, 6) == [201] * 2 + [503] * 4


def test_who_came_a_moment_ago_counts_until_the_edges_report_it() -> None:
    recent = RecentJoins()
    for now_s in (0.0, 1.0):
        recent.add_connected(LIVE, StreamId("s1"), SessionId(str(now_s)), now_s)
    assert recent.of_app(LIVE, 1.0) == recent.of_stream(LIVE, StreamId("s1"), 1.0) == 2
    assert recent.of_app(LIVE, LAG_S) == 1
    assert recent.of_stream(LIVE, StreamId("s2"), LAG_S) == 0
    assert recent.of_app(LIVE, LAG_S + 1.0) == 0
    assert not len(recent)


def test_who_is_refused_after_all_or_leaves_counts_no_longer() -> None:
    recent = RecentJoins()
    for name in ("one", "one", "two"):
        recent.add_connected(LIVE, StreamId("s1"), SessionId(name), 0.0)

    for name in ("one", "one", "unknown"):
        recent.drop(SessionId(name))

    assert recent.of_app(LIVE, 1.0) == recent.of_stream(LIVE, StreamId("s1"), 1.0) == len(recent) == 1


async def test_viewers_that_are_refused_elsewhere_keep_nobody_out_of_an_app_with_a_limit(c: Cluster) -> None:
    await c.go_live()
    await protect(c, webRTCViewerLimit=2, playTokenControlEnabled=True)
    async with c.http() as http:
        sdp = {"Content-Type": "application/sdp", "Authorization": "Bearer nonsense"}
        answers = [await http.post("/live/whep/s1", content=OFFER, headers=sdp) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {403}


@pytest.mark.parametrize("role", ["whip", "whep"])
async def test_options_name_the_relay_where_everybody_may_come_in(c: Cluster, role: str) -> None:
    await protect(c, **TURN)
    async with c.stranger() as http:
        link = (await http.options(f"/live/{role}/s1")).headers["link"]
    assert link.startswith('<turn:relay.example:3478>; rel="ice-server"; username="')


@pytest.mark.parametrize("role", ["whip", "whep"])
async def test_options_name_the_relay_to_who_shows_a_token_and_to_who_has_a_session(c: Cluster, role: str) -> None:
    await c.go_live()
    kind = "publish" if role == "whip" else "play"
    locks = {"publishJwtControlEnabled": True, "playJwtControlEnabled": True, "jwtStreamSecretKey": SECRET}
    await protect(c, **locks, **TURN)
    path, stranger = f"/live/{role}/s1", '<stun:relay.example:3478>; rel="ice-server"'
    async with c.stranger() as http:

        async def link(path: str, shown: str = "") -> str:
            headers = {"Authorization": f"Bearer {shown}"} if shown else {}
            return (await http.options(path, headers=headers)).headers["link"]

        assert await link(path) == stranger
        assert await link(path, "x") == stranger
        assert await link(path, token(kind, "s2")) == stranger
        assert "credential=" in await link(path, token(kind))
        headers = {"Authorization": f"Bearer {token(kind)}", "Content-Type": "application/sdp"}
        created = await http.post(path, content=OFFER, headers=headers)
        assert "credential=" in created.headers["link"]
        assert "credential=" in await link(created.headers["location"])
        assert await link(created.headers["location"][:-3] + "abc") == stranger


async def test_options_use_no_one_time_token_up_and_name_no_relay_for_it(c: Cluster) -> None:
    await protect(c, publishTokenControlEnabled=True, playTokenControlEnabled=True, **TURN)
    record = await c.service.core.tokens.create(LIVE, StreamId("s1"), Role.PUBLISH, int(time.time()) + 600)
    async with c.stranger() as http:
        answer = await http.options("/live/whip/s1", params={"token": record.token_id})
    assert "credential=" not in answer.headers["link"]
    assert await c.service.core.tokens.find(LIVE, record.token_id) == record


async def test_options_of_an_app_that_is_not_there_name_no_server(c: Cluster) -> None:
    async with c.stranger() as http:
        assert "link" not in (await http.options("/none/whip/s1")).headers
