"""Accepts connections for TLS and gives what is decrypted to a listener's protocol.

The event loop's own listener counts no connection before its handshake is over, and lets a handshake take a minute.
Here a connection has its place, and its deadline, from the moment it is accepted.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rillcast.runtime import metrics
from rillcast.runtime.http.certificate import ServerCertificate
from rillcast.runtime.http.places import Place, Places

ACCEPTED_PER_TURN = 32
"""Of the event loop, so that a flood of connections leaves time for others."""
SHUTDOWN_TIMEOUT_S = 2.0
"""For the other side's answer to our end of TLS."""
REST_S = 1.0
"""How long nobody is accepted when the process has no file descriptor left."""
_NOBODY_THERE = frozenset({errno.EAGAIN, errno.EINTR, errno.ECONNABORTED})


@dataclass(frozen=True)
class TlsListener:
    """A second socket of a server, on which TLS is spoken."""

    sock: socket.socket
    certificate: ServerCertificate


class Handshake:
    """Stands among a server's connections until its handshake is over, as uvicorn's protocols do: with `shutdown` and a
    transport that can be aborted."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.transport = self

    def shutdown(self) -> None:
        """Called when the server stops."""
        self.abort()

    def abort(self) -> None:
        """The same, at once."""
        if self.task is not None:
            self.task.cancel()

    def give_way(self) -> None:
        """All places are taken, and this one has been in its handshake for longest."""
        metrics.HTTP_REFUSED.labels("gave_way").inc()
        self.abort()


class TlsAcceptor:
    """Listens on one socket. Has what uvicorn asks of a server: `close` and `wait_closed`."""

    def __init__(self, listener: TlsListener, places: Places, handshake_timeout_s: float) -> None:
        """`places`: of the server, also for those without TLS. A handshake has one, and counts as idle."""
        self._listener = listener
        self._places = places
        self._timeout_s = handshake_timeout_s
        self._rest: asyncio.TimerHandle | None = None

    def listen(self, protocol: Callable[[Place], asyncio.Protocol], connections: set[Any]) -> None:
        """Accept from now on. `protocol` makes the one that gets what is decrypted, and the place; it adds itself to
        `connections`."""
        self._protocol = protocol
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._listen()

    def close(self) -> None:
        """Accept nobody any more."""
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._listener.sock.fileno())

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: handshakes stand among the server's connections."""

    def _listen(self) -> None:
        self._rest = None
        self._loop.add_reader(self._listener.sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_PER_TURN):
            try:
                sock, address = self._listener.sock.accept()
            except OSError as error:
                if error.errno not in _NOBODY_THERE:
                    metrics.HTTP_REFUSED.labels("no_descriptor").inc()
                    self._loop.remove_reader(self._listener.sock.fileno())
                    self._rest = self._loop.call_later(REST_S, self._listen)
                return
            self._admit(sock, address[0])

    def _admit(self, sock: socket.socket, host: str) -> None:
        """Begin the handshake, or close: before it nothing can be said."""
        loaded, handshake = self._listener.certificate.loaded, Handshake()
        place = "no_certificate" if loaded is None else self._places.take(host, handshake.give_way)
        if loaded is None or not isinstance(place, Place):
            metrics.HTTP_REFUSED.labels(place).inc()
            sock.close()
            return
        sock.setblocking(False)
        handshake.task = task = self._loop.create_task(self._shake_hands(sock, loaded.context, place))
        self._connections.add(handshake)
        task.add_done_callback(lambda _: self._connections.discard(handshake))

    async def _shake_hands(self, sock: socket.socket, context: ssl.SSLContext, place: Place) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocol(place),
                sock,
                ssl=context,
                ssl_handshake_timeout=self._timeout_s,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        except OSError as error:
            # Python's loop and uvloop raise this one type for all, and say so in these words.
            reason = "tls_handshake_late" if "taking longer than" in str(error) else "tls_handshake"
            metrics.HTTP_REFUSED.labels(reason).inc()
            place.leave()
        except asyncio.CancelledError:
            place.leave()
            raise
