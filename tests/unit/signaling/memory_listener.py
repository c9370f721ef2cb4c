"""A listener of signaling that is asked in memory, byte by byte."""

from __future__ import annotations

import asyncio
import logging
import socket
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any

from rillcast.runtime.http.places import Places
from rillcast.runtime.http.server import HttpServer
from rillcast.testing.eventually import within
from services.signaling.app import http_options
from tests.unit.signaling.signaling_harness import Cluster, cluster

LONGEST_LIFE_S = 150.0
"""The longest deadline that a silent client may run into: an upgrade, then two missed pings; or an answer to a join."""
PIECES = 150
"""That a flooding client tries to send, most of 60 KB."""


class MemoryTransport(asyncio.Transport):
    """A connection whose other end is the test. As a real one, it tells the protocol of its end in a later turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any) -> None:
        super().__init__({"peername": ("192.0.2.9", 40_000), "sockname": ("192.0.2.2", 5080)})
        self._loop, self._protocol = loop, protocol
        self._closing = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.ended = asyncio.Event()
        self.sent = bytearray()
        protocol.connection_made(self)

    def feed(self, data: bytes) -> None:
        """Bytes of the client arrive."""
        if not self._closing:
            self._protocol.data_received(data)

    def hang_up(self) -> None:
        """The client is gone."""
        self._close(ConnectionResetError())

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert not self._closing, "written to a connection that is closed"
        self.sent += data

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self.reads.is_set()

    def pause_reading(self) -> None:
        self.reads.clear()

    def resume_reading(self) -> None:
        self.reads.set()

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(None)

    def _close(self, why: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self.reads.set()
            self._loop.call_soon(self._lost, why)

    def _lost(self, why: Exception | None) -> None:
        self._protocol.connection_lost(why)
        self.ended.set()


class Listener:
    """The listener of the service and a running cluster of fakes, on a loop of its own."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._places = Places(1_000)
        self._stack = AsyncExitStack()
        self.problems: list[str] = []

    async def open(self) -> None:
        self.cluster: Cluster = await self._stack.enter_async_context(cluster())
        await self.cluster.go_live("s1")
        ours, self._theirs = socket.socketpair()
        server = HttpServer(self.cluster.service.asgi, ours, **http_options())
        self._config, self._state = server._server.config, server._server.server_state
        self._config.load()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.problems.append(repr(context)))
        self._stack.callback(ours.close)
        self._stack.callback(self._theirs.close)

    async def close(self) -> None:
        await self._stack.aclose()

    def connect(self) -> MemoryTransport:
        """As the listener does for every connection."""
        make: Any = self._config.http_protocol_class
        place = self._places.take("192.0.2.9", lambda: None)
        protocol = make(config=self._config, server_state=self._state, app_state={}, place=place)
        return MemoryTransport(asyncio.get_running_loop(), protocol)

    async def life(self, pieces: list[bytes], *, hangs_up: bool, patience_s: float = 0.0) -> bytes:
        """A client that sends `pieces` and then nothing. Returns what it was answered, once the connection is over."""
        transport = self.connect()
        for piece in pieces:
            async with within(LONGEST_LIFE_S, "the app reading"):
                await transport.reads.wait()
            transport.feed(piece)
            await asyncio.sleep(patience_s)
        if hangs_up:
            transport.hang_up()
        async with within(LONGEST_LIFE_S, "the end of the connection"):
            await transport.ended.wait()
        await asyncio.sleep(1.0)  # what the client has begun goes on without it
        return bytes(transport.sent)

    def run(self, pieces: list[bytes], *, hangs_up: bool = False, patience_s: float = 0.0) -> bytes:
        answered = self._runner.run(self.life(pieces, hangs_up=hangs_up, patience_s=patience_s))
        assert self.problems == []
        assert not self._state.connections
        return answered

    def flood(self, begin: bytes, piece: bytes) -> tuple[int, int]:
        """A client that sends `begin` and then `piece` over and over, as soon as it is read. Returns how much was taken
        and how much memory that cost at most, both in bytes."""
        return self._runner.run(self._flood(begin, piece))

    async def _flood(self, begin: bytes, piece: bytes) -> tuple[int, int]:
        transport = self.connect()
        transport.feed(begin)
        await asyncio.sleep(0)
        taken = 0
        tracemalloc.start()
        try:
            while taken < PIECES and not transport.is_closing():
                async with asyncio.timeout(0.5):
                    await transport.reads.wait()
                transport.feed(piece)
                taken += 1
                await asyncio.sleep(0)
        except TimeoutError:
            pass  # it is not read any more
        finally:
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        transport.hang_up()
        await transport.ended.wait()
        await asyncio.sleep(1.0)
        return taken * len(piece), most


class NoErrors(logging.Handler):
    """Keeps what was logged as an error: a fault of the client is none."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record.getMessage())
