"""The handshake of a WebSocket is parsed once, and answered as `websockets` would answer it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from rillcast.runtime.http import protocol, websocket
from rillcast.runtime.http.server import HttpServer, bind
from rillcast.testing.eventually import within

Event = dict[str, Any]
UPGRADE = (
    b"upgrade: websocket\r\nconnection: keep-alive, Upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"sec-websocket-version: 13\r\n"
)
OCTETS = [bytes([octet]) for octet in b'\0\1\t\v\x1f !"#%(),/:;=?@[\\]^`{|}~\x7f\x80\xa0\xc3\xff']
"""Those that one parser or the other may take for something else than a letter."""
HEADS = {
    "plain": b"GET /a HTTP/1.1\r\nHost: here\r\n" + UPGRADE,
    "spaces around": b"GET /a?b=%20c HTTP/1.1\r\nHost: \t here \t \r\nX: \r\n" + UPGRADE,
    "many of one name": b"GET /a HTTP/1.1\r\nX: 1\r\nx: 2\r\nSec-WebSocket-Protocol: a, b\r\n" + UPGRADE,
    "POST": b"POST /a HTTP/1.1\r\n" + UPGRADE,
    "an empty body": b"GET /a HTTP/1.1\r\nContent-Length: 0\r\n" + UPGRADE,
    "HTTP/1.0": b"GET /a HTTP/1.0\r\n" + UPGRADE,
    "a long line": b"GET /a HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n" + UPGRADE,
    "a long address": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + UPGRADE,
    "an address that is no ASCII": b"GET /\xc3\xa4 HTTP/1.1\r\n" + UPGRADE,
    "no key": b"GET /a HTTP/1.1\r\n" + UPGRADE.replace(b"sec-websocket-key", b"x"),
    "two keys": b"GET /a HTTP/1.1\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + UPGRADE,
    "another version": b"GET /a HTTP/1.1\r\n" + UPGRADE.replace(b"13", b"7"),
    "a folded line": b"GET /a HTTP/1.1\r\nX: a\r\n b\r\n" + UPGRADE,
}


class App:
    """Takes every socket, and remembers what it was told of each."""

    def __init__(self) -> None:
        self.scopes: list[Event] = []

    async def __call__(
        self, scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        told = {name: scope.get(name) for name in ("path", "raw_path", "query_string", "headers", "subprotocols")}
        self.scopes.append(told)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.connect"
        assert (await receive())["text"] == "hello"
        await send({"type": "websocket.close", "code": 1000, "reason": "heard"})


async def answers(heads: list[bytes]) -> list[tuple[str, list[Event], bytes]]:
    """Of a listener to each of the heads: the first line, what the app was told, and what came after the head when
    "hello" had been sent."""
    app, found = App(), []
    server = HttpServer(app, bind("127.0.0.1", 0, "PORT"))
    await server.start()
    async with within(60, "all answers"):
        for head in heads:
            app.scopes.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head + b"\r\n")
            first = await reader.readline()
            while await reader.readline() not in (b"\r\n", b""):
                pass
            writer.write(b"\x81\x85\0\0\0\0hello")
            rest = await reader.readexactly(9) if b" 101 " in first else b""
            found.append((first.decode(), list(app.scopes), rest))
            writer.close()
    await server.stop()
    return found


@pytest.mark.parametrize(
    "heads",
    [
        list(HEADS.values()),
        [b"GET /a HTTP/1.1\r\nX: a" + octet + b"b\r\n" + UPGRADE for octet in OCTETS],
        [b"GET /a HTTP/1.1\r\nX" + octet + b"y: a\r\n" + UPGRADE for octet in OCTETS],
        [b"GET /a" + octet + b"b HTTP/1.1\r\n" + UPGRADE for octet in OCTETS],
    ],
    ids=["heads", "values", "names", "addresses"],
)
async def test_a_handshake_that_was_parsed_once_is_answered_as_if_it_was_parsed_twice(
    heads: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    once = await answers(heads)
    monkeypatch.setattr(protocol, "plain_handshake", lambda path, headers: None)
    twice = await answers(heads)
    assert once == twice
    assert "HTTP/1.1 101 Switching Protocols\r\n" in {first for first, _, _ in once}


async def test_a_plain_handshake_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Request] = []

    def take(sansio: WebSocketsSansIOProtocol, request: Request) -> None:
        taken.append(request)
        websocket.take_handshake(sansio, request)

    monkeypatch.setattr(protocol, "take_handshake", take)
    ((first, scopes, rest),) = await answers([HEADS["plain"]])
    assert first.startswith("HTTP/1.1 101 ") and scopes[0]["path"] == "/a" and rest == b"\x88\x07\x03\xe8heard"
    assert [request.path for request in taken] == ["/a"]
