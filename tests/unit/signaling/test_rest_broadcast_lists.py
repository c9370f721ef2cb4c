"""Lists of broadcasts, deletions of many and subtracks by REST, as Ant Media's clients know them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.signaling.broadcast_calls import ROOT, create, listed, show
from tests.unit.signaling.signaling_harness import Cluster, cluster

DELETED = {"success": True, "message": "broadcast is deleted but could not stopped ", "dataId": "", "errorId": 0}


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.fixture
async def http(c: Cluster) -> AsyncIterator[httpx.AsyncClient]:
    async with c.http() as client:
        yield client


async def test_lists_are_searched_sorted_filtered_and_paged(c: Cluster, http: httpx.AsyncClient) -> None:
    for stream, name, kind in (("b", "Zebra", "VoD"), ("a", None, "liveStream"), ("c", "apple", "liveStream")):
        await create(http, stream, name=name, type=kind)
    await c.go_live("d", name="Mango", started_at_ms=5)
    assert await listed(http) == ["a", "b", "c", "d"]
    assert await listed(http, "?order_by=desc") == ["d", "c", "b", "a"]
    assert await listed(http, "?sort_by=name") == ["a", "d", "b", "c"]
    assert (await listed(http, "?sort_by=date"))[0] == "d"
    assert (await listed(http, "?sort_by=status&order_by=asc"))[0] == "d"
    assert await listed(http, "?search=ZEB") == ["b"]
    assert await listed(http, "?search=D") == ["d"]
    assert await listed(http, "?search=.*") == []
    assert await listed(http, "?search=%20") == ["a", "b", "c", "d"]
    assert await listed(http, "?type_by=VoD") == ["b"]
    assert await listed(http, "?sort_by=junk&order_by=junk", "1/2") == ["b", "c"]
    assert await listed(http, page="-1/0") == []
    counts = [(await http.get(f"{ROOT}/{path}")).json() for path in ("count", "count/APP", "active-live-stream-count")]
    assert counts == [{"number": 4}, {"number": 1}, {"number": 1}]


async def test_a_list_follows_every_change(http: httpx.AsyncClient) -> None:
    await create(http, "a", "b", "c", name="x")
    await http.put(f"{ROOT}/b", json={"name": "a", "mainTrackStreamId": "m"})
    await http.delete(f"{ROOT}/c")
    assert await listed(http, "?sort_by=name") == ["b", "a"]
    assert await listed(http, "?search=x") == ["a"]


async def test_many_are_deleted_up_to_the_first_that_is_unknown(http: httpx.AsyncClient) -> None:
    streams = [f"s{number}" for number in range(8)]
    await create(http, *streams)
    assert (await http.delete(f"{ROOT}?ids=s0,s1")).json() == DELETED
    assert (await http.delete(f"{ROOT}/?ids=s2,none,s3")).json()["success"] is False
    assert (await http.request("DELETE", ROOT, json=["s4", "s5"])).json() == DELETED
    assert await listed(http) == ["s3", "s6", "s7"]
    for nothing in ("", "?ids=", "?ids=%20"):
        assert (await http.delete(f"{ROOT}{nothing}")).json()["message"] == "ids parameter is blank"


async def test_a_live_one_among_many_is_stopped(c: Cluster, http: httpx.AsyncClient) -> None:
    await create(http, "s1", "s2")
    await c.go_live("s1")
    answer = await http.delete(f"{ROOT}?ids=s2,s1")
    assert answer.json()["message"] == "broadcast is deleted and stopped successfully"
    assert [closed.session for closed in c.origin.closed] == ["p"]


async def test_subtracks_are_attached_listed_limited_and_taken_away(c: Cluster, http: httpx.AsyncClient) -> None:
    await create(http, "main", subtracksLimit=2)
    await create(http, "a", "b", "x", role="host")

    async def add(sub: str, main: str = "main", method: str = "POST") -> tuple[bool, str]:
        answer = (await http.request(method, f"{ROOT}/{main}/subtrack?id={sub}")).json()
        return answer["success"], answer["message"]

    assert [await add("a"), await add("a"), await add("b")] == [(True, "")] * 3
    assert not (await add("x"))[0]
    assert await add("none") == (False, "There is no stream with id:none as subtrack or main as mainTrack")
    assert await add("a", "none") == (False, "There is no stream with id:a as subtrack or none as mainTrack")
    await c.go_live("b")

    async def subtracks(path: str) -> list[str]:
        return [one["streamId"] for one in (await http.get(f"{ROOT}/main/{path}")).json()]

    assert await subtracks("subtracks/0/10") == ["a", "b"]
    assert await subtracks("subtracks/0/10?role=host") == ["a", "b"]
    assert await subtracks("subtracks/0/10?role=guest") == []
    assert await subtracks("active-subtracks/0/10") == ["b"]
    assert (await http.get(f"{ROOT}/main/active-subtracks-count")).json() == {"number": 1}
    assert (await http.get(f"{ROOT}/none/active-subtracks-count")).status_code == 404
    assert await add("a", method="DELETE") == (True, "")
    assert await add("a", method="DELETE") == (False, "Main track of the stream a which is main cannot be updated")
    assert (await http.post(f"{ROOT}/main/subtrack")).status_code == 400


@pytest.mark.parametrize(
    ("query", "left"), [("", []), ("?deleteSubtracks=true", []), ("?deleteSubtracks=false", ["a"])]
)
async def test_subtracks_go_with_their_main_track(http: httpx.AsyncClient, query: str, left: list[str]) -> None:
    await create(http, "main")
    await create(http, "a", mainTrackStreamId="main")
    await http.delete(f"{ROOT}/main{query}")
    assert await listed(http) == left


@pytest.mark.parametrize(
    ("query", "words"),
    [("", None), ("?onDuplicate=skip", ["skipped", "created"]), ("?onDuplicate=overwrite", ["overridden", "created"])],
)
async def test_a_list_of_broadcasts_is_created_whole_or_not_at_all(
    http: httpx.AsyncClient, query: str, words: list[str] | None
) -> None:
    await create(http, "a", name="old")
    body = [{"streamId": "a", "name": "new"}, {"streamId": "b"}]
    answer = await http.post(f"{ROOT}/create-list{query}", json=body)
    if words is None:
        assert answer.status_code == 400
        assert await listed(http) == ["a"]
    else:
        assert [one["message"] for one in answer.json()] == words
        assert (await show(http, "a"))["name"] == ("new" if "overwrite" in query else "old")


async def test_a_limit_of_subtracks_holds_however_one_is_attached(http: httpx.AsyncClient) -> None:
    await create(http, "main", subtracksLimit=1)
    await create(http, "a", mainTrackStreamId="main")
    await create(http, "x")
    full = "main has as many subtracks as it may have: 1"

    created = await http.post(f"{ROOT}/create", json={"streamId": "b", "mainTrackStreamId": "main"})
    listed_one = (await http.post(f"{ROOT}/create-list", json=[{"streamId": "c", "mainTrackStreamId": "main"}])).json()
    changed = (await http.put(f"{ROOT}/x", json={"mainTrackStreamId": "main"})).json()

    assert (created.status_code, created.json()["message"]) == (400, f"{full}. Nothing was created.")
    assert [(one["success"], one["message"]) for one in listed_one] == [(False, f"failed: {full}")]
    assert (changed["success"], changed["message"]) == (False, f"{full}. Nothing was changed.")
    assert await listed(http) == ["a", "main", "x"]
    assert (await http.put(f"{ROOT}/a", json={"mainTrackStreamId": "main", "name": "A"})).json()["success"]


@pytest.mark.parametrize("main", ["http://192.0.2.1/", "\ud83d\ude00", "a b", "..", "x" * 256])
async def test_a_main_track_that_no_broadcast_can_be_is_kept_as_it_is(http: httpx.AsyncClient, main: str) -> None:
    await create(http, "b")
    body = json.dumps({"mainTrackStreamId": main})
    answers = [
        await http.post(f"{ROOT}/create", content=json.dumps({"streamId": "a", "mainTrackStreamId": main})),
        await http.put(f"{ROOT}/b", content=body),
    ]
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    assert answers[0].json()["mainTrackStreamId"] == (await show(http, "b"))["mainTrackStreamId"]


async def test_no_broadcast_is_its_own_main_track(http: httpx.AsyncClient) -> None:
    await create(http, "a")
    await create(http, "b", mainTrackStreamId="a")
    await create(http, "c", mainTrackStreamId="b")
    for sub, main in (("a", "a"), ("a", "b"), ("a", "c"), ("b", "c")):
        attached = (await http.post(f"{ROOT}/{main}/subtrack?id={sub}")).json()
        changed = (await http.put(f"{ROOT}/{sub}", json={"mainTrackStreamId": main})).json()
        for answer in (attached, changed):
            assert not answer["success"]
            assert f"{main} is {sub}, or belongs to it" in answer["message"]
    created = await http.post(f"{ROOT}/create", json={"streamId": "d", "mainTrackStreamId": "d"})
    assert created.status_code == 400
    assert (await show(http, "a"))["mainTrackStreamId"] is None
