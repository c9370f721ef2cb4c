"""One rule of stream ids at every door: WebSocket, WHIP, WHEP, REST and the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import StreamId, is_stream_id
from rillcast.contracts.messages import AdmitAnswer, AdmitRequest
from rillcast.contracts.words import Role
from services.signaling.core.domain.stream_name import valid_stream_id
from tests.unit.signaling.fake_nodes import LIVE, OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

BAD = {
    ".": "'.' is a step in a path",
    "..": "'..' is a step in a path",
    "a b": "this one has ' '",
    "a/b": "this one has '/'",
    "s1\n": "this one has '\\n'",
    "s\u00e9": "this one has '\\xe9'",
    "x" * 256: "this one has 256 characters",
}
GOOD = ["...", ".a", "a.", "a..b", "_", "-", "x" * 255]


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


@pytest.mark.parametrize(("stream", "fault"), BAD.items())
def test_an_impossible_id_is_refused_with_what_is_wrong_about_it(stream: str, fault: str) -> None:
    assert not is_stream_id(stream)
    with pytest.raises(RillcastError, match="a stream id has 1 to 255") as refusal:
        valid_stream_id(stream)
    assert fault in refusal.value.message


@pytest.mark.parametrize("stream", GOOD)
def test_ids_at_the_edges_of_the_rule_are_good(stream: str) -> None:
    assert valid_stream_id(stream) == stream


@pytest.mark.parametrize(("stream", "fault"), BAD.items())
async def test_websocket_clients_are_told(c: Cluster, stream: str, fault: str) -> None:
    async with c.client() as client:
        for command in ("publish", "play", "stop", "getStreamInfo"):
            told = await client.ask(command, streamId=stream)
            assert (told["definition"], fault in told["information"]) == ("invalidStreamName", True)


@pytest.mark.parametrize("role", ["whip", "whep"])
@pytest.mark.parametrize(("stream", "fault"), [(stream, fault) for stream, fault in BAD.items() if "/" not in stream])
async def test_whip_and_whep_clients_are_told(c: Cluster, role: str, stream: str, fault: str) -> None:
    path = f"/live/{role}/{quote(stream).replace('.', '%2E')}"
    async with c.http() as http:
        refused = await http.post(path, content=OFFER, headers={"Content-Type": "application/sdp"})

    assert (refused.status_code, fault in refused.text) == (400, True), refused.text


@pytest.mark.parametrize("stream", BAD)
async def test_no_such_broadcast_is_created_found_or_changed(c: Cluster, stream: str) -> None:
    root = "/live/rest/v2/broadcasts"
    one = f"{root}/{quote(stream, safe='').replace('.', '%2E')}"
    async with c.http() as http:
        created = await http.post(f"{root}/create", json={"streamId": stream})
        found = [await http.get(one), await http.put(one, json={}), await http.delete(one)]
        listed = await http.get(f"{root}/list/0/10")

    assert (created.status_code, created.json()["message"]) == (400, "Stream id is not valid.")
    assert not any(answer.status_code == 200 and answer.json().get("success") for answer in found)
    assert listed.json() == []


@pytest.mark.parametrize(("stream", "fault"), BAD.items())
async def test_nodes_that_ask_for_a_client_are_told(c: Cluster, stream: str, fault: str) -> None:
    request = AdmitRequest(role=Role.PUBLISH, app=LIVE, stream=StreamId(stream))
    with pytest.raises(RillcastError) as refusal:
        await c.origin.bus.request(subjects.SIGNALING_ADMIT, request, AdmitAnswer)

    assert refusal.value.code == "invalidStreamName"
    assert fault in refusal.value.message
