"""`GET /rillcast/v1/sessions`: the last joins and their fates."""

from __future__ import annotations

from typing import Any

import pytest

from rillcast.contracts.messages import NodeLeft
from rillcast.contracts.words import EndReason, NodeKind, SessionState
from rillcast.testing.eventually import eventually
from tests.unit.signaling.fake_nodes import ANSWER
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import Cluster, cluster

PATH = "/rillcast/v1/sessions"


async def joins(c: Cluster, many: int, **asked: Any) -> list[dict[str, Any]]:
    """What is listed, once there are so many."""

    async def look() -> tuple[list[dict[str, Any]]]:
        found: list[dict[str, Any]] = (await http.get(PATH, params=asked)).json()
        assert len(found) == many, found
        return (found,)

    async with c.http() as http:
        (found,) = await eventually(look, 5.0, f"{many} joins")
    listed: list[dict[str, Any]] = found
    return listed


async def asks_for_tokens(c: Cluster) -> None:
    async with c.http() as http:
        settings = {"publishTokenControlEnabled": True}
        assert (await http.post("/rest/v2/applications/settings/live", json=settings)).json()["success"]


async def test_a_viewer_is_listed_while_it_watches_and_afterwards_with_why_it_left() -> None:
    async with cluster() as c, c.client() as viewer:
        await c.go_live()
        edge, session = await viewer.play(c)
        (watching,) = await joins(c, 1)
        assert (watching["state"], watching["app"], watching["stream"]) == ("live", "live", "s1")
        assert (watching["node"], watching["instance"]) == (edge.name, "signaling-1")
        assert watching["askedMs"] <= watching["openedMs"] <= watching["connectedMs"]
        assert watching["mediaMs"] is None

        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.DTLS_CLOSED)
        (left,) = await joins(c, 1, state="over")

    assert (left["reason"], left["id"]) == ("dtls_closed", watching["id"])
    assert session not in str(left)


async def test_who_is_refused_is_listed_with_the_code() -> None:
    async with cluster() as c, c.client() as client:
        await asks_for_tokens(c)
        assert (await client.ask("publish", streamId="s1"))["command"] == "error"
        (refused,) = await joins(c, 1, state="refused")

    assert (refused["role"], refused["stream"], refused["node"]) == ("publish", "s1", "")
    assert refused["reason"] == "unauthorized_access"


@pytest.mark.parametrize("asked", [{"app": "none"}, {"stream": "none"}, {"role": "publish"}, {"state": "failed"}])
async def test_joins_are_found_by_what_is_asked(asked: dict[str, str]) -> None:
    async with cluster() as c, c.client() as viewer:
        await c.go_live()
        await viewer.play(c)
        await joins(c, 1)

        assert await joins(c, 0, **asked) == []


async def test_lists_come_in_pages_the_newest_first() -> None:
    async with cluster() as c, c.client() as client:
        await asks_for_tokens(c)
        for number in range(4):
            assert (await client.ask("publish", streamId=f"s{number}"))["command"] == "error"
        everything = await joins(c, 4)
        assert [one["stream"] for one in everything] == ["s3", "s2", "s1", "s0"]
        async with c.http() as http:
            page = (await http.get(PATH, params={"offset": 1, "size": 2})).json()

    assert page == everything[1:3]


async def test_a_state_that_there_is_not_is_refused_in_words() -> None:
    async with cluster() as c, c.http() as http:
        answer = await http.get(PATH, params={"state": "asleep"})

    assert answer.status_code == 400
    assert "state must be one of live, over" in answer.json()["message"]


@pytest.mark.parametrize("path", [PATH, "/rillcast/v1/events"])
async def test_strangers_see_nothing_and_operators_of_an_app_neither(path: str) -> None:
    async with cluster() as c, c.http() as http:
        await add_user(http, "eve", scope="live", userType="ADMIN", appNameUserType={"live": "ADMIN"})
        async with c.stranger() as stranger:
            assert (await stranger.get(path)).status_code == 403
        async with sign_in(c, "eve") as of_app:
            assert (await of_app.get(path)).status_code == 403


async def test_who_may_only_look_may_look() -> None:
    async with cluster() as c, c.http() as http:
        await add_user(http, "vic", scope="system", userType="READ_ONLY", appNameUserType={"system": "READ_ONLY"})
        async with sign_in(c, "vic") as looking:
            assert (await looking.get(PATH)).status_code == 200


@pytest.mark.parametrize("bad", ["x", "1", "1-", "-1", "1-1-1", "9" * 30 + "-0"])
async def test_an_id_that_nobody_gave_out_is_refused(bad: str) -> None:
    async with cluster() as c, c.http() as http:
        answer = await http.get("/rillcast/v1/events", headers={"Last-Event-ID": bad})

    assert answer.status_code == 400
    assert "is no id of an event" in answer.json()["message"]


async def test_what_events_cannot_be_asked_for_is_refused_by_name() -> None:
    async with cluster() as c, c.http() as http:
        answer = await http.get("/rillcast/v1/events", params={"kind": "viewer.joined"})

    assert answer.status_code == 400
    assert "'kind' is nothing that events can be asked for" in answer.json()["message"]


async def test_joins_are_found_by_when_they_were_there() -> None:
    async with cluster() as c, c.client() as viewer:
        await c.go_live()
        await viewer.play(c)
        (one,) = await joins(c, 1)
        asked = one["askedMs"]

        assert await joins(c, 1, since=asked, until=asked) == [one]
        assert await joins(c, 1, since=asked + 60_000) == [one], "it is still there"
        assert await joins(c, 0, until=asked - 1) == []


async def test_while_it_is_not_known_what_has_happened_nothing_is_listed_as_if_there_were_nothing() -> None:
    async with cluster() as c, c.http() as http:
        c.service.core.happens.feed._begun = False
        answer = await http.get(PATH)

    assert answer.status_code == 503
    assert "what has happened cannot be read yet" in answer.json()["message"]


async def test_a_viewer_whose_edge_dies_stays_one_join_that_says_from_where_and_when_it_moved() -> None:
    async with cluster() as c, c.client() as viewer:
        await c.go_live()
        edge, first = await viewer.play(c)
        (other,) = (one for one in c.edges if one is not edge)
        await joins(c, 1)
        c.host.directory.left(NodeLeft(node=edge.name, kind=NodeKind.EDGE))
        await c.sees(lambda: other.played)
        session = other.played[-1].session
        assert (await viewer.receive())["type"] == "offer"
        await viewer.send("takeConfiguration", streamId="s1", type="answer", sdp=ANSWER)
        await c.sees(lambda: other.answers)
        await other.tell(session, state=SessionState.CONNECTED)

        async def moved() -> list[dict[str, Any]]:
            found = await joins(c, 1, node=edge.name)
            assert found[0]["node"] == other.name
            return found

        (one,) = await eventually(moved, 5.0, "the move")

    assert (one["state"], one["moves"], len(one["trail"])) == ("live", 1, 1)
    (move,) = one["trail"]
    assert (move["left"], move["why"], move["node"]) == (edge.name, "node_gone", other.name)
    assert move["atMs"] <= move["backMs"]
    assert not {first, session} & set(str(one).split("'"))
