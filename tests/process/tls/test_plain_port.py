"""What the plain port answers beside one with TLS, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from rillcast.runtime.http.server import HttpServer, bind
from services.signaling.core.domain.region import parse_networks
from services.signaling.tls.adapters.http_plain_port import PlainPort
from services.signaling.tls.domain.plain_http import CHALLENGES


async def answer(request: Request) -> Response:
    return PlainTextResponse("served")


async def accept(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("served")
    await socket.close()


@asynccontextmanager
async def plain(served: str = "") -> AsyncIterator[str]:
    """Where a plain port listens. `served`: the networks whose clients need no TLS."""
    app = Starlette(
        routes=[
            Route("/{path:path}", answer, methods=["GET", "POST", "PATCH", "DELETE"]),
            WebSocketRoute("/socket", accept),
        ]
    )
    app.add_middleware(PlainPort, port=5443, served=parse_networks(served))
    server = HttpServer(app, bind("127.0.0.1", 0, "PORT"))
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop()


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_a_request_is_led_to_the_same_resource_with_its_method(method: str) -> None:
    async with plain() as address, httpx.AsyncClient(trust_env=False) as client:
        answered = await client.request(method, f"http://{address}/live/whip/a%20b?token=x", content=b"v=0")

    assert answered.status_code == 308
    assert answered.headers["location"] == "https://127.0.0.1:5443/live/whip/a%20b?token=x"


async def test_a_websocket_is_refused_in_words() -> None:
    async with plain() as address:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://{address}/socket")

    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"use wss:// here")


async def test_a_host_that_is_none_is_refused() -> None:
    async with plain() as address, httpx.AsyncClient(trust_env=False) as client:
        answered = await client.get(f"http://{address}/", headers={"host": "a/b"})

    assert (answered.status_code, answered.text) == (400, "the request's Host is no name or address")


async def test_certificate_authorities_and_trusted_networks_are_served() -> None:
    async with plain() as address, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{address}{CHALLENGES}abc")).text == "served"
    async with plain(served="127.0.0.0/8") as address, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{address}/")).text == "served"
        async with websockets.connect(f"ws://{address}/socket") as socket:
            assert await socket.recv() == "served"
