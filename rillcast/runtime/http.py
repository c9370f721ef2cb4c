"""Serving HTTP inside a node's event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from rillcast.runtime.errors import StartError
from rillcast.runtime.http_limits import HttpLimits, limited_protocol
from rillcast.runtime.http_websocket import limited_websocket

DEFAULT_LIMITS = HttpLimits()
"""Of a listener that only the cluster's own nodes and tools use."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening TCP socket. Raises `StartError` naming `setting`, the one that holds the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"port {port} on {host} is in use by another program (setting {setting})") from error
        raise StartError(f"cannot listen on {host}:{port} (setting {setting}): {error.strerror}") from error
    sock.setblocking(False)
    return sock


class HttpServer:
    """Runs an ASGI app inside the node's event loop, without touching signal handlers."""

    def __init__(self, app: Any, sock: socket.socket, limits: HttpLimits = DEFAULT_LIMITS, /, **options: Any) -> None:
        """`options` go to `uvicorn.Config`, e.g. ``ws_max_size``."""
        self._sock = sock
        defaults: dict[str, Any] = {
            "access_log": False,
            "lifespan": "off",
            "timeout_graceful_shutdown": 1,
            "timeout_keep_alive": limits.idle_timeout_s,
            "http": limited_protocol(limits),
            "ws": limited_websocket(limits.head_timeout_s, limits.frames),
        }
        config = uvicorn.Config(app, log_config=None, **(defaults | options))
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port on which the server listens, also when any free one was asked for."""
        port: int = self._sock.getsockname()[1]
        return port

    async def start(self) -> None:
        """Answer requests from now on; returns once the listener does."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._sock]), name="http")
        async with asyncio.timeout(5):
            while not self._server.started:
                if self._task.done():
                    await self._task
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Close all connections within about a second."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=3)
            self._task.cancel()
        self._sock.close()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the node."""
        yield
