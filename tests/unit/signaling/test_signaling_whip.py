"""WHIP and WHEP, asked in process."""

from __future__ import annotations

import gzip
import html
from collections.abc import AsyncIterator

import httpx
import jwt
import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import NodeKind, SessionState
from services.signaling.core.adapters.http_headers import plain_path
from services.signaling.metrics import JOINS
from tests.unit.signaling.fake_nodes import ANSWER, LIVE, OFFER, info
from tests.unit.signaling.signaling_harness import Cluster, cluster

SDP = {"Content-Type": "application/sdp"}
AGENT = "OBS"
SECRET = "a secret of at least thirty-two bytes"


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def post(
    c: Cluster, role: str = "whip", params: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    async with c.http() as http:
        return await http.post(f"/live/{role}/s1", content=OFFER, params=params, headers=SDP | (headers or {}))


async def test_a_publisher_gets_a_resource_with_all_its_headers(c: Cluster) -> None:
    created = await post(c, params={"streamName": "Show"}, headers={"Origin": "https://page.example"})

    assert created.status_code == 201
    assert created.text == ANSWER
    assert created.headers["content-type"] == "application/sdp"
    assert created.headers["location"].startswith("/live/whip/s1/")
    assert "?" not in created.headers["location"]
    assert created.headers["etag"].startswith('"')
    assert created.headers["etag"].endswith('"')
    assert "link" not in created.headers, "nobody has chosen a STUN server"
    assert created.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    assert created.headers["access-control-allow-origin"] == "*"
    for name in ("Location", "ETag", "Link"):
        assert name in created.headers["access-control-expose-headers"]
    assert c.origin.published[0].name == "Show"
    assert not c.origin.published[0].movable


async def test_the_stun_server_that_the_operator_chose_is_told(c: Cluster) -> None:
    settings = AppSettings(app_name=AppName("live"), stun_server_uri="stun:s.example:3478")
    await c.host.buckets[subjects.BUCKET_APPS].put("live", msgspec.json.encode(settings))
    await c.sees(lambda: c.settings_of(LIVE).stun_server_uri != "")

    assert (await post(c)).headers["link"] == '<stun:s.example:3478>; rel="ice-server"'


async def test_a_turn_server_comes_with_its_credentials(c: Cluster) -> None:
    settings = AppSettings(
        app_name=AppName("live"),
        stun_server_uri="turn:t.example:3478?transport=udp",
        turn_server_username='u"',
        turn_server_credential="w",
    )
    await c.host.buckets[subjects.BUCKET_APPS].put("live", msgspec.json.encode(settings))
    await c.sees(lambda: c.settings_of(LIVE).turn_server_credential == "w")

    link = (await post(c)).headers["link"]

    assert link == (
        '<turn:t.example:3478?transport=udp>; rel="ice-server"; username="u\\""; credential="w"; '
        'credential-type="password"'
    )


async def test_a_viewer_gets_a_resource_while_the_stream_is_live(c: Cluster) -> None:
    missing = await post(c, "whep")
    await c.go_live()
    created = await post(c, "whep")

    assert missing.status_code == 404
    assert missing.headers["retry-after"]
    assert "not live" in missing.text
    assert created.status_code == 201
    assert created.headers["location"].startswith("/live/whep/s1/")
    assert c.played[0].sdp_offer == OFFER


async def test_joins_are_counted_when_they_run(c: Cluster) -> None:
    await c.go_live()
    before = JOINS.labels("whep", "ok", "running")._value.get()
    await post(c, "whep")
    session = c.played[0].session
    await c.edge_of(session).tell(session, state=SessionState.CONNECTED)
    await c.sees(lambda: JOINS.labels("whep", "ok", "running")._value.get() == before + 1)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_other_methods_on_the_endpoint_are_not_allowed(c: Cluster, method: str) -> None:
    async with c.http() as http:
        answer = await http.request(method, "/live/whip/s1")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST,OPTIONS"
    assert answer.headers["content-type"].startswith("text/html"), "as whoever answers there with Ant Media"


async def test_options_say_what_is_accepted_and_let_pages_in(c: Cluster) -> None:
    async with c.http() as http:
        asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "PATCH"}
        endpoint = await http.options("/live/whip/s1", headers=asked)
        resource = await http.options("/live/whip/s1/x", headers=asked)

    assert endpoint.status_code == resource.status_code == 200
    assert endpoint.headers["accept-post"] == "application/sdp"
    assert resource.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    for answer in (endpoint, resource):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        assert "If-Match" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status"),
    [
        ("/live/whip/s1", OFFER, "text/plain", 415),
        ("/live/whip/s1", "hello", "application/sdp", 400),
        ("/live/whip/s1", "", "application/sdp", 400),
        ("/live/whip/s1", b"v=0\xff\xfe", "application/sdp", 400),
        ("/live/whip/s1", "v=0" + "x" * 300_000, "application/sdp", 413),
        ("/live/whip/a b", OFFER, "application/sdp", 400),
        ("/nosuchapp/whip/s1", OFFER, "application/sdp", 404),
    ],
)
async def test_bad_requests_are_refused_in_words(
    c: Cluster, path: str, body: str | bytes, content_type: str, status: int
) -> None:
    async with c.http() as http:
        answer = await http.post(path, content=body, headers={"Content-Type": content_type})

    assert answer.status_code == status
    assert answer.text
    assert not c.origin.published


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.STREAM_ID_IN_USE, 409),
        (ErrorCode.BAD_REMOTE_DESCRIPTION, 400),
        (ErrorCode.NO_COMMON_CODEC, 422),
        (ErrorCode.HIGH_RESOURCE_USAGE, 503),
        (ErrorCode.STORE_UNAVAILABLE, 503),
        (ErrorCode.SERVER_ERROR, 500),
    ],
)
async def test_an_origins_refusal_becomes_a_status(c: Cluster, code: ErrorCode, status: int) -> None:
    c.origin.refusal = RillcastError(code, "because of this")

    answer = await post(c)

    assert answer.status_code == status
    assert answer.text == "because of this"
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_no_origin_at_all_is_503_with_a_time_to_retry() -> None:
    async with cluster(node_wait_s=0) as c:
        c.report(c.origin, ready=False)

        answer = await post(c)

    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_the_bearer_token_is_asked_for_and_checked(c: Cluster) -> None:
    settings = f'{{"appName":"live","publishTokenSecret":"{SECRET}"}}'
    await c.host.buckets[subjects.BUCKET_APPS].put("live", settings.encode())
    await c.sees(lambda: c.settings_of(LIVE).publish_token_secret)
    good = jwt.encode({"sub": "s1", "type": "publish"}, SECRET, algorithm="HS256")

    none, wrong = await post(c), await post(c, headers={"Authorization": "Bearer x.y.z"})
    right = await post(c, headers={"Authorization": f"Bearer {good}"})

    assert none.status_code == 401
    assert none.headers["www-authenticate"].startswith("Bearer")
    assert wrong.status_code == 403
    assert right.status_code == 201
    assert c.origin.published[0].has_credentials


async def test_viewers_go_to_the_region_they_ask_for() -> None:
    async with cluster() as c:
        for edge, region in zip(c.edges, ("eu", "us"), strict=True):
            c.report(edge, info=msgspec.structs.replace(info(edge.name, NodeKind.EDGE), region=region))
        await c.go_live()
        for _ in range(4):
            await post(c, "whep", params={"region": "us"})

    assert [len(edge.played) for edge in c.edges] == [0, 4]


async def test_the_same_address_and_agent_are_no_credential(c: Cluster) -> None:
    headers = {"User-Agent": AGENT, "Authorization": "Bearer whatever"}
    for _ in range(2):
        assert (await post(c, headers=headers)).status_code == 201

    one, other = c.origin.published
    assert (one.has_credentials, other.has_credentials) == (False, False)
    assert len({one.credential_digest, one.secret_digest, other.credential_digest, other.secret_digest}) == 2


@pytest.mark.parametrize("path", ["/live/whip/s1/", "//live/whip/s1", "/live//whip/s1", "/live/whip//s1//"])
async def test_slashes_too_many_are_taken(c: Cluster, path: str) -> None:
    headers = SDP | {"Origin": "https://page.example"}
    async with c.http() as http:
        url = f"http://127.0.0.1:5080{path}"
        created = await http.post(url, content=OFFER, headers=headers)
        options = await http.options(url)
        ended = await http.delete(created.headers["location"] + "/")

    assert (created.status_code, options.status_code, ended.status_code) == (201, 200, 200)
    assert created.headers["location"].startswith("/live/whip/s1/")
    assert created.headers["access-control-allow-origin"] == "*"
    assert [publish.stream for publish in c.origin.published] == ["s1"]


@pytest.mark.parametrize("path", ["/live/whip/", "/live//", "/live/rest//v2/version", "//live/websocket"])
async def test_other_paths_stay_as_they_are(path: str) -> None:
    assert plain_path(path) == path


@pytest.mark.parametrize(
    "kind", ["application/sdp; charset=utf-8", "Application/SDP", " application/sdp ;charset=UTF-8;x=y"]
)
async def test_the_content_type_may_have_parameters_and_capitals(c: Cluster, kind: str) -> None:
    assert (await post(c, headers={"Content-Type": kind})).status_code == 201


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate, gzip", "x" * 300])
async def test_a_compressed_offer_is_refused_by_the_name_of_its_coding(c: Cluster, coding: str) -> None:
    async with c.http() as http:
        headers = SDP | {"Content-Encoding": coding}
        refused = await http.post("/live/whip/s1", content=gzip.compress(OFFER.encode()), headers=headers)
        taken = await http.post("/live/whip/s1", content=OFFER, headers=SDP | {"Content-Encoding": "Identity"})

    assert refused.status_code == 415
    assert f"Content-Encoding {coding[:20]!r}" in html.unescape(refused.text)
    assert len(refused.text) < 500
    assert taken.status_code == 201


@pytest.mark.parametrize("before", ["\ufeff", "\r\n", " ", "\ufeff\n"])
async def test_what_stands_before_an_offer_is_passed_over(c: Cluster, before: str) -> None:
    async with c.http() as http:
        created = await http.post("/live/whip/s1", content=(before + OFFER).encode(), headers=SDP)

    assert created.status_code == 201
    assert c.origin.published[0].sdp_offer == OFFER


@pytest.mark.parametrize(
    ("trusted", "said", "prefix"),
    [
        ("127.0.0.1", "/media", "/media"),
        ("127.0.0.1", " /a/b.c/ ", "/a/b.c"),
        ("127.0.0.1", "//elsewhere.example", ""),
        ("127.0.0.1", "https://elsewhere.example", ""),
        ("127.0.0.1", "/..", ""),
        ("127.0.0.1", "/a" * 9, ""),
        ("", "/media", ""),
    ],
)
async def test_a_trusted_proxy_says_what_it_took_from_the_path(trusted: str, said: str, prefix: str) -> None:
    async with cluster(trusted_proxies=trusted) as c:
        created = await post(c, headers={"X-Forwarded-Prefix": said, "X-Forwarded-For": "192.0.2.1"})

    assert created.headers["location"].startswith(f"{prefix}/live/whip/s1/")
