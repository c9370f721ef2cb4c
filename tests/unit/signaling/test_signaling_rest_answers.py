"""Every REST answer, byte for byte: status, headers and body of each endpoint, asked well and badly.

`recorded/rest_answers.json` holds them. After a change that was meant, write it anew with ``RECORD=1 pytest`` and look
at the difference: each line of it is something that a client sees.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.words import LicenseState
from rillcast.runtime.process.version import product_version
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.rest_endpoints import BAD_BODIES, ENDPOINTS, MOST, ROOT, SETTINGS, USERS
from tests.unit.signaling.rest_joins import joins
from tests.unit.signaling.signaling_harness import Cluster, cluster

RECORDED = Path(__file__).parent / "recorded" / "rest_answers.json"
RUNGS = b'[{"height":360,"videoBitrate":600000}]'
MADE_UP = re.compile(r'("streamId":"|"rtmpURL":"rtmp://[^/"]+/live/)[A-Za-z0-9]{16}[0-9]{10,}(?=")')
HEARD = re.compile(r'("(?:lastUpdateTime|heard_at_ms)":)[0-9]+')
RANDOM = re.compile(r'("tokenId":"|"dataId":"(?=[0-9]))[A-Za-z0-9._-]+')
"""What is another one each time, in answers about tokens and subscribers."""
WHEN = re.compile(r'("(?:updateTime|date)":)[1-9][0-9]*')
"""By the wall clock."""


class Recorder:
    """Asks, and keeps what was answered."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.answers: dict[str, Any] = {}

    async def ask(self, method: str, path: str, note: str = "", **options: Any) -> httpx.Response:
        answer = await self.http.request(method, path, **options)
        name = f"{method} {path if len(path) < 200 else path[:60] + '…'}{f' ({note})' if note else ''}"
        assert name not in self.answers, name
        headers = {key: value for key, value in sorted(answer.headers.items()) if key != "date"}
        if "allow" in headers:
            headers["allow"] = ", ".join(sorted(headers["allow"].split(", ")))
        body = answer.content.decode("utf-8", "backslashreplace").replace(product_version(), "VERSION")
        body = MADE_UP.sub(r"\g<1>ID", HEARD.sub(r"\g<1>1", WHEN.sub(r"\g<1>1", body)))
        if "content-length" in headers:
            headers["content-length"] = "given"
        self.answers[name] = {"status": answer.status_code, "headers": headers, "body": body}
        return answer


def without_id(recorder: Recorder, answer: httpx.Response, name: str) -> None:
    """A made-up stream id is another each time."""
    kept = recorder.answers[name]
    kept["body"] = kept["body"].replace(answer.json()["streamId"], "ID")


async def strangers(http: Recorder) -> None:
    for method, path in (*ENDPOINTS, *MANAGEMENT, ("GET", "/rillcast/v1/events")):
        await http.ask(method, path, "from an address that is not allowed")
    await http.ask("HEAD", "/rest/v2/version", "from an address that is not allowed")
    await http.ask("POST", f"{ROOT}/create", "too large and not allowed", content=b"x" * (MOST + 1))


async def reading(http: Recorder, c: Cluster) -> None:
    for method, path in ENDPOINTS:
        if method == "GET" and "licence" not in path and "license" not in path:
            await http.ask("GET", path, "nothing is live")
            await http.ask("HEAD", path)
    await c.go_live("s1")
    c.report(c.edges[0], viewers=4)
    for path in (f"{ROOT}/s1", f"{ROOT}/list/0/5", f"{ROOT}/s1/stream-info", "/rillcast/v1/status"):
        await http.ask("GET", path, "live")
    await c.go_live("s2", media_flowing=False, tracks=(), name="", started_at_ms=5)
    for path in (f"{ROOT}/s2", f"{ROOT}/s2/stream-info"):
        await http.ask("GET", path, "no media yet")
    for name in ("none", "a%20b", "a%2Fb", "%00", "..", "create", "list", "%ff", "x" * 300, "%C3%A9"):
        await http.ask("GET", f"{ROOT}/{name}")
        await http.ask("GET", f"{ROOT}/{name}/stream-info", "renditions")
        await http.ask("GET", f"/{name}/rest/v2/broadcasts/s1")
        await http.ask("GET", f"{SETTINGS}/{name}")
    for app in ("LiveApp", "none"):
        await http.ask("GET", f"/{app}/rest/v2/broadcasts/list/0/10")
        await http.ask("GET", f"/{app}/rest/v2/version")


async def pages(http: Recorder, c: Cluster) -> None:
    for stream in ("s1", "s2", "s3"):
        await c.go_live(stream)
    numbers = ("0/2", "2/50", "-1/-1", "-5/1", "0/0", "1/0", "0/9999999999999999999999999999", "99/1")
    nonsense = ("a/b", "0/b", "a/1", "1.0/1", "0/1.5", "0x1/1", "%20/1", "0/" + "9" * 5000, "0/١", "1_0/1", "+1/1")
    for page in numbers + nonsense:
        await http.ask("GET", f"/rest/v2/cluster/nodes/{page}")
        await http.ask("GET", f"{ROOT}/list/{page}")


async def license(http: Recorder, c: Cluster) -> None:
    paths = (
        "/rest/v2/last-licence-status",
        "/rest/v2/licence-status",
        "/rest/v2/licence-status?key=L1",
        "/rest/v2/licence-status?key=%20L1%20",
        "/rest/v2/licence-status?key=some.other.document",
        "/rest/v2/licence-status?key=garbage",
        "/rest/v2/licence-status?key=garbage&key=L1",
        "/rillcast/v1/license",
        "/rillcast/v1/license/usage",
        "/rillcast/v1/license/usage?from=2026-09-01&to=2026-09-14",
        "/rillcast/v1/license/usage?from=soon",
    )
    for path in paths:
        await http.ask("GET", path, "no license service")
    await c.license_is(LicenseState.VALID)
    await c.service.core.license.refresh()
    for path in paths:
        await http.ask("GET", path, "it only tells the state")
    await c.checks_documents()
    await c.reports_usage()
    for path in paths:
        await http.ask("GET", path, "it answers everything")
    await http.ask("GET", "/rillcast/v1/status", "with a license")


async def writing(http: Recorder, c: Cluster) -> None:
    for app in ("live", "none", "a%20b"):
        await http.ask("POST", f"{SETTINGS}/{app}", content=b'{"webRTCViewerLimit":5,"unknown":1,"appName":"other"}')
    await c.sees(lambda: getattr(c.settings_of(LIVE), "web_rtc_viewer_limit", 0) == 5)
    await http.ask("GET", f"{SETTINGS}/live", "changed")
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        options = {"content": b"{}", "headers": {"content-type": content_type}}
        await http.ask("POST", f"{SETTINGS}/live", f"as {content_type}", **options)
        await http.ask("PUT", f"{ROOT}/none", f"as {content_type}", **options)
    name = f"POST {ROOT}/create (without an id)"
    without_id(http, await http.ask("POST", f"{ROOT}/create", "without an id"), name)
    for stream in ("own", "own", "given"):
        note = f"{stream} {len(http.answers)}"
        body = b'{"streamId":"%s","name":"x","encoderSettingsList":%s}' % (stream.encode(), RUNGS)
        await http.ask("POST", f"{ROOT}/create", note, content=body)
    await c.go_live("s1")
    await http.ask("POST", f"{ROOT}/create", "live", content=b'{"streamId":"s1"}')
    await http.ask("POST", "/none/rest/v2/broadcasts/create", content=b"{")
    await http.ask("GET", f"{ROOT}/own")
    for stream in ("own", "s1", "none", "a%20b"):
        await http.ask("PUT", f"{ROOT}/{stream}", content=b'{"name":"kept","encoderSettingsList":[]}')
    await http.ask("PUT", "/none/rest/v2/broadcasts/own", content=b"{")
    await http.ask("GET", f"{ROOT}/s1", "changed")
    await http.ask("PUT", f"{ROOT}/s1", "rungs given back", content=b'{"encoderSettingsList":null}')
    await http.ask("GET", f"{ROOT}/s1", "rungs given back")
    for stream in ("own", "own ", "s1", "none", "a%20b"):
        await http.ask("DELETE", f"{ROOT}/{stream}")
    await http.ask("DELETE", "/none/rest/v2/broadcasts/own")


async def bad_bodies(http: Recorder, c: Cluster) -> None:
    await c.go_live("s1")
    await http.ask("POST", f"{ROOT}/create", content=b'{"streamId":"own"}')
    for note, content in BAD_BODIES.items():
        await http.ask("POST", f"{SETTINGS}/live", note, content=content)
        for stream in ("own", "s1", "none"):
            await http.ask("PUT", f"{ROOT}/{stream}", note, content=content)
        name = f"POST {ROOT}/create ({note})"
        answer = await http.ask("POST", f"{ROOT}/create", note, content=content)
        if answer.status_code == 200:
            without_id(http, answer, name)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 8192

    for method, path in (("POST", f"{SETTINGS}/live"), ("POST", f"{ROOT}/create"), ("PUT", f"{ROOT}/own")):
        await http.ask(method, path, "too large, unannounced", content=chunks())


async def operators(http: Recorder, c: Cluster) -> None:
    for path in ("first-login-status", "authentication-status", "admin-status", "user-list", "users/ada/blocked"):
        await http.ask("GET", f"/rest/v2/{path}", "the token of the machine")
    await http.ask("POST", f"{USERS}/authenticate", "an empty object", json={})
    await http.ask("POST", f"{USERS}/initial", json={"email": "ada", "password": "correct horse"})
    for note, body in USER_BODIES.items():
        await http.ask("POST", USERS, note, json=body)
    await http.ask("GET", "/rest/v2/user-list", "with those")
    await http.ask("PUT", USERS, json={"email": "ada", "firstName": "Ada", "userType": "READ_ONLY"})
    await http.ask("PUT", USERS, "unknown", json={"email": "zz", "userType": "USER"})
    await http.ask("PUT", USERS, "a short password", json={"email": "ada", "newPassword": "short"})
    for note in ("", "again"):
        await http.ask("DELETE", f"{USERS}/map", note)
    await http.ask("DELETE", f"{USERS}/logout")
    await http.ask("POST", f"{USERS}/password", json={"password": "a", "newPassword": "b"})
    for attempt in ("first", "second", "third", "fourth"):
        body = {"email": "ada", "password": "wrong horse"}
        await http.ask("POST", f"{USERS}/authenticate", f"wrong, {attempt}", json=body)
    await http.ask("GET", f"{USERS}/ada/blocked", "after that")
    http.http.headers.pop("ProxyAuthorization")
    for method, path in (*ENDPOINTS, *MANAGEMENT):
        await http.ask(method, path, "by a stranger", json={})


USER_BODIES: dict[str, dict[str, Any]] = {
    "new": {"email": "ada", "password": "correct horse", "userType": "USER", "appNameUserType": {"system": "USER"}},
    "taken": {"email": "ada", "password": "correct horse", "userType": "USER"},
    "of the older kind": {"email": "old", "password": "4d0a87b63b7290cd64404e2d8098dee1", "scope": "system"},
    "of apps": {"email": "map", "password": "correct horse", "appNameUserType": {"LiveApp": "USER", "live": "ADMIN"}},
    "no email": {"password": "correct horse", "userType": "USER"},
    "no password": {"email": "new"},
    "a short password": {"email": "new", "password": "short"},
    "no such role": {"email": "new", "password": "correct horse", "userType": "OWNER"},
}


async def management(http: Recorder, c: Cluster) -> None:
    for path in MACHINE:
        await http.ask("GET", f"/rest/v2/{path}")
    for name, answer in http.answers.items():
        answer["body"] = masked(answer["body"]) if "thread-dump" not in name or "json" in name else "…"
    for path in MANAGED:
        await http.ask("GET", f"/rest/v2/{path}", "as recorded")
    for note in ("first", "too soon"):
        await http.ask("POST", "/rest/v2/system/gc", note)
        await http.ask("POST", "/rest/v2/support/request", note, json={"title": "help"})
    for query in SSL:
        await http.ask("POST", f"/rest/v2/ssl-settings{query}")
    for note, body in SERVER_SETTINGS.items():
        await http.ask("POST", "/rest/v2/server-settings", note, content=body)
    await http.ask("GET", "/rest/v2/server-settings", "changed")
    await nodes_and_streams(http, c)


async def nodes_and_streams(http: Recorder, c: Cluster) -> None:
    for node in ("edge-1", "none"):
        for note in ("kept", "", "x" * 501):
            await http.ask("PUT", f"/rest/v2/cluster/node/{node}/note", f"{len(note)} letters", params={"note": note})
        await http.ask("DELETE", f"/rest/v2/cluster/node/{node}")
    await c.go_live("s1")
    c.report(c.edges[0], viewers=4)
    for path in ("nodes", "streams", "streams?app=live&offset=0&size=1", "streams?app=none", "streams?offset=a"):
        await http.ask("GET", f"/rillcast/v1/{path}", "live")


MACHINE = (
    *("liveness", "system-status", "jvm-memory-status", "system-memory-status", "file-system-status", "cpu-status"),
    *("gpu-status", "network-status", "server-time", "live-clients-size", "system-resources"),
    *("system-resources/history", "applications/live/metrics-history", "threads", "thread-dump-json", "thread-dump"),
    *("log-file/-1/100?logType=server", "log-file/0/100?logType=error"),
)
MANAGEMENT = (
    *(("GET", f"/rest/v2/{path.partition('?')[0]}") for path in MACHINE[:-1]),
    ("GET", "/rest/v2/heap-dump"),
    ("GET", "/rest/v2/cluster-mode-status"),
    ("GET", "/rest/v2/server-settings"),
    ("GET", "/rillcast/v1/nodes"),
    ("POST", "/rest/v2/support/request"),
    ("POST", "/rest/v2/system/gc"),
    ("POST", "/rest/v2/ssl-settings"),
    ("GET", "/rest/v2/request"),
)
MANAGED = (
    *("heap-dump", "log-file/0/100", "log-file/a/b?logType=null", "cluster-mode-status", "server-settings"),
    *(
        f"{path}{query}"
        for path in ("shutdown-proper-status", "shutdown-properly")
        for query in ("", "?appNames=live", "?appNames=live,none", "?appNames=,")
    ),
    "applications/none/metrics-history",
    "request",
    *(
        f"request?_path={path}"
        for path in ("live/rest/v2/version", "/live/rest/v2/version", "live/rest/v2/none", "none/rest/v2/version")
    ),
    *(
        f"request?_path={path}"
        for path in ("rest/v2/version", "rest/v2/request?_path=x", "live/", "rillcast/v1/status", "/", "live/s1.m3u8")
    ),
)
SSL = (
    "",
    "?domain=x&type=JUNK",
    "?domain=live.example.com&type=JUNK",
    "?type=ANTMEDIA_SUBDOMAIN",
    "?domain=live.example.com&type=CUSTOM_DOMAIN",
)
SERVER_SETTINGS = {
    "nothing": b"",
    "an empty object": b"{}",
    "what a script posts": b'{"serverName":"","licenceKey":"","logLevel":"WARN"}',
    "a name": b'{"serverName":"live.example.com"}',
    "no name": b'{"serverName":"https://live.example.com/"}',
    "no level": b'{"logLevel":"LOUD"}',
    "a license": b'{"licenceKey":"abc","logLevel":"ERROR"}',
    "a secret": b'{"jwtServerSecretKey":"abc"}',
    "a group": b'{"nodeGroup":"eu"}',
    "a port": b'{"rtmpPort":1936}',
    "an unknown key": b'{"none":1}',
    "a number for a text": b'{"serverName":5}',
    "no json": b"{",
}


def masked(body: str) -> str:
    """With the same keys, and without what is another value each time."""

    def empty(value: Any) -> Any:
        match value:
            case dict():
                return {key: empty(one) for key, one in value.items() if key not in ("logContentSize", "logFileSize")}
            case list():
                return []
            case str():
                return ""
            case _:
                return 0

    return json.dumps(empty(json.loads(body)))


async def store_away(http: Recorder, c: Cluster) -> None:
    await http.ask("POST", f"{ROOT}/create", content=b'{"streamId":"own"}')
    for bucket in (subjects.BUCKET_BROADCASTS, subjects.BUCKET_APPS, subjects.BUCKET_ACCOUNTS):
        c.host.buckets[bucket].available = False
    for method, path in ENDPOINTS:
        if method != "GET":
            await http.ask(method, path.replace("s1", "own"), "the store is away", content=b"{}")
    await http.ask("GET", f"{ROOT}/own", "the store is away")


async def access(http: Recorder, c: Cluster) -> None:
    await http.ask("POST", f"{SETTINGS}/live", content=b'{"jwtStreamSecretKey":"%s"}' % (b"x" * 32))
    for kind in ("token", "jwt-token"):
        for query in ("", "?type=play", "?expireDate=4102444800&type=junk", "?expireDate=4102444800&type=play"):
            await http.ask("GET", f"{ROOT}/s1/{kind}{query}")
    for note, content in (("of nobody", b'{"tokenId":"nope","streamId":"s1","type":"play"}'), ("none", b"[]")):
        await http.ask("POST", f"{ROOT}/validate-token", note, content=content)
    await http.ask("GET", f"{ROOT}/s1/tokens/list/0/10")
    await http.ask("GET", f"{ROOT}/s1/tokens/list/0/0")
    await http.ask("DELETE", f"{ROOT}/s1/tokens")
    await http.ask("DELETE", f"{ROOT}/s1/tokens", "again")
    added = b'{"subscriberId":"alice","b32Secret":"JBSWY3DPEHPK3PXP","type":"play"}'
    for note, content in (("good", added), ("without an id", b"{}"), ("nothing", b""), ("no object", b"1")):
        await http.ask("POST", f"{ROOT}/s1/subscribers", note, content=content)
    await http.ask("PUT", f"{ROOT}/s1/subscribers/alice/block/60/play")
    await http.ask("PUT", f"{ROOT}/s1/subscribers/alice/block/abc/play")
    await http.ask("PUT", f"{ROOT}/s1/subscribers/alice/block/60/all")
    await http.ask("GET", f"{ROOT}/s1/subscribers/list/0/10")
    await http.ask("GET", f"{ROOT}/s1/subscribers/list/0/none")
    await http.ask("GET", f"{ROOT}/s1/subscribers/alice/totp?type=play")
    await http.ask("GET", f"{ROOT}/s1/subscribers/nobody/totp?type=play")
    await http.ask("GET", f"{ROOT}/s1/connection-events/0/10")
    await http.ask("GET", f"{ROOT}/s2/connection-events/0/10?subscriberId=alice")
    for note in ("there", "again"):
        await http.ask("DELETE", f"{ROOT}/s1/subscribers/alice", note)
        await http.ask("DELETE", f"{ROOT}/s1/subscribers", note)
    for answer in http.answers.values():
        answer["body"] = re.sub(r"(?<=StampMs\":)[0-9]+", "1", RANDOM.sub(r"\1GIVEN", answer["body"]))


async def elsewhere(http: Recorder, c: Cluster) -> None:
    for method, path in ENDPOINTS:
        await http.ask("PATCH", path, f"instead of {method}")
        await http.ask("OPTIONS", path, f"instead of {method}")
        named = {"json": {"streamId": "named"}} if path.endswith("/create") else {}
        await http.ask(method, path + "/", "with a slash behind", **named)
    origin = {"Origin": "https://tv.example", "Access-Control-Request-Method": "GET"}
    await http.ask("GET", "/rest/v2/version", "from a page", headers=origin)
    await http.ask("OPTIONS", "/rest/v2/version", "from a page", headers=origin)
    for path in ("/rest/v2/none", "/rest/v3/version", "/live/rest/v2/none", "/rillcast/v1/none", "//rest/v2/version"):
        await http.ask("GET", path)


SCENES: Mapping[str, Callable[[Recorder, Cluster], Awaitable[None]]] = {
    scene.__name__: scene
    for scene in (reading, pages, license, writing, access, bad_bodies, operators, management, store_away, elsewhere)
} | {joins.__name__: joins}


@pytest.fixture(scope="module")
def recorded() -> Iterator[dict[str, Any]]:
    """What each scene is to answer; written anew when recording."""
    known: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    yield known
    if "RECORD" in os.environ:
        RECORDED.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("scene", [*SCENES, "strangers"])
async def test_every_answer_is_as_recorded(scene: str, recorded: dict[str, Any]) -> None:
    settings = {"remote_allowed_cidr": "192.0.2.0/24"} if scene == "strangers" else {}
    async with cluster(**settings) as c, c.http() as http:
        recorder = Recorder(http)
        await (strangers(recorder) if scene == "strangers" else SCENES[scene](recorder, c))
    if "RECORD" in os.environ:
        recorded[scene] = recorder.answers
    assert recorder.answers == recorded[scene]
