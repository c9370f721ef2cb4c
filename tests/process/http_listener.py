"""A listener that is asked byte by byte, and an app behind it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rillcast.runtime import metrics
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.testing.eventually import within

Send = Callable[[dict[str, Any]], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


class Slow:
    """``/slow`` is answered once this is set."""

    answered: asyncio.Event


class Endless:
    """``/endless`` begins an answer that no buffer holds, and says so here."""

    begun: asyncio.Event


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """Answers HTTP with "ok"; accepts WebSockets and keeps them."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    if scope["path"] == "/headers":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": scope["headers"]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    if scope["path"] == "/slow":
        await Slow.answered.wait()
    if scope["path"] == "/endless":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 32_000_000, "more_body": True})
        Endless.begun.set()
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def server(**limits: Any) -> AsyncIterator[HttpServer]:
    made = HttpServer(app, bind("127.0.0.1", 0, "PORT"), HttpLimits(**limits))
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def listener(**limits: Any) -> AsyncIterator[int]:
    async with server(**limits) as made:
        yield made.port


class Connection:
    """A client that writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def rest(self) -> str:
        """Everything until the server closes."""
        async with within(10, "the end of the connection"):
            return (await self.reader.read()).decode()

    async def answer(self) -> bytes:
        """One answer of `app`."""
        async with within(10, "the answer"):
            return await self.reader.readuntil(b"ok")


@asynccontextmanager
async def connected(port: int, first: bytes = b"", address: str = "127.0.0.1") -> AsyncIterator[Connection]:
    """A connection from one of this machine's own addresses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(first)
    yield Connection(reader, writer)
    writer.close()


@asynccontextmanager
async def counted(reason: str, times: int = 1) -> AsyncIterator[None]:
    counter = metrics.HTTP_REFUSED.labels(reason)
    before = counter._value.get()
    yield
    assert counter._value.get() == before + times


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
