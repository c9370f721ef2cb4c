"""Sub-tracks as sockets are told of them: those that REST made with `mainTrackStreamId`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from tests.unit.signaling.signaling_harness import Client, Cluster, cluster

ROOT = "/live/rest/v2/broadcasts"
SECRETS = {
    "username": "ada",
    "password": "secret",
    "ipAddr": "camera.example",
    "listenerHookURL": "http://hook.example/?key=secret",
}


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.fixture
async def http(c: Cluster) -> AsyncIterator[httpx.AsyncClient]:
    async with c.http() as client:
        yield client


async def create(http: httpx.AsyncClient, *streams: str, **fields: Any) -> None:
    for stream in streams:
        answer = await http.post(f"{ROOT}/create", json={"streamId": stream, **fields})
        assert answer.status_code == 200, answer.text


async def subtracks(client: Client, **asked: Any) -> list[dict[str, Any]]:
    frame = await client.ask("getSubtracks", streamId="main", **asked)
    assert (frame["definition"], frame["streamId"]) == ("subtrackList", "main")
    return [msgspec.json.decode(one) for one in frame["subtrackList"]]


async def ids(client: Client, **asked: Any) -> list[str]:
    return [one["streamId"] for one in await subtracks(client, **asked)]


async def test_a_page_of_them_is_as_it_is_asked_for(c: Cluster, http: httpx.AsyncClient) -> None:
    await create(http, "main", "alone")
    await create(http, "a", name="Zebra", role="speaker", mainTrackStreamId="main")
    await create(http, "b", name="apple", role="attendee", mainTrackStreamId="main")
    await create(http, "c", role="speaker", mainTrackStreamId="main")
    await c.go_live("c")
    async with c.client() as client:
        assert await ids(client) == ["a", "b", "c"]
        assert await ids(client, offset=1, size=1) == ["b"]
        assert await ids(client, role="speaker") == ["a", "c"]
        assert await ids(client, status="broadcasting") == ["c"]
        assert await ids(client, search="ZEB") == ["a"]
        assert await ids(client, sortBy="name") == ["c", "a", "b"]
        assert await ids(client, sortBy="date", orderBy="desc") == ["c", "b", "a"]
        assert await ids(client, sortBy="status") == ["c", "a", "b"]
        for asked, count in (({}, 3), ({"role": "speaker"}, 2), ({"status": "created"}, 2)):
            frame = await client.ask("getSubtracksCount", streamId="main", **asked)
            assert (frame["definition"], frame["count"]) == ("subtrackCount", count)
        whole = msgspec.json.decode((await client.ask("getBroadcastObject", streamId="main"))["broadcast"])
        assert whole["subTrackStreamIds"] == ["a", "b", "c"]
        assert (await client.ask("getSubtracks", streamId="alone"))["subtrackList"] == []


async def test_a_main_track_need_not_exist(c: Cluster, http: httpx.AsyncClient) -> None:
    async with c.client() as client:
        assert (await client.ask("getSubtracks", streamId="main"))["definition"] == "no_stream_exist"
        await create(http, "a", mainTrackStreamId="main")
        assert await ids(client) == ["a"]
        assert (await client.ask("getSubtracksCount", streamId="main"))["count"] == 1
        await http.delete(f"{ROOT}/a")
        assert (await client.ask("getSubtracksCount", streamId="main"))["definition"] == "no_stream_exist"


async def test_clients_are_told_no_passwords_and_no_addresses_of_servers(c: Cluster, http: httpx.AsyncClient) -> None:
    await create(http, "a", mainTrackStreamId="main", **SECRETS)
    await create(http, "main", **SECRETS)
    async with c.client() as client:
        whole = msgspec.json.decode((await client.ask("getBroadcastObject", streamId="main"))["broadcast"])
        for shown in (*await subtracks(client), whole):
            told = {key: shown[key] for key in (*SECRETS, "originAdress", "rtmpURL", "streamUrl")}
            assert set(told.values()) == {None}, told


async def test_a_page_fits_into_what_a_client_can_take(c: Cluster, http: httpx.AsyncClient) -> None:
    for number in range(40):
        await create(http, f"s{number:02}", mainTrackStreamId="main", metaData="\u65e5" * 5_000)
    async with c.client() as client:
        found: list[str] = []
        while page := await ids(client, offset=len(found)):
            assert len(page) < 20
            found += page
    assert found == [f"s{number:02}" for number in range(40)]
