"""What one WebSocket may do below the application, on a real socket."""

from __future__ import annotations

import asyncio
import inspect
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from rillcast.runtime import metrics
from rillcast.runtime.http import protocol, transport, websocket
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.runtime.http.turns import WORK_PER_TURN
from rillcast.runtime.http.websocket import FLOOD_CODE, FRAMES_PER_SLICE, MESSAGES_PER_TURN, FrameLimits
from rillcast.testing.eventually import eventually, within

Event = dict[str, Any]
UPGRADE = (
    "GET {path} HTTP/1.1\r\nhost: here\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{headers}\r\n"
)
CONT, TEXT, PING, PONG = 0, 1, 9, 10


class App:
    """Keeps WebSockets and what they send; ``/refused`` is refused."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.has_closed = False

    async def __call__(
        self, scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        if scope["path"] == "/refused":
            await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"no"})
            return
        await send({"type": "websocket.accept"})
        while not self.events or self.events[-1]["type"] != "websocket.disconnect":
            self.events.append(await receive())
            if self.events[-1].get("text", "").startswith("fill"):
                await send({"type": "websocket.send", "bytes": b"x" * 8_000_000})
            if self.events[-1].get("text") == "fill and close":
                await send({"type": "websocket.close", "code": 1013, "reason": "slow"})
                self.has_closed = True


def frame(opcode: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    return bytes([fin << 7 | opcode, 0x80 | len(data)]) + bytes(4) + data


@asynccontextmanager
async def listener(app: Any, limits: HttpLimits | None = None, **options: Any) -> AsyncIterator[int]:
    server = HttpServer(app, bind("127.0.0.1", 0, "PORT"), limits or HttpLimits(), **options)
    await server.start()
    yield server.port
    await server.stop()


@asynccontextmanager
async def asking(port: int, path: str = "/", headers: str = "", address: str = "127.0.0.1") -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(UPGRADE.format(path=path, headers=headers).encode())
    yield reader, writer
    writer.close()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def opened(reader: asyncio.StreamReader) -> None:
    async with within(10, "the upgrade"):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with within(10, "the end of the connection"):
        return await reader.read()


def refused(reason: str) -> float:
    value: float = metrics.WEBSOCKETS_REFUSED.labels(reason)._value.get()
    return value


FLOODS = {
    "pings": frame(PING) * 5_000,
    "pongs": frame(PONG) * 5_000,
    "fragments": frame(TEXT, fin=False) + frame(CONT, fin=False) * 5_000,
    "first fragments of many": (frame(TEXT, fin=False) + frame(CONT)) * 5_000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_flood_of_frames_that_no_application_sees_closes_the_socket(flood: bytes) -> None:
    app, before = App(), refused("flood")
    async with listener(app) as port, asking(port) as (reader, writer):
        await opened(reader)
        writer.write(flood)
        with suppress(ConnectionResetError):
            assert b"\x88\x07" + struct.pack("!H", 1008) + b"flood" in await rest(reader)
        await eventually(lambda: app.events[-1].get("code") == FLOOD_CODE, what="the application's last event")
    assert refused("flood") == before + 1


async def test_as_many_pings_as_are_allowed_at_once_are_answered() -> None:
    async with listener(App()) as port, asking(port) as (reader, writer):
        await opened(reader)
        writer.write(frame(PING, b"p") * FrameLimits().burst)
        async with within(10, "the pongs"):
            assert await reader.readexactly(3 * FrameLimits().burst) == b"\x8a\x01p" * FrameLimits().burst


async def test_a_message_of_too_many_fragments_closes_the_socket_however_slowly_they_come() -> None:
    app, limits = App(), HttpLimits(frames=FrameLimits(per_s=1e9, fragments=3))
    async with listener(app, limits) as port, asking(port) as (reader, writer):
        await opened(reader)
        writer.write(frame(TEXT, b"a", fin=False) + frame(CONT, b"b", fin=False) + frame(CONT, b"c"))
        await eventually(lambda: app.events[-1].get("text") == "abc", what="three fragments")
        writer.write(frame(TEXT, fin=False) + frame(CONT, fin=False) * 3)
        assert struct.pack("!H", 1008) + b"flood" in await rest(reader)


@pytest.mark.parametrize(
    "begun",
    [frame(TEXT, b"x" * 120)[:-20], frame(TEXT, b"x" * 50, fin=False) + frame(CONT, b"x" * 50, fin=False)],
    ids=["a frame", "fragments"],
)
async def test_messages_without_an_end_have_a_share_for_each_address(begun: bytes) -> None:
    app, before = App(), refused("unfinished")
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listener(app, HttpLimits(unfinished_bytes=480)))

        async def beginning(address: str) -> Streams:
            reader, writer = await stack.enter_async_context(asking(port, address=address))
            await opened(reader)
            writer.write(begun)
            return reader, writer

        several = [await beginning(f"127.0.0.{last}") for last in (1, 1, 2)]
        third, _ = await beginning("127.0.0.1")
        assert struct.pack("!H", 1008) + b"too much has no end" in await rest(third)
        for _ in range(2):  # at its end a message gives its room back
            for _, writer in several:
                writer.write((bytes(20) if begun[0] & 0x80 else frame(CONT)) + begun)
        await eventually(lambda: sum("text" in event for event in app.events) == 6, what="six messages")
    assert refused("unfinished") == before + 1


async def test_a_message_has_a_time_to_end() -> None:
    app, limits, before = App(), HttpLimits(frames=FrameLimits(message_timeout_s=0.1)), refused("message_too_late")
    async with listener(app, limits) as port, asking(port) as (reader, writer), asking(port) as (quiet, other):
        await opened(quiet)
        other.write(frame(TEXT, b"whole") + frame(PING, b"p")[:-1])
        await eventually(lambda: app.events[-1].get("text") == "whole", what="the message")
        other.write(b"p")
        async with within(10, "the pong"):
            await quiet.readexactly(3)
        await opened(reader)
        writer.write(frame(TEXT, b"x", fin=False) + frame(CONT)[:1])
        assert struct.pack("!H", 1008) + b"a message took too long" in await rest(reader)
        assert not quiet.at_eof()
    assert refused("message_too_late") == before + 1


async def test_messages_are_parsed_no_faster_than_the_application_takes_them() -> None:
    app = App()
    async with listener(app) as port, asking(port) as (reader, writer):
        await opened(reader)
        writer.write(frame(TEXT, b"x") * 20_000)
        await eventually(lambda: len(app.events) >= 20_001, what="all messages")
        assert [event["text"] for event in app.events[1:]] == ["x"] * 20_000


async def test_one_turn_of_the_event_loop_takes_few_messages_of_a_client() -> None:
    app, turn, taken = App(), 0, dict[int, int]()

    async def counted(
        scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        async def observed() -> Event:
            event = await receive()
            taken[turn] = taken.get(turn, 0) + 1
            return event

        await app(scope, observed, send)

    async def turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async with listener(counted) as port, asking(port) as (reader, writer):
        await opened(reader)
        counting = asyncio.create_task(turns())
        writer.write(frame(TEXT, b"x") * 5_000)
        await eventually(lambda: len(app.events) >= 5_001, what="all messages")
        counting.cancel()
    assert max(taken.values()) <= MESSAGES_PER_TURN + 1


async def test_one_turn_takes_few_messages_of_all_sockets_together_and_another_address_is_next() -> None:
    turn, taken, seen = 0, dict[int, int](), list[str]()

    async def counted(
        scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.receive":
                taken[turn] = taken.get(turn, 0) + 1
                seen.append(event["text"])

    async def turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    sockets, each = 40, 400
    async with listener(counted) as port, AsyncExitStack() as clients:
        flood = [await clients.enter_async_context(asking(port)) for _ in range(sockets)]
        another = await clients.enter_async_context(asking(port, address="127.0.0.2"))
        for reader, _ in (*flood, another):
            await opened(reader)
        counting = asyncio.create_task(turns())
        for _, writer in flood:
            writer.write(frame(TEXT, b"x") * each)
        await eventually(lambda: len(seen) > sockets, what="the flood")
        before = len(seen)
        another[1].write(frame(TEXT, b"another"))
        await eventually(lambda: len(seen) > sockets * each, what="all messages")
        counting.cancel()
    assert max(taken.values()) <= 2 * (WORK_PER_TURN + FRAMES_PER_SLICE)
    assert seen.index("another") - before < sockets * each / 2, "it did not wait for the flood to end"


async def test_no_socket_is_compressed() -> None:
    offer = "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"
    async with listener(App()) as port, asking(port, headers=offer) as (reader, writer):
        async with within(10, "the end of the connection"):
            assert b"extensions" not in (await reader.readuntil(b"\r\n\r\n")).lower()
        writer.write(b"\xc1\x80" + bytes(4))  # as if it were
        assert (await rest(reader)).startswith(b"\x88")


UNANSWERED = {
    "many headers": ("/", "x: y\r\n" * 200, b"431 "),
    "a long header": ("/", f"x: {'y' * 9_000}\r\n", b"431 "),
    "a long path": ("/" + "p" * 9_000, "", b"414 "),
    "a body": ("/", "content-length: 10\r\n", b"400 "),
    "a body in chunks": ("/", "transfer-encoding: chunked\r\n", b"400 "),
}


@pytest.mark.parametrize(("path", "headers", "status"), UNANSWERED.values(), ids=UNANSWERED)
async def test_a_handshake_that_is_none_is_answered_at_once(path: str, headers: str, status: bytes) -> None:
    async with listener(App()) as port, asking(port, path, headers) as (reader, _):
        assert (await rest(reader)).startswith(b"HTTP/1.1 " + status)


async def test_a_handshake_that_nobody_completes_is_answered() -> None:
    async def never(scope: Event, receive: object, send: object) -> None:
        await asyncio.Event().wait()

    before = refused("handshake_too_late")
    server = HttpServer(never, bind("127.0.0.1", 0, "PORT"), HttpLimits(head_timeout_s=0.1))
    await server.start()
    async with asking(server.port) as (reader, _):
        assert (await rest(reader)).startswith(b"HTTP/1.1 408 ")
    await server.stop()
    assert refused("handshake_too_late") == before + 1


async def test_a_refused_handshake_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with listener(App()) as port, asking(port, "/refused") as (reader, _):
        assert (await rest(reader)).startswith(b"HTTP/1.1 404 ")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_text_that_is_not_utf_8_is_counted_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    before = refused("not_utf8")
    async with listener(App()) as port, asking(port) as (reader, writer):
        await opened(reader)
        writer.write(frame(TEXT, b"\xff"))
        assert await rest(reader) == b"\x88\x02" + struct.pack("!H", 1007)
    assert refused("not_utf8") == before + 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_never_reads_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CHECK_S", 0.05)
    app = App()
    options = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    async with listener(app, HttpLimits(connections=1), **options) as port, asking(port) as (reader, writer):
        await opened(reader)
        writer.write(frame(TEXT, b"fill"))
        writer.transport.pause_reading()  # type: ignore[attr-defined]

        async def another_is_let_in() -> bool:
            async with asking(port) as (answers, _):
                return (await answers.readuntil(b"\r\n")).startswith(b"HTTP/1.1 101 ")

        await eventually(another_is_let_in, what="the place of the one who never reads")


async def test_a_client_that_never_reads_is_closed_without_waiting_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CHECK_S", 3600.0)
    app = App()
    async with listener(app) as port, asking(port) as (reader, writer):
        await opened(reader)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(frame(TEXT, b"fill and close"))
        await eventually(lambda: app.has_closed, what="the end of the application's close")
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await rest(reader)).endswith(struct.pack("!H", 1013) + b"slow")
    assert app.events[-1] == {"type": "websocket.disconnect", "code": 1013, "reason": "slow"}


def test_the_pinned_uvicorn_has_what_is_overridden_here() -> None:
    pins = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"uvicorn=={version("uvicorn")}"' in pins
    pairs: list[tuple[type, type]] = [
        (websocket._LimitedWebSocket, WebSocketsSansIOProtocol),
        (protocol._LimitedProtocol, HttpToolsProtocol),
    ]
    for ours, theirs in pairs:
        public = {name for name, _ in inspect.getmembers(ours, inspect.isfunction) if not name.startswith("_")}
        assert public <= set(dir(theirs))
