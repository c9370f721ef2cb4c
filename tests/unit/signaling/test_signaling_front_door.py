"""Which requests go straight to their room, and that the others are answered as if none did."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.signaling.core.adapters.http_front_door import Answered, FrontDoor
from tests.unit.signaling.fake_nodes import ANSWER, OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

SDP = {"Content-Type": "application/sdp"}


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def _asked(door: FrontDoor, method: str, path: str) -> str:
    answer = b""

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: object) -> None:
        nonlocal answer
        assert isinstance(message, dict)
        answer += message.get("body", b"")

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    await door(scope, receive, send)
    return answer.decode()


async def _room(request: Request) -> Response:
    return PlainTextResponse(f"the room, {request.path_params['stream']}")


async def test_what_fits_a_route_of_a_room_goes_there_and_nothing_else() -> None:
    door = FrontDoor([Route("/live/{stream}", Answered(_room), methods=["POST"])], PlainTextResponse("the app"))

    assert await _asked(door, "POST", "/live/s1") == "the room, s1"
    assert await _asked(door, "TRACE", "/live/s1") == "the app"
    assert await _asked(door, "POST", "/live") == "the app"


async def test_all_answers_have_the_headers_that_keep_browsers_safe(c: Cluster) -> None:
    async with c.http() as http:
        joined = await http.post("/live/whip/s1", content=OFFER, headers=SDP)
        missing = await http.get("/live/whip/s1/x/y")

    assert (joined.status_code, joined.text) == (201, ANSWER)
    assert missing.status_code == 404
    for answer in (joined, missing):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


async def test_a_method_that_no_room_knows_is_refused(c: Cluster) -> None:
    async with c.http() as http:
        refused = await http.request("PROPFIND", "/live/whip/s1")

    assert refused.status_code == 405
    assert "Method Not Allowed" in refused.text
