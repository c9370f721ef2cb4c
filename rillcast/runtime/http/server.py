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
from rillcast.runtime.http.acceptor import Acceptor
from rillcast.runtime.http.ebb import Ebb
from rillcast.runtime.http.last_words import answer_whatever_happens
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.places import NoPlace, Place
from rillcast.runtime.http.protocol import limited_protocol
from rillcast.runtime.http.tls import TlsListener
from rillcast.runtime.http.turns import Turns
from rillcast.runtime.http.websocket import limited_websocket
from rillcast.runtime.keepalive import KeepAlive

RECEIVE_BYTES = 16 * 1024
"""What the system keeps of a connection that was not read (Linux takes twice as much, for its own books). One read
brings no more than that, also while thousands of connections wait for their turn."""
CLIENTS = KeepAlive(idle_s=30, every_s=10, give_up_s=60)
"""For listeners to which clients come. A machine that vanishes closes nothing, and the kernel would send for a quarter
of an hour what nobody confirms, while the answer that goes on without an end has its place. Who reads nothing is cut
off sooner, by whoever sends."""
_GRACE_S = 1.0
"""For what is under way when the server stops."""

DEFAULT_LIMITS = HttpLimits()
"""Of a listener that only the cluster's own nodes and tools use."""


def bind(host: str, port: int, setting: str, keep_alive: KeepAlive | None = None) -> socket.socket:
    """A listening TCP socket. Raises `StartError` naming `setting`, the one that holds the port. `keep_alive`: of the
    connections that it accepts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"port {port} on {host} is in use by another program (setting {setting})") from error
        raise StartError(f"cannot listen on {host}:{port} (setting {setting}): {error.strerror}") from error
    if keep_alive is not None:
        keep_alive.apply(sock)
    sock.setblocking(False)
    return sock


class HttpServer:
    """Runs an ASGI app inside the node's event loop, without touching signal handlers."""

    def __init__(
        self,
        app: Any,
        sock: socket.socket,
        limits: HttpLimits = DEFAULT_LIMITS,
        /,
        *,
        tls: TlsListener | None = None,
        **options: Any,
    ) -> None:
        """`tls`: a second socket; both share the limit of connections. `options` go to `uvicorn.Config`, e.g.
        ``ws_max_size``."""
        self._sock = sock
        self._tls = tls
        places, turns = limits.places, Turns()
        self._ebb = Ebb()
        places.left = self._ebb.ended
        defaults: dict[str, Any] = {
            "access_log": False,
            "lifespan": "off",
            "interface": "asgi3",
            "timeout_graceful_shutdown": 2,
            "timeout_keep_alive": limits.idle_timeout_s,
            "http": limited_protocol(limits, turns),
            "ws": limited_websocket(turns, limits.head_timeout_s, limits.frames),
            "ws_per_message_deflate": False,  # a kilobyte of it may be a megabyte
        }
        config = uvicorn.Config(answer_whatever_happens(app), log_config=None, **(defaults | options))
        acceptors = [Acceptor(one, places, turns, limits.head_timeout_s) for one in _sockets(sock, tls)]
        if tls is not None:
            acceptors[0].certificate = tls.certificate
        self._server = _Server(config, acceptors)
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

    async def run(self) -> None:
        """For the supervisor of the process: returns when `stop` was called. Raises what ended the listener otherwise.
        Call after `start`."""
        if self._task is not None:
            await asyncio.wait([self._task])  # which is `stop`'s to cancel
            if self._server.should_exit:
                return
            self._task.result()
        raise RuntimeError("the HTTP listener ended by itself")

    async def take_no_more(self) -> None:
        """Listen no more, and go on with the connections that there are. Who connects now is refused by the system, so
        a proxy tries another server at once. Nothing happens the second time."""
        self._server.take_no_more()

    async def stop(self) -> None:
        """Take no more connections, and close those that there are. Requests under way get about a second; then they
        are answered 503."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=3)
            self._task.cancel()
        self._ebb.close()
        self._sock.close()
        if self._tls is not None:
            self._tls.sock.close()


def _sockets(plain: socket.socket, tls: TlsListener | None) -> list[socket.socket]:
    """The one for TLS first: whoever knows that the plain one answers may use it as well."""
    return [plain] if tls is None else [tls.sock, plain]


class _Server(uvicorn.Server):
    """Ends what is still under way after a while; uvicorn writes a traceback for each request that it cancels."""

    def __init__(self, config: uvicorn.Config, acceptors: list[Acceptor]) -> None:
        super().__init__(config)
        self._acceptors = acceptors

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, without uvicorn's own listeners."""
        await super().startup([])
        for acceptor in self._acceptors:
            acceptor.listen(self._protocol, self.server_state.connections)
            self.servers.append(acceptor)  # type: ignore[arg-type]

    def take_no_more(self) -> None:
        """Close the listening sockets."""
        for acceptor in self._acceptors:
            acceptor.close()

    def _protocol(self, place: Place | NoPlace) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=None,
            place=place,
        )
        return protocol

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the node."""
        yield

    async def _wait_tasks_to_complete(self) -> None:
        try:
            async with asyncio.timeout(_GRACE_S):
                await super()._wait_tasks_to_complete()
        except TimeoutError:
            await self._cut()
            await super()._wait_tasks_to_complete()

    async def _cut(self) -> None:
        """Close whatever can be given no answer any more, then cancel the requests: they answer 503."""
        connections = self.server_state.connections
        beyond_help = {connection for connection in connections if not _awaits_answer(connection)}
        for connection in beyond_help:
            connection.transport.abort()
        while beyond_help & connections:  # noqa: ASYNC110 - uvicorn tells nobody when one is gone
            await asyncio.sleep(0)
        for task in self.server_state.tasks:
            task.cancel()


def _awaits_answer(connection: Any) -> bool:
    cycle = getattr(connection, "cycle", None)
    return cycle is not None and not cycle.response_started
