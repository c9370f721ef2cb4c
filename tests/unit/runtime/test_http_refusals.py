"""What a router refuses has the shape of all other refusals."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime.http.places import Places
from rillcast.runtime.http.refusals import Render, plainly, refuse_in_words
from rillcast.runtime.process.admin import admin_app
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.readiness import Readiness

INFO = NodeInfo(node=NodeId("edge-1"), kind=NodeKind.EDGE, version="0", admin_address="x:1", incarnation="1")
LIFELINES = Lifelines(lambda: INFO, Places(1))


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nothing", 404, "there is nothing at this address\n"),
        ("GET", "/livez/", 404, "there is nothing at this address\n"),
        ("POST", "/livez", 405, "POST does nothing here\n"),
        ("DELETE", "/metrics", 405, "DELETE does nothing here\n"),
        ("X" * 5_000, "/readyz", 405, f"{'X' * 32} does nothing here\n"),
    ],
)
async def test_the_admin_listener_refuses_in_a_line_of_text(method: str, path: str, status: int, words: str) -> None:
    async with client(admin_app(Readiness(), dict, LIFELINES)) as http:
        answer = await http.request(method, path)
    assert (answer.status_code, answer.text) == (status, words)
    assert answer.headers["content-type"].startswith("text/plain")
    assert ("allow" in answer.headers) == (status == 405)


async def test_the_admin_listener_says_how_the_node_is() -> None:
    readiness = Readiness()
    readiness.set("bus", False, "NATS is away")
    async with client(admin_app(readiness, lambda: {"kind": "edge"}, LIFELINES)) as http:
        answers = [await http.get(path) for path in ("/livez", "/readyz", "/metrics")]
        readiness.set("bus", True)
        ready = await http.get("/readyz")
    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert answers[1].json() == {"ready": False, "reasons": {"bus": "NATS is away"}, "kind": "edge"}
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


async def test_who_has_the_address_of_a_node_that_left_in_silence_does_not_answer_for_it() -> None:
    async with client(admin_app(Readiness(), lambda: {"node": "edge-2"}, LIFELINES)) as http:
        meant, other = [await http.get(f"/readyz?node={node}") for node in ("edge-2", "edge-1")]
    assert (meant.status_code, meant.json()["ready"]) == (200, True)
    assert (other.status_code, other.json()["ready"]) == (503, False)
    assert "another node" in other.json()["reasons"]["node"]


def as_json(status: int, sentence: str) -> Response:
    return JSONResponse({"success": False, "message": sentence}, status)


@pytest.mark.parametrize(
    ("render", "read"),
    [(plainly, lambda answer: answer.text), (as_json, lambda answer: answer.json()["message"] + "\n")],
)
async def test_the_shape_is_the_apps_and_headers_stay(render: Render, read: Callable[[httpx.Response], str]) -> None:
    app = FastAPI()
    refuse_in_words(app, render)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", {"X-Spout": "yes"})

    async with client(app) as http:
        answer = await http.get("/teapot")
    assert (answer.status_code, read(answer)) == (418, "short and stout\n")
    assert answer.headers["x-spout"] == "yes"
