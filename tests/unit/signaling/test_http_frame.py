"""The frame of all answers: pages of HTML where Ant Media's servlet container answers, headers, slashes, OPTIONS."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest

from services.signaling.rest.domain.negotiation import accepts
from tests.unit.signaling.signaling_harness import Cluster, cluster

ONE = "/live/rest/v2/broadcasts/s1"
MANAGEMENT = "/rest/v2/version"
ORIGIN = {"Origin": "https://tv.example"}
HTML = "text/html;charset=utf-8"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.fixture
async def http(c: Cluster) -> AsyncIterator[httpx.AsyncClient]:
    async with c.http() as client:
        yield client


def is_page(answer: httpx.Response, status: int, words: str) -> bool:
    return (answer.status_code, answer.headers["content-type"]) == (status, HTML) and words in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/rest/v2/none",
        "/rest",
        "/rest/",
        "/live/rest/v2/none",
        "/live/rest/",
        "/live/rest//v2/version",
        f"{ONE}//",
        "/live/rest/v2/broadcasts/list/a/b",
        "/live/rest/v2/broadcasts/list/0/2147483648",
        "/none/rest/v2/version",
        "/live/streams/none.m3u8",
        "/none",
        ONE,
    ],
)
async def test_where_there_is_nothing_a_page_says_so(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert is_page(answer, 404, "Not Found")


@pytest.mark.parametrize("path", ["*", "x", "", "/", "//"])
async def test_what_is_no_path_is_nowhere(c: Cluster, path: str) -> None:
    said: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    head = {"type": "http", "http_version": "1.1", "method": "PATCH", "path": path, "query_string": b"", "headers": []}
    await c.service.asgi({**head, "root_path": "", "client": ("127.0.0.1", 1), "server": None}, receive, send)

    assert said[0]["status"] in (404, 405)
    assert (b"x-frame-options", b"DENY") in said[0]["headers"]


@pytest.mark.parametrize("path", ["/rest/v2/version", "/rest/v2/none", "/rest/none/at/all", "/rest", "/rest/v2/users"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_stranger_learns_of_the_management_not_even_what_there_is(c: Cluster, method: str, path: str) -> None:
    async with c.stranger() as http:
        answer = await http.request(method, path)
    assert is_page(answer, 403, "Not authenticated user")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", ONE, "DELETE,GET,OPTIONS,PUT"),
        ("POST", "/live/rest/v2/version", "GET,OPTIONS"),
        ("PUT", "/rest/v2/user-list", "GET,OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    http: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await http.request(method, path)
    assert is_page(answer, 405, "Method Not Allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"])
async def test_a_body_of_another_type_than_json_is_refused(http: httpx.AsyncClient, given: str) -> None:
    answer = await http.put(ONE, content=b"{}", headers={"Content-Type": given})
    assert is_page(answer, 415, "application/json")


async def test_json_with_a_charset_is_json(http: httpx.AsyncClient) -> None:
    answer = await http.put(ONE, content=b"{}", headers={"Content-Type": "Application/JSON; charset=UTF-8"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("accept", "fits"),
    [
        ("", True),
        ("*/*", True),
        ("application/*", True),
        ("text/html, application/json;q=0.1", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("APPLICATION/JSON", True),
        ("text/html", False),
        ("application/xml, text/*", False),
        ("*/*, application/json;q=0", False),
        ("application/json;q=x", True),
        ("nonsense", False),
    ],
)
async def test_who_does_not_want_json_gets_none(http: httpx.AsyncClient, accept: str, fits: bool) -> None:
    answer = await http.get("/live/rest/v2/version", headers={"Accept": accept})

    assert accepts(accept, "application/json") is fits
    assert answer.status_code == 200 if fits else is_page(answer, 406, "application/json")


async def test_one_slash_at_the_end_is_no_other_address(http: httpx.AsyncClient) -> None:
    answers = [await http.get(f"/live/rest/v2/version{slashes}") for slashes in ("", "/", "//")]
    assert [answer.status_code for answer in answers] == [200, 200, 404]


async def test_only_the_management_and_what_is_nowhere_may_not_be_framed(http: httpx.AsyncClient) -> None:
    paths = [MANAGEMENT, "/rest/v2/none", "/none/rest/v2/version", "/none", ONE, "/live/rest/v2/version"]
    answers = [(await http.get(path)).headers for path in paths]
    assert [headers.get("x-frame-options") for headers in answers] == ["DENY"] * 4 + [None] * 2
    assert {headers["x-content-type-options"] for headers in answers} == {"nosniff"}


@pytest.mark.parametrize("path", [ONE, "/live/rest/v2/none", MANAGEMENT, "/rest/v2/none"])
async def test_preflight_requests_are_answered_and_only_an_apps_rest_is_for_other_sites(c: Cluster, path: str) -> None:
    async with c.stranger() as http:
        alone = await http.options(path)
        from_page = await http.options(path, headers=ORIGIN | {"Access-Control-Request-Method": "PUT"})

    assert (alone.status_code, alone.content) == (from_page.status_code, from_page.content) == (200, b"")
    assert from_page.headers["access-control-allow-methods"] == "HEAD,DELETE,POST,GET,OPTIONS,PUT"
    assert from_page.headers["access-control-max-age"] == "1800"
    assert "access-control-allow-origin" not in alone.headers
    allowed = from_page.headers.get("access-control-allow-origin")
    assert allowed == (None if path.startswith("/rest") else "*")
    assert "access-control-allow-credentials" not in from_page.headers


async def test_an_app_leads_to_its_page(http: httpx.AsyncClient) -> None:
    answers = [await http.get("/live"), await http.get("/live?a=b&c")]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert [answer.headers["location"] for answer in answers] == ["/live/", "/live/?a=b&c"]


async def test_our_own_api_has_no_pages(http: httpx.AsyncClient) -> None:
    missing = await http.get("/rillcast/v1/none")
    wrong = await http.patch("/rillcast/v1/status")
    sent = await http.post("/rillcast/v1/nodes/x/drain", content=b"{}", headers={"Content-Type": "text/plain"})
    assert [answer.status_code for answer in (missing, wrong, sent)] == [404, 405, 415]
    assert missing.json()["message"] == "there is nothing at this address"
    assert HTML not in {answer.headers["content-type"] for answer in (missing, wrong, sent)}
