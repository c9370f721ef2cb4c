"""What the management panels of Ant Media ask of a server, page by page, over real sockets and with a session.

The panels themselves are not here. Their calls are: of the older one, which is written in Angular, and of the newer
one. They are sent as the panels send them, and each answer has what the panel reads of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from rillcast.contracts.messages import MachineMemory
from tests.integration.signaling.wire import WireCluster, wire_cluster
from tests.unit.signaling.signaling_harness import PASSWORD

V2 = "/rest/v2"
BEFORE_SIGNING_IN: dict[str, dict[str, Any]] = {
    "/first-login-status": {"success": False},
    "/authentication-status": {"success": False},
    "/users/admin/blocked": {"success": False},
    "/liveness": {"status": "ok"},
}
RESULT = ("success", "message", "dataId", "errorId")
CPU = ("processCPUTime", "systemCPULoad", "processCPULoad", "systemLoadAverageLastMinute")
MEMORY = ("totalMemory", "freeMemory", "inUseMemory", "availableMemory")
DISK = ("usableSpace", "totalSpace", "freeSpace", "inUseSpace")
HEAP = ("maxMemory", "totalMemory", "freeMemory", "inUseMemory")
RESOURCES = (
    *("instanceId", "cpuUsage", "jvmMemoryUsage", "systemMemoryInfo", "fileSystemInfo", "gpuUsageInfo"),
    *("dbAverageQueryTimeMs", "localLiveStreams", "localWebRTCLiveStreams", "localWebRTCViewers", "localHLSViewers"),
    *("localDASHViewers", "server-timing", "totalLiveStreamSize", "softwareVersion", "systemInfo"),
)
READS: dict[str, tuple[str, ...]] = {
    "/version": ("versionName", "versionType", "buildNumber"),
    "/enterprise-edition": RESULT,
    "/admin-status": RESULT,
    "/authentication-status": RESULT,
    "/cluster-mode-status": RESULT,
    "/system-resources": RESOURCES,
    "/system-resources/history": ("cpu", "mem", "disk", "heap", "db", "live", "netOut", "netIn"),
    "/network-status": ("outboundMbps", "inboundMbps", "uplinkMbps"),
    "/cpu-status": CPU,
    "/system-memory-status": MEMORY,
    "/file-system-status": DISK,
    "/jvm-memory-status": HEAP,
    "/system-status": ("osName", "osArch", "javaVersion", "processorCount"),
    "/live-clients-size": ("totalConnectionSize", "totalLiveStreamSize"),
    "/server-time": ("up-time", "start-time"),
    "/threads": ("dead-locked-thread", "thread-count", "thread-peek-count"),
    "/applications/live/metrics-history": ("viewers", "streams"),
    "/applications/settings/live": ("appName", "jwtControlEnabled", "ipFilterEnabled", "encoderSettings"),
    "/server-settings": ("serverName", "licenceKey", "logLevel", "nodeGroup", "hostAddress", "defaultHttpPort"),
    "/server-settings/": ("sslEnabled", "buildForMarket", "marketplace"),
    "/shutdown-proper-status?appNames=live": RESULT,
    "/cluster/node-count": ("number",),
    "/log-file/-1/10000?logType=null": ("logContent",),
    "/log-file/-1/512000?logType=error": ("logContent",),
}
"""What is read of an object, by the call below ``/rest/v2`` that gets it."""
LISTS = {
    "/cluster/nodes/0/50": ("id", "ip", "lastUpdateTime", "memory", "cpu", "dbQueryAveargeTimeMs", "note", "status"),
    "/user-list": ("email", "userType", "scope", "appNameUserType", "firstName", "lastName", "fullName", "picture"),
    "/gpu-status": (),
}
"""The same of each item of a list."""


@pytest.fixture
async def c() -> AsyncIterator[WireCluster]:
    async with wire_cluster(apps="live") as running:
        running.report(running.edges[0], memory=MachineMemory(used_mb=512, total_mb=2_048))
        yield running


def md5(password: str) -> str:
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()


def page(c: WireCluster, **options: Any) -> httpx.AsyncClient:
    """A page of this server, in a browser. `options`: of httpx."""
    headers = {"Origin": f"http://127.0.0.1:{c.port}", "Sec-Fetch-Site": "same-origin"}
    return c.stranger(headers=headers, **options)


async def sign_in(http: httpx.AsyncClient, email: str = "admin", password: str = PASSWORD) -> str:
    body = {"email": email, "password": md5(password)}
    answer = (await http.post(f"{V2}/users/authenticate", json=body)).json()
    assert answer["success"], answer
    return str(answer["message"])


def tunnel(path: str, query: str = "") -> str:
    """The address of an app's call, as the newer panel writes it."""
    return f"{V2}/request?_path={quote(path, safe='')}{query}"


async def test_before_signing_in_a_panel_learns_what_it_asks_and_nothing_else(c: WireCluster) -> None:
    async with page(c) as http:
        for path, expected in BEFORE_SIGNING_IN.items():
            answer = (await http.get(f"{V2}{path}")).json()
            assert {key: answer[key] for key in expected} == expected, path
        for path in (*READS, *LISTS):
            if path not in BEFORE_SIGNING_IN:
                assert (await http.get(f"{V2}{path}")).status_code == 403, path


async def test_an_administrator_signs_in_and_every_page_has_what_it_reads(c: WireCluster) -> None:
    async with page(c) as http:
        assert await sign_in(http) == "system/ADMIN"
        for path, keys in READS.items():
            answer = await http.get(f"{V2}{path}")
            assert answer.status_code == 200, (path, answer.text)
            assert set(keys) <= answer.json().keys(), path
        for path, keys in LISTS.items():
            found = (await http.get(f"{V2}{path}")).json()
            assert isinstance(found, list)
            assert all(set(keys) <= one.keys() for one in found), path


async def test_the_cluster_page_can_read_its_numbers(c: WireCluster) -> None:
    async with page(c) as http:
        await sign_in(http)
        nodes = (await http.get(f"{V2}/cluster/nodes/0/50")).json()
        assert (await http.get(f"{V2}/cluster/node-count")).json()["number"] == len(nodes) == 3
        edge = next(node for node in nodes if node["id"] == "edge-1")
        assert edge["cpu"].isdigit() and edge["memory"] == "512/2048" and edge["status"] == "alive"
        noted = await http.put(f"{V2}/cluster/node/edge-1/note", params={"note": "in the cellar"})
        assert noted.json()["success"]
        after = (await http.get(f"{V2}/cluster/nodes/0/50")).json()
        assert next(node for node in after if node["id"] == "edge-1")["note"] == "in the cellar"
        alive = (await http.delete(f"{V2}/cluster/node/edge-1")).json()
        assert not alive["success"] and "alive" in alive["message"]


async def test_server_settings_are_posted_back_whole_with_another_level(c: WireCluster) -> None:
    async with page(c) as http:
        await sign_in(http)
        whole: dict[str, Any] = (await http.get(f"{V2}/server-settings")).json()
        assert (await http.post(f"{V2}/server-settings", json=whole)).json()["success"]
        assert (await http.post(f"{V2}/server-settings", json=whole | {"logLevel": "ERROR"})).json()["success"]
        assert (await http.get(f"{V2}/server-settings")).json() == whole | {"logLevel": "ERROR"}
        refused = (await http.post(f"{V2}/server-settings", json=whole | {"licenceKey": "some-key"})).json()
        assert not refused["success"] and "licenceKey" in refused["message"]
        assert (await http.get(f"{V2}/last-licence-status")).status_code in (200, 204)
        assert (await http.get(f"{V2}/licence-status?key=")).status_code in (200, 204)


async def test_certificates_are_refused_in_words_that_the_page_shows(c: WireCluster) -> None:
    files = {name: (f"{name}.pem", b"x") for name in ("fullChainFile", "privateKeyFile", "chainFile")}
    async with page(c) as http:
        await sign_in(http)
        query = "domain=live.example.com&type=CUSTOM_CERTIFICATE"
        answer = await http.post(f"{V2}/ssl-settings?{query}", files=files)
        assert (answer.status_code, answer.json()["success"]) == (200, False)
        assert "RILLCAST_SIGNALING_TLS_CERTIFICATE" in answer.json()["message"]


async def test_users_are_made_edited_and_deleted_as_the_page_does_it(c: WireCluster) -> None:
    eve: dict[str, Any] = {"email": "eve@example.invalid", "scope": "system", "userType": "READ_ONLY"}
    roles = {"appNameUserType": {"system": "READ_ONLY"}}
    async with page(c) as http:
        await sign_in(http)
        assert (await http.post(f"{V2}/users", json=eve | roles | {"password": md5("correct horse")})).json()["success"]
        edited = eve | {"userType": "ADMIN", "appNameUserType": {"system": "ADMIN"}}
        assert (await http.put(f"{V2}/users", json=edited | {"newPassword": md5("battery staple")})).json()["success"]
        listed = {user["email"]: user for user in (await http.get(f"{V2}/user-list")).json()}
        assert listed["eve@example.invalid"]["userType"] == "ADMIN"
        async with page(c) as other:
            assert await sign_in(other, "eve@example.invalid", "battery staple") == "system/ADMIN"
            body = {"email": "eve@example.invalid", "password": md5("battery staple"), "newPassword": md5("x" * 9)}
            assert (await other.post(f"{V2}/users/password", json=body)).json()["success"]
            assert (await other.delete(f"{V2}/users/logout")).json()["success"]
            assert not (await other.get(f"{V2}/authentication-status")).json()["success"]
        assert (await http.delete(f"{V2}/users/{quote('eve@example.invalid', safe='')}")).json()["success"]


async def test_streams_are_made_shown_changed_and_deleted_through_the_tunnel(c: WireCluster) -> None:
    root = "live/rest/v2/broadcasts"
    async with page(c) as http:
        await sign_in(http)
        made = (await http.post(tunnel(f"{root}/create"), json={"type": "liveStream", "streamId": "s1"})).json()
        assert (made["streamId"], made["status"]) == ("s1", "created")
        older = f"{V2}/request?_path={root}/list/0/10&sort_by=&order_by="
        for address in (tunnel(f"{root}/list/0/10", "&sort_by=name&order_by=asc"), older):
            assert [one["streamId"] for one in (await http.get(address)).json()] == ["s1"]
        assert (await http.get(tunnel(f"{root}/s1"))).json()["streamId"] == "s1"
        assert (await http.put(tunnel(f"{root}/s1"), json={"webRTCViewerLimit": 5})).json()["success"]
        assert (await http.get(tunnel(f"{root}/s1"))).json()["webRTCViewerLimit"] == 5
        assert (await http.delete(tunnel(f"{root}/s1"))).json()["success"]
        assert (await http.get(tunnel(f"{root}/s1"))).status_code == 404
        assert (await http.get(tunnel("live/rest/v2/version"))).json()["versionType"] == "Enterprise Edition"


async def test_a_session_is_enough_where_an_app_wants_tokens_and_a_useless_one_does_not_harm(c: WireCluster) -> None:
    async with page(c) as http:
        await sign_in(http)
        settings = {"jwtControlEnabled": True, "jwtSecretKey": "s" * 32}
        assert (await http.post(f"{V2}/applications/settings/live", json=settings)).json()["success"]
        shown = (await http.get(f"{V2}/applications/settings/live")).json()
        assert shown["jwtSecretKey"] != "s" * 32
        assert (await http.get(tunnel("live/rest/v2/version"))).status_code == 200
        made_up = {"Authorization": "a.panel.made.this"}
        assert (await http.get(tunnel("live/rest/v2/version"), headers=made_up)).status_code == 200


async def test_who_belongs_to_an_app_sees_that_app_alone(c: WireCluster) -> None:
    user = {"email": "app", "password": md5("correct horse"), "appNameUserType": {"live": "USER"}}
    async with page(c) as admin, page(c) as http:
        await sign_in(admin)
        assert (await admin.post(f"{V2}/users", json=user)).json()["success"]
        assert await sign_in(http, "app", "correct horse") == '{"live":"USER"}'
        for path in ("/version", "/enterprise-edition", "/admin-status", "/applications/settings/live"):
            assert (await http.get(f"{V2}{path}")).status_code == 200, path
        assert (await http.get(tunnel("live/rest/v2/version"))).status_code == 200
        for path in ("/server-settings", "/user-list", "/system-resources", "/log-file/-1/9?logType=null"):
            assert (await http.get(f"{V2}{path}")).status_code == 403, path
