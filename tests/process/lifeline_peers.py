"""Both ends of lifelines and of questions: a node, an observer, and others that only behave like one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery import questions as questions_module
from rillcast.runtime.discovery.questions import Questions
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.places import Places
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.process.admin import admin_app
from rillcast.runtime.process.identity import is_signed_by
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.readiness import Readiness
from rillcast.testing.bus import FakeBus

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def described(port: int, node: str = "edge-1", incarnation: str = "1", identity: str = "") -> NodeInfo:
    return NodeInfo(
        node=NodeId(node),
        kind=NodeKind.EDGE,
        version="0",
        admin_address=f"127.0.0.1:{port}",
        incarnation=incarnation,
        identity=identity,
    )


class Admin:
    """The admin listener of one node."""

    def __init__(self, places: Places, limits: HttpLimits) -> None:
        sock = bind("127.0.0.1", 0, "ADMIN_PORT")
        self.info = described(sock.getsockname()[1])
        self.lifelines = Lifelines(lambda: self.info, places)
        self.http = HttpServer(admin_app(Readiness(), dict, self.lifelines), sock, limits)


@asynccontextmanager
async def admin(places: Places | None = None, limits: HttpLimits | None = None) -> AsyncIterator[Admin]:
    node = Admin(places or Places(100), limits or HttpLimits(connections=20))
    await node.http.start()
    try:
        yield node
    finally:
        await node.lifelines.close()
        await node.http.stop()


@asynccontextmanager
async def peer(behave: Behave) -> AsyncIterator[NodeInfo]:
    """Something else that listens where a node should."""
    async with AsyncExitStack() as stack:
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await behave(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        yield described(server.sockets[0].getsockname()[1])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# ---- something else at the other end


def answer(body: bytes, length: int, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n".encode() + body


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def says(*pieces: bytes, pause_s: float = 0.0, then: Behave | None = None) -> Behave:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        if then is not None:
            await then(reader, writer)

    return behave


# ---- questions


@asynccontextmanager
async def questions(bus: FakeBus | None = None, *, patience_s: float = 30.0) -> AsyncIterator[Questions]:
    """`patience_s`: how long each answer may take. By default longer than any machine is busy with other things."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(questions_module, "QUESTION_S", patience_s)
        asking = Questions(bus or FakeBus(), is_signed_by)
        try:
            yield asking
        finally:
            await asking.close()
