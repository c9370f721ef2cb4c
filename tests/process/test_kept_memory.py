"""What a connection brought and was done with is not kept for as long as the connection is idle. Nobody counts it any
more, and there may be thousands of connections."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from rillcast.runtime.http.server import HttpServer, bind
from rillcast.testing.eventually import eventually, within
from tests.process.http_listener import server

Event = dict[str, Any]
CONNECTIONS = 20
LARGE = 60_000
IDLE = 15_000
"""Bytes that Python may have of an idle connection: less than a part of what was sent."""
UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: here\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)


async def taking(
    scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
) -> None:
    """Says of each message that it was taken, and keeps none."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "taken"})


class Grown:
    """What Python has taken since a moment, for each connection."""

    each = 0.0


@contextmanager
def traced() -> Iterator[Grown]:
    tracemalloc.start()
    before, grown = tracemalloc.get_traced_memory()[0], Grown()
    try:
        yield grown
        grown.each = (tracemalloc.get_traced_memory()[0] - before) / CONNECTIONS
    finally:
        tracemalloc.stop()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Connections that stay open until the end of the block."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.close()


def frame(opcode: int, size: int, *, fin: bool) -> bytes:
    return bytes([(0x80 if fin else 0) | opcode, 0x80 | 126]) + size.to_bytes(2, "big") + bytes(4) + b"x" * size


@pytest.mark.parametrize(
    "message",
    [
        frame(1, LARGE, fin=True),
        frame(2, LARGE, fin=True),
        frame(1, LARGE, fin=False) + frame(0, LARGE, fin=True),
    ],
    ids=["text", "bytes", "fragments"],
)
async def test_the_last_message_of_a_websocket_that_says_no_more_is_not_kept(message: bytes) -> None:
    listener = HttpServer(taking, bind("127.0.0.1", 0, "PORT"))
    await listener.start()
    async with connected(listener.port) as streams:
        for reader, writer in streams:
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")

        with traced() as grown:
            for reader, writer in streams:
                writer.write(message)
                async with within(30, "the word that it was taken"):
                    assert await reader.readexactly(7) == b"\x81\x05taken"
            await eventually(lambda: tracemalloc.get_traced_memory()[0] < CONNECTIONS * IDLE, 10, "messages, freed")
    await listener.stop()

    assert grown.each < IDLE


async def test_a_body_that_nobody_read_is_not_kept_once_its_request_is_answered() -> None:
    request = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % LARGE + b"x" * LARGE
    async with server(unread_body_timeout_s=30) as listener, connected(listener.port) as streams:
        with traced() as grown:
            for reader, writer in streams:
                writer.write(request)
                async with within(30, "the answer"):
                    await reader.readuntil(b"ok")
            await eventually(
                lambda: tracemalloc.get_traced_memory()[0] < CONNECTIONS * IDLE, 10, "what was read, freed"
            )

    assert grown.each < IDLE
