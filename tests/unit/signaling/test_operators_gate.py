"""Who is let in to REST and status: nobody by default, and each role as far as it reaches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route, WebSocketRoute

from rillcast.contracts.status import EVENTS_PATH, LIVE_PATH, PREVIEW_PATH
from services.signaling.rest.adapters.http_routes import RestRoute
from services.signaling.rest.adapters.tables import TABLES
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.operator_sessions import PASSWORD, add_user, sign_in
from tests.unit.signaling.page_words import words_of
from tests.unit.signaling.signaling_harness import Cluster, cluster

OPEN_ON_PURPOSE = {
    ("POST", "/rest/v2/users/authenticate"),
    ("POST", "/rest/v2/users/initial"),
    ("GET", "/rest/v2/first-login-status"),
    ("GET", "/rest/v2/authentication-status"),
    ("GET", "/rest/v2/users/{email}/blocked"),
    ("GET", "/rest/v2/liveness"),
    ("POST", "/{app}/analytic/events/play"),
    ("POST", "/{app}/analytic/events/watch-time"),
}
FOR_CLIENTS = {
    "/rest/v2/request",
    "/{app}/websocket",
    "/{app}/websocket/signaling",
    "/{elsewhere:path}",
    "/{app}/whip/{stream}",
    "/{app}/whep/{stream}",
    "/{app}/whip/{stream}/{resource}",
    "/{app}/whep/{stream}/{resource}",
    "/",
    "/console",
    "/console/",
    "/operator",
    "/static/{path:path}",
    "/{app}",
    "/{app}/",
    "/{app}/{page}",
    "/{app}/samples/",
    "/{app}/samples/{page}",
    LIVE_PATH,  # `test_rest_live.py` asks it as everybody
    EVENTS_PATH,  # `test_rest_sessions.py` asks it as everybody
    PREVIEW_PATH,  # `test_rest_previews.py` asks it as everybody
}
"""Paths of signaling itself, of the panel's proxy and of the pages, which decide for themselves."""
LOG = {"log_offset": "-1", "chars": "100"}
GUARDED = [row for table in TABLES for row in table.rows if (row.method, row.path) not in OPEN_ON_PURPOSE]


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


def url_of(path: str) -> str:
    values = {"app": "live", "stream": "s1", "email": "ada", "offset": "0", "size": "5"}
    values |= {"milliseconds": "5", "switch": "true", "search": "s1", "file": "s1", "vod": "a", "topic": "news"}
    values |= {"flow": "s1", "segment": "a.ts", "binary": "false"}
    return path.format_map(values | {"subscriber": "ada", "seconds": "60", "kind": "play", "node": "edge-1"} | LOG)


async def test_every_route_is_guarded_or_declared_open(c: Cluster) -> None:
    rows = {(row.method, row.path) for row in GUARDED}
    unknown: list[BaseRoute] = []
    for route in c.service.routes:
        if isinstance(route, RestRoute):
            methods = {(method, route.path) for method in route.methods - {"HEAD"}}
            assert methods <= rows | OPEN_ON_PURPOSE
        elif not (isinstance(route, Route | WebSocketRoute | APIRoute) and route.path in FOR_CLIENTS):
            unknown.append(route)
    assert unknown == []


@pytest.mark.parametrize("row", GUARDED, ids=[f"{row.method} {row.path}" for row in GUARDED])
async def test_nobody_gets_in_without_credentials(c: Cluster, row: Any) -> None:
    async with c.stranger() as http:
        answer = await http.request(row.method, url_of(row.path), json={} if row.method != "GET" else None)
        head = await http.head(url_of(row.path))

    assert (answer.status_code, words_of(answer)) == (403, "Not authenticated user")
    assert head.status_code in ((403,) if row.method == "GET" else (403, 405))


@pytest.mark.parametrize(
    "path",
    [
        "//rest/v2/version",
        "/rest//v2/version",
        "/rest/v2/version/",
        "/rest/v2/./version",
        "/live/../rest/v2/version",
        "/%72est/v2/version",
        "/rest%2Fv2%2Fversion",
        "/rest/v2/version%00",
        "/rest/v2/version.",
        "/rest/v2/version;a=b",
        "/live/%2e%2e/rest/v2/version",
        "/rillcast/v1//status",
        "/static/../rest/v2/version",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PATCH", "TRACE", "QUERY"])
async def test_no_spelling_of_a_path_leads_past_the_guard(c: Cluster, path: str, method: str) -> None:
    async with c.stranger() as http:
        answer = await http.request(method, httpx.URL("http://127.0.0.1:5080").copy_with(raw_path=path.encode()))

    assert answer.status_code in (403, 404, 405) or (method == "OPTIONS" and answer.content == b"")
    assert "versionName" not in answer.text and "nodes" not in answer.text


async def test_a_websocket_on_a_path_of_rest_is_not_upgraded(c: Cluster) -> None:
    for path in ("/rest/v2/version", "/rillcast/v1/status", "/live/rest/v2/broadcasts/s1"):
        with pytest.raises(Exception, match=r"40[34]|denied|refused|closed"):
            async with c.client(path):
                pass


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Client-IP"]
)
async def test_what_an_unknown_proxy_sends_on_is_refused_whatever_it_shows(c: Cluster, header: str) -> None:
    async with c.http() as http:
        for value in ("127.0.0.1", "for=127.0.0.1", "", "203.0.113.77, 127.0.0.1"):
            answer = await http.get("/rillcast/v1/status", headers={header: value})
            assert (answer.status_code, "RILLCAST_SIGNALING_TRUSTED_PROXIES" in answer.text) == (403, True)


async def test_a_trusted_proxy_needs_an_operator_all_the_same() -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.77"}
    async with cluster(trusted_proxies="127.0.0.1") as c, c.http() as http, c.stranger() as stranger:
        assert (await http.get("/rest/v2/version", headers=forwarded)).status_code == 200
        assert words_of(await stranger.get("/rest/v2/version", headers=forwarded)) == "Not authenticated user"


async def test_the_list_of_addresses_only_narrows() -> None:
    async with cluster(remote_allowed_cidr="127.0.0.1") as c, c.stranger() as http:
        assert words_of(await http.get("/rest/v2/version")) == "Not authenticated user"


async def test_the_filter_of_an_app_only_narrows(c: Cluster) -> None:
    settings = "/rest/v2/applications/settings/live"
    async with c.http() as http, c.stranger() as stranger:
        await http.post(settings, json={"ipFilterEnabled": True, "remoteAllowedCIDR": "192.0.2.0/24"})
        shut = await http.get("/live/rest/v2/version")
        await http.post(settings, json={"remoteAllowedCIDR": "127.0.0.1"})
        opened = await http.get("/live/rest/v2/version")
        unknown = await stranger.get("/live/rest/v2/version")
    assert (shut.status_code, words_of(shut)) == (403, "Not allowed IP")
    assert opened.status_code == 200
    assert words_of(unknown) == "Not authenticated user"


async def test_a_session_is_taken_only_under_a_name_of_this_server(c: Cluster) -> None:
    async with sign_in(c) as http:
        for host in ("127.0.0.1:5080", "[::1]:5080", "localhost", "tv.localhost:80", "192.0.2.7"):
            assert (await http.get("/rest/v2/version", headers={"Host": host})).status_code == 200, host
        for host in ("evil.example", "evil.example:5080", "localhost.evil.example", "127.0.0.1.evil.example", ""):
            answer = await http.get("/rest/v2/version", headers={"Host": host})
            assert (answer.status_code, "RILLCAST_SIGNALING_ALLOWED_HOSTS" in answer.text) == (403, True), host


async def test_names_may_be_added_and_a_trusted_proxy_answers_for_its_own() -> None:
    async with cluster(allowed_hosts="live.example.com") as c, sign_in(c) as http:
        assert (await http.get("/rest/v2/version", headers={"Host": "LIVE.example.com:443"})).status_code == 200
    async with cluster(trusted_proxies="127.0.0.1") as c, sign_in(c) as http:
        assert (await http.get("/rest/v2/version", headers={"Host": "whatever.example"})).status_code == 200


SETTINGS = "/rest/v2/applications/settings/live"


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"Origin": "https://evil.example"}, "a page of another site sent this"),
        ({"Origin": "null"}, "a page of another site sent this"),
        ({"Origin": "http://127.0.0.1:8001"}, "a page of another site sent this"),
        ({"Sec-Fetch-Site": "cross-site"}, "a page of another site sent this"),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:5080"}, "a page of another site sent this"),
        ({"Content-Type": "text/plain"}, "application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "application/json"),
        ({"Content-Type": ""}, "does not say of which type"),
    ],
)
async def test_another_sites_page_changes_nothing_with_somebodys_session(
    c: Cluster, headers: dict[str, str], refusal: str
) -> None:
    async with sign_in(c) as http:
        answer = await http.post(
            SETTINGS, content=b'{"webRTCViewerLimit":5}', headers={"Content-Type": "application/json", **headers}
        )
    assert answer.status_code in (403, 415)
    assert refusal in answer.text
    assert c.settings_of(LIVE).web_rtc_viewer_limit == -1


async def test_our_own_page_does(c: Cluster) -> None:
    async with sign_in(c) as http:
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:5080"}, {}):
            assert (await http.post(SETTINGS, json={"webRTCViewerLimit": 5}, headers=headers)).status_code == 200


async def test_signing_in_is_not_for_other_sites_pages(c: Cluster) -> None:
    body = {"email": "admin", "password": PASSWORD}
    async with c.stranger() as http:
        cross = await http.post("/rest/v2/users/authenticate", json=body, headers={"Origin": "https://evil.example"})
        plain = await http.post("/rest/v2/users/authenticate", content=b"{}", headers={"Content-Type": "text/plain"})
        host = await http.post("/rest/v2/users/authenticate", json=body, headers={"Host": "evil.example"})
    assert (cross.status_code, plain.status_code, host.status_code) == (403, 415, 403)


@pytest.mark.parametrize(
    ("path", "sites"),
    [("/rest/v2/version", None), ("/rillcast/v1/status", None), ("/live/rest/v2/broadcasts/list/0/5", "*")],
)
async def test_other_sites_may_read_of_rest_only_an_apps_and_nothing_by_a_cookie(
    c: Cluster, path: str, sites: str | None
) -> None:
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    async with c.http() as http:
        for method in ("GET", "OPTIONS"):
            answer = await http.request(method, path, headers=origin)
            assert answer.headers.get("access-control-allow-origin") == sites
            assert "access-control-allow-credentials" not in answer.headers


ROLES = {
    "ADMIN": {"read": 200, "settings": 200, "broadcast": 200, "users": 200, "list": 200},
    "USER": {"read": 200, "settings": 403, "broadcast": 200, "users": 403, "list": 200},
    "READ_ONLY": {"read": 200, "settings": 403, "broadcast": 403, "users": 403, "list": 200},
}


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_of_the_server_reaches_so_far(c: Cluster, role: str) -> None:
    async with c.http() as admin:
        await add_user(admin, "ada", appNameUserType={"system": role})
    async with sign_in(c, "ada") as http:
        reached = {
            "read": (await http.get("/rillcast/v1/status")).status_code,
            "settings": (await http.post(SETTINGS, json={"webRTCViewerLimit": 5})).status_code,
            "broadcast": (await http.post("/live/rest/v2/broadcasts/create", json={"streamId": "x"})).status_code,
            "users": (await http.delete("/rest/v2/users/nobody")).status_code,
            "list": (await http.get("/rest/v2/user-list")).status_code,
        }
    assert reached == ROLES[role]


async def test_a_role_of_an_app_reaches_no_further_than_the_app(c: Cluster) -> None:
    async with c.http() as admin:
        await add_user(admin, "ada", appNameUserType={"LiveApp": "ADMIN", "live": "READ_ONLY"})
    async with sign_in(c, "ada") as http:
        asked = {
            "own settings": await http.post("/rest/v2/applications/settings/LiveApp", json={"webRTCViewerLimit": 5}),
            "others' settings": await http.get("/rest/v2/applications/settings/WebRTCAppEE"),
            "settings only read": await http.post(SETTINGS, json={"webRTCViewerLimit": 5}),
            "create": await http.post("/LiveApp/rest/v2/broadcasts/create", json={"streamId": "x"}),
            "only read": await http.get("/live/rest/v2/broadcasts/list/0/5"),
            "not create": await http.post("/live/rest/v2/broadcasts/create", json={"streamId": "x"}),
            "no app": await http.get("/none/rest/v2/broadcasts/list/0/5"),
            "status": await http.get("/rillcast/v1/status"),
            "users": await http.get("/rest/v2/user-list"),
        }
    assert {name: answer.status_code for name, answer in asked.items()} == {
        "own settings": 200,
        "others' settings": 403,
        "settings only read": 403,
        "create": 200,
        "only read": 200,
        "not create": 403,
        "no app": 403,
        "status": 403,
        "users": 403,
    }
    assert asked["status"].text == "Not allowed to access this resource. Contact system admin"
