"""The panel's proxy: it leads to the REST of apps, by the guards of its rows, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest

from services.signaling.rest.adapters.http_proxy import NO_APP_REST, NO_PATH, handed_on, target
from services.signaling.rest.domain.refusal import Refused
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import Cluster, cluster

PROXY = "/rest/v2/request"
SETTINGS = "/rest/v2/applications/settings/live"
ROOT = "live/rest/v2/broadcasts"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster(apps="live,other") as running:
        yield running


@pytest.mark.parametrize(
    ("query", "path", "rest"),
    [
        (b"_path=live/rest/v2/version", "/live/rest/v2/version", b""),
        (b"_path=%2Flive%2Frest%2Fv2%2Fversion&a=b%20c&d", "/live/rest/v2/version", b"a=b%20c&d"),
        (b"a=1&_path=live/rest/x%3Fc%3D2&b=3", "/live/rest/x", b"c=2&a=1&b=3"),
        (b"_path=live/rest/x?c=2", "/live/rest/x", b"c=2"),
        (b"_path=live/rest/a%2520b", "/live/rest/a%20b", b""),
        (b"_path=live/rest/a+b", "/live/rest/a b", b""),
        (b"_path=live/rest/x&_path=other/rest/x", "/live/rest/x", b"_path=other/rest/x"),
        (b"_path=live/rest/\xff%ff", "/live/rest/ÿ\ufffd", b""),
    ],
)
def test_a_query_names_a_path_and_the_query_that_goes_with_it(query: bytes, path: str, rest: bytes) -> None:
    assert target(query) == (path, rest)


@pytest.mark.parametrize("query", [b"", b"a=b", b"_path", b"_path=", b"path=live/rest/x"])
def test_without_a_path_it_says_so(query: bytes) -> None:
    with pytest.raises(Refused) as refused:
        target(query)
    assert refused.value.refusal == NO_PATH


@pytest.mark.parametrize(
    "path",
    [
        *("rest/v2/version", "rest/v2/request?_path=live/rest/v2/version", "rillcast/v1/status", "/", "//", "live"),
        *("live/", "live/streams/s1.m3u8", "live/websocket", "live/whip/s1", "operator", "http://192.0.2.1/rest/v2/x"),
        *(
            "//192.0.2.1/rest/x",
            "../rest/v2/version",
            "live/../rest/v2/version",
            "live//rest/v2/version",
            "%2e%2e/rest",
        ),
        *("live%2Fwhip/s1", "a b/rest/x", "live/Rest/v2/version", f"live/rest/{'x' * 5_000}"),
    ],
)
def test_it_leads_nowhere_else(path: str) -> None:
    with pytest.raises(Refused) as refused:
        handed_on({"type": "http", "path": PROXY, "query_string": f"_path={quote(path, safe='')}".encode()})
    assert refused.value.refusal == NO_APP_REST


async def test_all_methods_bodies_and_queries_go_on_and_answers_come_back(c: Cluster) -> None:
    async with c.http() as http:
        made = await http.post(PROXY, params={"_path": f"{ROOT}/create"}, json={"streamId": "s1"})
        changed = await http.put(PROXY, params={"_path": f"/{ROOT}/s1"}, json={"webRTCViewerLimit": 7})
        shown = await http.get(PROXY, params={"_path": f"{ROOT}/s1"})
        head = await http.head(PROXY, params={"_path": f"{ROOT}/s1"})
        listed = await http.get(PROXY, params={"_path": f"{ROOT}/list/0/1", "search": "nobody"})
        gone = await http.delete(PROXY, params={"_path": f"{ROOT}/s1"})
        missing = await http.get(PROXY, params={"_path": f"{ROOT}/s1"})
        straight = await http.get(f"/{ROOT}/s1")
        wrong = await http.patch(PROXY, params={"_path": f"{ROOT}/s1"})
        bad = await http.put(PROXY, params={"_path": f"{ROOT}/s1"}, content=b"{")

    assert (made.status_code, made.json()["streamId"]) == (200, "s1")
    assert changed.json()["success"]
    assert shown.json()["webRTCViewerLimit"] == 7
    assert (head.status_code, head.content) == (200, b"")
    assert listed.status_code == 200
    assert gone.json()["success"]
    assert (missing.status_code, missing.content) == (straight.status_code, straight.content)
    assert (missing.status_code, wrong.status_code, bad.status_code) == (404, 405, 400)
    assert wrong.headers["allow"] == "DELETE,GET,OPTIONS,PUT"


async def test_strangers_learn_nothing_whatever_the_path(c: Cluster) -> None:
    async with c.stranger() as http:
        for path in (f"{ROOT}/count", "rest/v2/version", ""):
            answer = await http.get(PROXY, params={"_path": path})
            assert answer.status_code == 403
            assert "Not authenticated user" in answer.text


async def test_each_role_reaches_as_far_as_without_it(c: Cluster) -> None:
    async with c.http() as operator:
        await add_user(operator, "live", appNameUserType={"live": "USER"})
        await add_user(operator, "look", appNameUserType={"live": "READ_ONLY"})
    for name, may_create in (("live", 200), ("look", 403)):
        async with sign_in(c, name) as http:
            assert (await http.get(PROXY, params={"_path": f"{ROOT}/count"})).status_code in (200, 404)
            other = await http.get(PROXY, params={"_path": "other/rest/v2/version"})
            created = await http.post(PROXY, params={"_path": f"{ROOT}/create"}, json={"streamId": f"by-{name}"})
            assert (other.status_code, created.status_code) == (403, may_create)


async def test_pages_of_other_sites_send_nothing_through_it(c: Cluster) -> None:
    async with sign_in(c) as http:
        answer = await http.post(
            PROXY,
            params={"_path": f"{ROOT}/create"},
            json={"streamId": "x"},
            headers={"Origin": "https://evil.example"},
        )
        assert answer.status_code == 403
        assert "another site" in answer.text


async def test_an_apps_networks_take_it_for_this_server(c: Cluster) -> None:
    async def version(http: httpx.AsyncClient) -> int:
        return (await http.get(PROXY, params={"_path": "live/rest/v2/version"})).status_code

    async def lets_in(http: httpx.AsyncClient, cidr: str) -> int:
        await http.post(SETTINGS, json={"ipFilterEnabled": True, "remoteAllowedCIDR": cidr})
        await c.sees(lambda: c.settings_of(LIVE).remote_allowed_cidr == cidr)
        return await version(http)

    async with c.http() as http:
        assert await lets_in(http, "192.0.2.0/24") == 403
        assert await lets_in(http, "127.0.0.1") == 200
