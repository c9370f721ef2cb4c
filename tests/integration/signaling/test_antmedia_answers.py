"""What a real Ant Media Server answered is what Rillcast answers, except where a table of differences says why not."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import Any

import httpx
import jwt

from rillcast.runtime.telemetry.logs import kept_log
from tests.integration.signaling.recorded_answers import Recorded, ask, differences, recorded, unlike
from tests.integration.signaling.wire import WireCluster, wire_cluster

EMAILS = {"console": "admin@example.invalid"}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "console": {
        "userType": "ADMIN",
        "scope": "system",
        "appNameUserType": {"system": "ADMIN"},
        "firstName": "Ada",
        "lastName": "Min",
    },
    "user": {"userType": "USER", "appNameUserType": {"system": "USER"}},
    "ro": {"userType": "READ_ONLY", "appNameUserType": {"system": "READ_ONLY"}},
    "old": {"userType": "ADMIN", "scope": "system"},
    "app": {"userType": "ADMIN", "appNameUserType": {"LiveApp": "ADMIN"}},
    "map": {"userType": "USER", "appNameUserType": {"LiveApp": "USER", "live": "READ_ONLY"}},
}
"""Those whose sessions ask, as they were made in between."""
PASSWORDS = {
    "console": "bc8849c0db20a235d7812cb2482595b0",
    "user": "e4774cdda0793f86414e8b9140bb6db4",
    "ro": "270c1b084f3f146eb5787075158d9c53",
    "old": "4d0a87b63b7290cd64404e2d8098dee1",
    "app": "532a7b8e0328a8d05a8e6258b28b9a36",
    "map": "4d0a87b63b7290cd64404e2d8098dee1",
}
APPS = ("LiveApp", "WebRTCApp", "live")
B = "/LiveApp/rest/v2/broadcasts"
S1 = {
    "streamId": "s1",
    "name": "First",
    "description": "a description",
    "publicStream": False,
    "is360": True,
    "listenerHookURL": "http://127.0.0.1:9/hook",
    "category": "cat",
    "username": "u",
    "password": "p",
    "webMEnabled": -1,
    "subtracksLimit": 7,
    "expireDurationMS": 600_000,
    "plannedStartDate": 4_102_444_800,
    "plannedEndDate": 4_102_444_860,
    "latitude": "41.1",
    "longitude": "29.0",
    "altitude": "5",
    "webRTCViewerLimit": 3,
    "hlsViewerLimit": 4,
    "dashViewerLimit": 5,
    "subFolder": "sub",
    "metaData": '{"k":1}',
    "role": "host",
}
"""As it was created, but for what is refused here: ``mp4Enabled`` and ``maxIdleTime``."""
SUBSCRIBERS = f"{B}/s1/subscribers"
SETTINGS = "/rest/v2/applications/settings/LiveApp"
PROXY = "/rest/v2/request?_path=LiveApp/rest/v2/broadcasts"
USERS = "/rest/v2/users"
RO = {"email": "ro@example.invalid", "password": "270c1b084f3f146eb5787075158d9c53", "userType": "READ_ONLY"}
WRONG = ("POST", f"{USERS}/authenticate", {"email": "map@example.invalid", "password": "0" * 32})
CODES = {"timeTokenSecretForPlay": "p" * 32, "timeTokenSecretForPublish": "q" * 32}
UTF = {"streamId": "utf", "name": "Ünïcødé 日本 😀", "description": "<b>&\"'"}
ITEMS = [{"streamUrl": f"http://127.0.0.1:9/{number}.mp4", "type": "VoD"} for number in (1, 2)]


def created(*bodies: Any) -> tuple[tuple[str, str, Any], ...]:
    """The steps that create broadcasts."""
    return tuple(("POST", f"{B}/create", body) for body in bodies)


STEPS: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "b-get-s1": created(S1),
    "b-get-s1-2": (("PUT", f"{B}/s1", {"name": "Second"}),),
    "b-list-search-utf8": created(
        UTF,
        *({"streamId": f"page{n:02}", "name": f"zz page {n:02}", "description": "paged"} for n in range(12)),
        {"streamId": "main"},
        {"streamId": "sub1", "mainTrackStreamId": "main"},
        {"streamId": "sub2", "mainTrackStreamId": "main"},
    ),
    "start-source-deadurl": created({"streamId": "tyvu", "type": "streamSource", "streamUrl": "rtsp://127.0.0.1:9/x"}),
    "next-playlist-index": created({"streamId": "pl", "type": "playlist", "playListItemList": ITEMS}),
    "stop-cam-dead": created({"streamId": "cam", "type": "ipCamera", "ipAddr": "127.0.0.1:9"}),
    "st-add": (("DELETE", f"{B}/sub2", None),),
    "d-count-search": (("DELETE", f"{B}?ids=page04", None),),
    "sb-list-page": (
        ("POST", SUBSCRIBERS, {"subscriberId": "usr1", "type": "publish"}),
        ("POST", SUBSCRIBERS, {"subscriberId": "usr2", "type": "publish", "concurrentConnectionsLimit": 3}),
    ),
    "totp-play": (("POST", SETTINGS, CODES),),
    "m-ss-get2": (("POST", "/rest/v2/server-settings", {"logLevel": "INFO"}),),
    "ip-proxy": (("POST", SETTINGS, {"ipFilterEnabled": True, "remoteAllowedCIDR": "192.0.2.0/24"}),),
    "csp": (("POST", SETTINGS, {"ipFilterEnabled": False}),),
    "px-put": (("POST", f"{PROXY}/create", {"streamId": "px1"}),),
    "ap-reset": (
        ("POST", "/rest/v2/applications/diffapp", None),
        ("POST", "/diffapp/rest/v2/broadcasts/create", {"streamId": "d1"}),
    ),
    "ap-del": (("DELETE", "/rest/v2/applications/diffapp", None),),
    "us-scopeonly-applications": (("DELETE", "/rest/v2/applications/warapp", None),),
    "us-edit": (("POST", USERS, RO),),
    "us-blocked": (WRONG, WRONG),
    "rj-bad": (("POST", SETTINGS, {"jwtControlEnabled": True, "jwtSecretKey": "j" * 32}),),
    "d-main-keep": created({"streamId": "sub2", "mainTrackStreamId": "main"}),
}
"""What has to be asked before a request, since its answer hangs on it and the recording lacks it."""
EXPIRED = jwt.encode({"exp": 1_000_000_000}, "j" * 32, algorithm="HS256")
SHOWN = {"rj-bad": "nonsense", "rj-expired": EXPIRED}
"""What is shown in ``Authorization`` in place of a session."""
SHAPE_ALONE = frozenset(
    {"app-version", "m-options", "csp", "liveness", "b-count", "b-count-search", "user-list-1", "m-thread-dump-json"}
    | {"m-system-status", "m-jvm-memory-status", "m-system-memory-status", "m-file-system-status", "m-cpu-status"}
    | {"m-system-resources", "m-ss-get2", "m-applications-info"}
)
"""Whose values hang on the installation, or on requests that the recording lacks."""


class Sessions:
    """Clients by the name that the recording has for their sessions."""

    def __init__(self, c: WireCluster, stack: AsyncExitStack) -> None:
        self._c = c
        self._stack = stack
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def client(self, name: str) -> httpx.AsyncClient:
        if name not in self._clients:
            http = await self._stack.enter_async_context(self._c.stranger())
            self._clients[name] = http
            if name in ACCOUNTS:
                await self._sign_in(name, http)
        return self._clients[name]

    async def _sign_in(self, name: str, http: httpx.AsyncClient) -> None:
        """With an account that is made by who holds the cluster's own token, unless a request has made it."""
        signs_in = {"email": EMAILS.get(name, f"{name}@example.invalid"), "password": PASSWORDS[name]}
        async with self._c.http() as operator:
            await operator.post("/rest/v2/users", json={**signs_in, **ACCOUNTS[name]})
        assert (await http.post("/rest/v2/users/authenticate", json=signs_in)).json()["success"]


async def _unlike(sessions: Sessions, request: Recorded) -> str:
    console = await sessions.client("console")
    for method, path, body in STEPS.get(request.name, ()):
        await console.request(method, path, json=body)
    # Without a session the original lets everybody in who has the address of its host; we never do.
    of_app = not request.path.startswith("/rest/")
    shown = SHOWN.get(request.name, "")
    http = await sessions.client(request.sess or ("console" if of_app and not shown else ""))
    try:
        answer = await ask(http, request, shown)
    except httpx.HTTPError as error:
        return repr(error)
    return unlike(request, answer, shape=request.name in SHAPE_ALONE)


async def test_every_request_is_answered_as_by_the_original_or_stands_in_the_table_of_differences() -> None:
    known, found = differences(), {}
    for number in range(40):  # of which a page of the log is asked
        kept_log().all.keep(f"line {number}")
    async with wire_cluster(apps=",".join(APPS)) as c, AsyncExitStack() as stack:
        sessions = Sessions(c, stack)
        for request in recorded():
            if words := await _unlike(sessions, request):
                found[request.name] = words
    if "SHOW" in os.environ:
        print(f"\n{len(recorded()) - len(found)} of {len(recorded())}")
        print("\n".join(f"{name:30} {words}" for name, words in found.items() if name not in known))
    assert {name: words for name, words in found.items() if name not in known} == {}
    assert sorted(known.keys() - found.keys()) == []
