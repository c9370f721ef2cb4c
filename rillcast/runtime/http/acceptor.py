"""Accepts the connections of a listener, and gives each its protocol when it has its turn.

The event loop's own listener accepts whatever has come in one turn, and makes a protocol for each: a flood of
connections holds it for as long as it lasts. With TLS it counts no connection before its handshake is over, and lets a
handshake take a minute. Here a connection has its place, and its deadline, from the moment it is accepted; the rest
waits for its turn.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Hashable
from typing import Any

from rillcast.runtime import metrics
from rillcast.runtime.http.certificate import ServerCertificate
from rillcast.runtime.http.places import NoPlace, Place, Places
from rillcast.runtime.http.tls import SHUTDOWN_TIMEOUT_S, Handshakes
from rillcast.runtime.http.turns import CONNECTION_WORK, HANDSHAKE_WORK, Turns

ACCEPTED_PER_TURN = 32
"""Of the event loop: a millisecond."""
MOST_ARRIVING = 8
"""Accepted connections of which is not known yet whether they are idle. It is less than any address may have."""
BACKLOG = 2_048
"""Connections that the system keeps until they are accepted."""
REST_S = 1.0
"""How long nobody is accepted when the process has no file descriptor left."""
TURNS_TO_LOOK = 3
"""Until a protocol knows whether its connection is idle."""
MOST_REFUSED = 32
"""Clients without a place that wait to be told so; others are cut off without a word."""
_NOBODY_THERE = frozenset({errno.EAGAIN, errno.EINTR, errno.ECONNABORTED})

MakeProtocol = Callable[[Place | NoPlace], asyncio.Protocol]
"""Of one connection, from its place, or from the reason why it has none."""


class Acceptor:
    """Listens on one socket. Has what uvicorn asks of a server: `close` and `wait_closed`."""

    def __init__(self, sock: socket.socket, places: Places, turns: Turns, timeout_s: float) -> None:
        """`places` and `turns`: of the server, for all its sockets. `timeout_s`: of a handshake, and of the time until
        it begins."""
        self._sock = sock
        self._places = places
        self.turns = turns
        self.timeout_s = timeout_s
        self.certificate: ServerCertificate | None = None
        """None: without TLS."""
        self._refused = 0
        self._arriving = 0
        """Accepted connections that wait for their turn, or for their first look at what has come. The system keeps the
        others: whoever waits here has a place and can't give way."""
        self._rest: asyncio.TimerHandle | None = None

    def listen(self, protocol: MakeProtocol, connections: set[Any]) -> None:
        """Accept from now on. `protocol` adds itself to `connections`, among which a connection stands that has none
        yet."""
        self.protocol = protocol
        self.connections = connections
        self.loop = asyncio.get_running_loop()
        self.handshakes = Handshakes(self.loop.time)
        self._sock.listen(BACKLOG)
        self._listen()

    def close(self) -> None:
        """Accept nobody any more. Nothing happens the second time."""
        if self._sock.fileno() < 0:
            return
        if self._rest is not None:
            self._rest.cancel()
        self.loop.remove_reader(self._sock.fileno())
        self._sock.close()
        self.handshakes.close()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: whoever was accepted stands among the server's connections."""

    def refusal_said(self) -> None:
        """One client fewer waits to be told that there is no place."""
        self._refused -= 1

    def arrived(self, turns: int = 0) -> None:
        """A connection fewer waits, after so many more turns of the event loop."""
        if turns:
            self.loop.call_soon(self.arrived, turns - 1)
        else:
            self._arriving -= 1

    def _listen(self) -> None:
        self._rest = None
        self.loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        """Who has come gets a place in the next turn: then it is known which connections have got a request in this
        one, so that none of those has to give way."""
        for _ in range(min(ACCEPTED_PER_TURN, MOST_ARRIVING - self._arriving)):
            try:
                sock, address = self._sock.accept()
            except OSError as error:
                if error.errno not in _NOBODY_THERE:
                    metrics.HTTP_REFUSED.labels("no_descriptor").inc()
                    self.loop.remove_reader(self._sock.fileno())
                    self._rest = self.loop.call_later(REST_S, self._listen)
                return
            sock.setblocking(False)
            self._arriving += 1
            self.loop.call_soon(self._admit, sock, address[0])

    def _admit(self, sock: socket.socket, host: str) -> None:
        if self.certificate is not None and self.certificate.loaded is None:
            self.arrived()
            _cut_off(sock, "no_certificate")
            return
        arrival = Arrival(self, sock)
        place = self._places.take(host, arrival.give_way)
        if isinstance(place, Place):
            arrival.enter(place)
        elif self.certificate is not None or self._refused >= MOST_REFUSED:  # before a handshake nothing can be said
            self.arrived()
            _cut_off(sock, place)
        else:
            self._refused += 1
            arrival.enter_refused(place)


def _cut_off(sock: socket.socket, reason: str) -> None:
    metrics.HTTP_REFUSED.labels(reason).inc()
    sock.close()


class Arrival:
    """An accepted connection until its protocol has it. It stands among a server's connections as uvicorn's protocols
    do: with `shutdown` and a transport that can be aborted."""

    def __init__(self, acceptor: Acceptor, sock: socket.socket) -> None:
        self._acceptor = acceptor
        self._sock = sock
        self._place: Place | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_begun = False
        """Whether the event loop has the socket, and closes it."""
        self._is_over = False

    # ---- the server's side

    @property
    def transport(self) -> Arrival:
        """What the server aborts."""
        return self

    def shutdown(self) -> None:
        """Called when the server stops."""
        self.abort()

    def abort(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
        elif not self._is_over:
            self._no_longer_silent()
            self._over()

    def give_way(self) -> None:
        """All places are taken, and this connection has been idle for longest."""
        metrics.HTTP_REFUSED.labels("gave_way").inc()
        self.abort()

    # ---- the acceptor's side

    def enter(self, place: Place) -> None:
        """It has a place. With TLS nothing is done before its client says something."""
        self._place = place
        self._acceptor.connections.add(self)
        if self._acceptor.certificate is None:
            place.busy()  # until it has its protocol: that it has asked for nothing is not its fault
            self._acceptor.turns.ask(place.party, self._connect)
        else:
            self._acceptor.arrived()
            loop = self._acceptor.loop
            self._timer = loop.call_later(self._acceptor.timeout_s, self._is_silent)
            loop.add_reader(self._sock, self._has_spoken)

    def enter_refused(self, why: NoPlace) -> None:
        """It has no place, which its protocol says."""
        self._acceptor.connections.add(self)
        self._acceptor.turns.ask(self._acceptor, lambda: self._connect_refused(why))

    # ---- TLS (`tls.Handshake`)

    @property
    def party(self) -> Hashable:
        """See `Place.party`."""
        return None if self._place is None else self._place.party

    def begin(self) -> None:
        """There is a place for its handshake."""
        self._acceptor.turns.ask(self.party, self._shake_hands)

    def _is_silent(self) -> None:
        metrics.HTTP_REFUSED.labels("tls_handshake_late").inc()
        self.abort()

    def _has_spoken(self) -> None:
        self._no_longer_silent()
        self._acceptor.handshakes.enter(self)

    def _no_longer_silent(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._acceptor.loop.remove_reader(self._sock)

    def _shake_hands(self) -> int:
        certificate = self._acceptor.certificate
        loaded = None if certificate is None else certificate.loaded
        if self._is_over:
            return 0
        if loaded is None:
            self.abort()
            return 0
        self._start(self._secure(loaded.context))
        return HANDSHAKE_WORK

    async def _secure(self, context: ssl.SSLContext) -> None:
        self._is_begun = True
        try:
            await self._acceptor.loop.connect_accepted_socket(
                self._protocol,
                self._sock,
                ssl=context,
                ssl_handshake_timeout=self._acceptor.timeout_s,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        except OSError as error:
            # Python's loop and uvloop raise this one type for all, and say so in these words.
            reason = "tls_handshake_late" if "taking longer than" in str(error) else "tls_handshake"
            metrics.HTTP_REFUSED.labels(reason).inc()
            self._leave()
        except asyncio.CancelledError:
            self._leave()
            raise

    # ---- without TLS

    def _connect(self) -> int:
        if self._is_over:
            self._acceptor.arrived()
            return 0
        self._start(self._hand_over(self._protocol)).add_done_callback(self._has_arrived)
        return CONNECTION_WORK

    def _connect_refused(self, why: NoPlace) -> int:
        self._acceptor.refusal_said()
        if self._is_over:
            self._acceptor.arrived()
            return 0
        self._start(self._hand_over(lambda: self._acceptor.protocol(why))).add_done_callback(self._has_arrived)
        return CONNECTION_WORK

    def _has_arrived(self, _: asyncio.Task[None]) -> None:
        """However the task ended, also one that was cancelled before it began."""
        self._acceptor.arrived(TURNS_TO_LOOK)

    async def _hand_over(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._is_begun = True
        try:
            await self._acceptor.loop.connect_accepted_socket(protocol, self._sock)
        except OSError:  # it is gone already
            self._leave()
        except asyncio.CancelledError:
            self._leave()
            raise

    # ---- inside

    def _protocol(self) -> asyncio.Protocol:
        assert self._place is not None
        return self._acceptor.protocol(self._place)

    def _start(self, work: Any) -> asyncio.Task[None]:
        self._task = task = self._acceptor.loop.create_task(work)
        task.add_done_callback(lambda _: self._over())
        return task

    def _leave(self) -> None:
        if self._place is not None:
            self._place.leave()

    def _over(self) -> None:
        self._is_over = True
        self._task = None
        if not self._is_begun:
            self._sock.close()
            self._leave()
        self._acceptor.connections.discard(self)
        if self._acceptor.certificate is not None:
            self._acceptor.handshakes.leave(self)
