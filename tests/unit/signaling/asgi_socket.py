"""A WebSocket client that speaks ASGI to an app in the same process: no port, no real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from rillcast.testing.eventually import within

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

CLIENT = ("127.0.0.1", 50_000)
SERVER = ("127.0.0.1", 5080)


class Denied(Exception):
    """The app answered the upgrade with an HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the upgrade was answered {status}")
        self.status = status


class Closed(Exception):
    """The app closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}")
        self.code, self.reason = code, reason


class AsgiSocket:
    """One open socket."""

    def __init__(self) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._left = False
        self.headers: dict[str, str] = {}
        """Of the answer to the upgrade."""
        self.reads = asyncio.Event()
        """Whether the client reads; while it does not, nothing more can be sent to it."""
        self.reads.set()

    async def run(self, app: App, path: str, cookie: str) -> None:
        """What the server does with a client that asks for `path`."""
        route, _, query = path.partition("?")
        scope: Message = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": route,
            "raw_path": route.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1:5080"), *([(b"cookie", cookie.encode())] if cookie else [])],
            "client": CLIENT,
            "server": SERVER,
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self._to_app.put_nowait({"type": "websocket.connect"})
        await app(scope, self._to_app.get, self._take)

    async def opened(self) -> None:
        """Returns when the app accepts. Raises `Denied`."""
        answer = await self._from_app.get()
        if answer["type"] == "websocket.http.response.start":
            raise Denied(answer["status"])
        if answer["type"] == "websocket.close":
            raise Denied(403)
        assert answer["type"] == "websocket.accept", answer
        self.headers = {name.decode(): value.decode() for name, value in answer.get("headers", [])}

    async def send(self, frame: str | bytes) -> None:
        """A text frame, or a binary one."""
        self._to_app.put_nowait({"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame})

    async def recv(self) -> str:
        """The next text frame. Raises `Closed` when the app has closed the socket."""
        message = await self._from_app.get()
        if message["type"] == "websocket.close":
            self._left = True
            raise Closed(message.get("code", 1000), message.get("reason") or "")
        assert message["type"] == "websocket.send", message
        text: str = message["text"]
        return text

    def arrived(self) -> list[str]:
        """The frames that have come and were not read yet, and how the socket was closed if it was."""
        frames = []
        while not self._from_app.empty():
            message = self._from_app.get_nowait()
            if message["type"] == "websocket.close":
                self._left = True
                frames.append(f"closed with {message.get('code', 1000)} {message.get('reason') or ''}".rstrip())
            else:
                frames.append(message["text"] if message.get("text") is not None else repr(message.get("bytes")))
        return frames

    async def close(self) -> None:
        """Leave. What the app sends later fails, as on a socket that is gone."""
        if not self._left:
            self._left = True
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1000, "reason": ""})

    async def _take(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            await self.reads.wait()
        if self._left:
            raise OSError("the client is gone")
        self._from_app.put_nowait(message)


@asynccontextmanager
async def asgi_socket(app: App, path: str, cookie: str = "") -> AsyncIterator[AsgiSocket]:
    """An open socket to `app`. At the end the client leaves, and the app must come to its end; its error is raised."""
    socket = AsgiSocket()
    serving = asyncio.create_task(socket.run(app, path, cookie))
    try:
        async with within(5, "the socket being open"):
            await socket.opened()
        yield socket
    finally:
        await socket.close()
        async with within(5, "the end of the app"):
            await serving
