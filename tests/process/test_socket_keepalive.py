"""What the app is told of a WebSocket that its server closed by itself, on a real socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from rillcast.runtime.http.server import HttpServer, bind
from rillcast.testing.eventually import within
from services.signaling.app import http_options
from services.signaling.websocket.domain.frames import MAX_FRAME_BYTES
from services.signaling.websocket.domain.socket_end import SAID_BY_SERVER, SocketEnd

UPGRADE = (
    b"GET /live/websocket HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def code_told(behave: Callable[[asyncio.StreamWriter], None], **options: Any) -> int:
    """The code in the app's disconnect message after a client did this and then stayed silent."""
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def app(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            pass
        told.set_result(message["code"])

    server = HttpServer(app, bind("127.0.0.1", 0, "PORT"), **(http_options() | options))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        async with within(10, "the end of the silent connection"):
            writer.write(UPGRADE)
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            behave(writer)
            return await told
    finally:
        writer.close()
        await server.stop()


async def test_a_client_that_answers_no_ping_is_told_from_one_that_left() -> None:
    def silent(writer: asyncio.StreamWriter) -> None:
        pass

    given_up = await code_told(silent, ws_ping_interval=0.05, ws_ping_timeout=0.05)
    left = await code_told(lambda writer: writer.close())

    assert SAID_BY_SERVER.get(given_up) is SocketEnd.KEEPALIVE
    assert left not in SAID_BY_SERVER


async def test_a_frame_beyond_the_limit_is_told_from_a_client_that_left() -> None:
    def shout(writer: asyncio.StreamWriter) -> None:
        length = MAX_FRAME_BYTES + 1
        writer.write(b"\x81\xff" + length.to_bytes(8, "big") + os.urandom(4))

    assert SAID_BY_SERVER.get(await code_told(shout)) is SocketEnd.TOO_LARGE
