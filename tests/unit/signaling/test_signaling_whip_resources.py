"""The resources of WHIP and WHEP sessions: trickle, ICE restart and DELETE, at any instance."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from rillcast.contracts.messages import NodeLeft
from rillcast.contracts.words import NodeKind
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
CANDIDATE = (
    f"a=ice-ufrag:abcd\r\na=ice-pwd:{'p' * 24}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n"
)


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def post(c: Cluster) -> httpx.Response:
    async with c.http() as http:
        return await http.post("/live/whip/s1", content=OFFER, headers={"Content-Type": "application/sdp"})


async def test_a_resource_is_deleted_by_any_instance(c: Cluster) -> None:
    location = (await post(c)).headers["location"]
    other = Cluster(c.settings)
    other.broker = c.broker
    other.host.bus.broker = c.broker
    other.host.buckets = c.host.buckets
    other.origin, other.edges = c.origin, []
    async with other.running(), other.http() as http:
        assert (await http.delete(location)).status_code == 200
        assert (await http.delete(location)).status_code == 200

    assert {request.session for request in c.origin.closed} == {c.origin.published[0].session}
    assert {request.keep_stream_s for request in c.origin.closed} == {0}
    assert {request.forgotten_by for request in c.origin.closed} == {other.host.info.node}


async def test_a_resource_of_a_node_that_is_gone_is_deleted_all_the_same(c: Cluster) -> None:
    location = (await post(c)).headers["location"]
    c.origin.bus.connected = False
    c.host.directory.left(NodeLeft(node=c.origin.name, kind=NodeKind.ORIGIN))
    async with c.http() as http:
        assert (await http.delete(location)).status_code == 200


async def test_a_resource_whose_node_lives_and_does_not_answer_is_not_called_deleted(c: Cluster) -> None:
    location = (await post(c)).headers["location"]
    c.origin.bus.connected = False
    async with c.http() as http:
        refused = await http.delete(location)
        c.origin.bus.connected = True
        deleted = await http.delete(location)

    assert (refused.status_code, deleted.status_code) == (503, 200)
    assert c.origin.sessions == set()


async def test_a_foreign_or_altered_resource_is_not_found(c: Cluster) -> None:
    location = (await post(c)).headers["location"]
    async with c.http() as http:
        for path in (
            location[:-3] + "abc",
            location.replace("/s1/", "/s2/"),
            location.replace("whip", "whep"),
            "/live/whip/s1/x",
        ):
            assert (await http.delete(path)).status_code == 404


async def test_trickle_needs_the_present_tag(c: Cluster) -> None:
    created = await post(c)
    location, tag = created.headers["location"], created.headers["etag"]
    async with c.http() as http:

        async def patch(body: str = CANDIDATE, **headers: str) -> httpx.Response:
            sent = FRAGMENT | {name.replace("_", "-"): value for name, value in headers.items()}
            return await http.patch(location, content=body, headers=sent)

        assert (await patch(If_Match=tag)).status_code == 204
        assert (await patch()).status_code == 428
        assert (await patch(If_Match='"other"')).status_code == 412
        assert (await patch("a=candidate:nonsense", If_Match=tag)).status_code == 400
        assert (await patch(If_Match=tag, Content_Type="text/plain")).status_code == 415
        assert (await patch("x" * 100_000, If_Match=tag)).status_code == 413

        restarted = await patch(If_Match="*")
        assert restarted.status_code == 200
        assert restarted.headers["content-type"] == "application/trickle-ice-sdpfrag"
        assert "a=ice-ufrag:newufrag" in restarted.text
        assert "a=candidate:1 1 udp" in restarted.text
        assert restarted.headers["etag"] != tag
        assert (await patch(If_Match=tag)).status_code == 412
        assert (await patch(If_Match=restarted.headers["etag"])).status_code == 204
        assert (await patch("a=ice-pwd:x", If_Match="*")).status_code == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_other_methods_on_the_resource_are_not_allowed(c: Cluster, method: str) -> None:
    async with c.http() as http:
        publisher = await http.request(method, "/live/whip/s1/x")
        viewer = await http.request(method, "/live/whep/s1/x")

    assert (publisher.status_code, viewer.status_code) == (405, 405)
    assert publisher.headers["allow"] == "POST,PATCH,DELETE,OPTIONS"
    assert viewer.headers["allow"] == "PATCH,DELETE,OPTIONS"


async def test_who_has_the_resource_publishes_anew_at_its_url_and_is_known_again(c: Cluster) -> None:
    first = (await post(c)).headers["location"]
    sdp = {"Content-Type": "application/sdp"}
    async with c.http() as http:
        second = await http.post(first, content=OFFER, headers=sdp)
        third = await http.post(second.headers["location"], content=OFFER, headers=sdp)
        other = await http.post("/live/whip/s1", content=OFFER, headers=sdp)
        options = await http.options(first)

    assert [second.status_code, third.status_code, other.status_code] == [201, 201, 201]
    assert third.headers["location"].rpartition("/")[0] == "/live/whip/s1"
    digests = [request.secret_digest for request in c.origin.published]
    assert digests[0] == digests[1] == digests[2] != digests[3]
    assert "POST" in options.headers["allow"]


async def test_a_resource_that_is_not_ours_publishes_nothing(c: Cluster) -> None:
    location = (await post(c)).headers["location"]
    async with c.http() as http:
        for forged in (location + "x", "/live/whip/s1/x", location.replace("/s1/", "/s2/")):
            refused = await http.post(forged, content=OFFER, headers={"Content-Type": "application/sdp"})
            assert refused.status_code == 404

    assert len(c.origin.published) == 1


async def test_viewers_cannot_post_to_their_resource(c: Cluster) -> None:
    await c.go_live()
    async with c.http() as http:
        made = await http.post("/live/whep/s1", content=OFFER, headers={"Content-Type": "application/sdp"})
        again = await http.post(made.headers["location"], content=OFFER, headers={"Content-Type": "application/sdp"})

    assert (made.status_code, again.status_code) == (201, 405)
