"""A webhook: a real HTTP server on loopback that remembers what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl


class Told:
    """A request that came, with what the sender says of itself."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        """By their names in lower case."""
        self.body = body

    @property
    def fields(self) -> dict[str, Any]:
        """What the body says, as JSON or as a form."""
        if self.headers["content-type"] == "application/json":
            fields: dict[str, Any] = json.loads(self.body)
            return fields
        return dict(parse_qsl(self.body.decode()))

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.headers["x-rillcast-event-id"]


class Receiver:
    """Answers with `statuses`, one after the other, and then with 200. While `hangs` it answers nobody."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.statuses: list[int] = []
        self.hangs = False
        self.url = ""

    def actions(self) -> list[str]:
        """What it was told, in the order in which it came."""
        return [one.fields["action"] for one in self.told]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.partition(":") for line in lines[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                self.told.append(Told(headers, await reader.readexactly(int(headers.get("content-length", "0")))))
                if self.hangs:
                    await asyncio.Event().wait()
                status = self.statuses.pop(0) if self.statuses else 200
                writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook that listens meanwhile."""
    made = Receiver()
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.close()
