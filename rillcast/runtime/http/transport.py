"""A TCP transport that a silent peer cannot hold: after `close` it is gone within a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rillcast.runtime.http.places import Place

CHECK_S = 5.0
"""How often a closing transport is looked at."""
SLOWEST_BYTES = 16 * 1024
"""What a peer has to read between two looks; who reads less is cut off."""


class BoundedTransport:
    """Stands in for the transport of one connection. What is not changed here goes to the real one.

    `asyncio.Transport.close` waits for the peer to read what is left, without a limit. And uvloop raises `RuntimeError`
    when a closed transport is written to or paused, which uvicorn does when a client leaves early. It also reads up to
    32 times from one connection before it looks at another one; `rest` ends that.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, place: Place | None = None
    ) -> None:
        """`place`: the one that the connection has at its listener, if there is a listener."""
        self.place = place
        self.resumed: Callable[[], None] = _nothing
        """Called when the protocol wants to be given more."""
        self.is_paused = False
        """By the protocol: it wants to be given nothing."""
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._resting = False
        """Enough is here that was not parsed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, or do nothing if the connection is closing."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Do nothing if the connection is closing."""
        self.is_paused = True
        if not self._resting and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Do nothing if the connection is closing."""
        self.is_paused = False
        self.resumed()
        if not self._resting and not self._transport.is_closing():
            self._transport.resume_reading()

    def rest(self) -> None:
        """Read nothing until `wake`, whatever the protocol wants. Do nothing if the connection is closing."""
        if not self._resting and not self._transport.is_closing():
            self._resting = True
            if not self.is_paused:
                self._transport.pause_reading()

    def wake(self) -> None:
        """Read on, unless the protocol has paused. Do nothing if the connection is closing."""
        if self._resting and not self._transport.is_closing():
            self._resting = False
            if not self.is_paused:
                self._transport.resume_reading()

    def close(self) -> None:
        """Close once the peer has read what is left, or at the latest when it stops reading. Do nothing if the
        connection is closing: one with TLS may have no buffer any more."""
        if not self._transport.is_closing():
            self._transport.close()
            self.expect_reading()

    def expect_reading(self) -> None:
        """From now on until the buffer is empty the peer has to read, or it is cut off."""
        if self._timer is None:
            self._look_again(self._transport.get_write_buffer_size())

    def _look_again(self, left: int) -> None:
        self._timer = self._loop.call_later(CHECK_S, self._look, left) if left else None

    def _look(self, before: int) -> None:
        left = self._transport.get_write_buffer_size()
        if left > max(0, before - SLOWEST_BYTES):
            self._timer = None
            self._transport.abort()
        else:
            self._look_again(left)


def _nothing() -> None:
    """Where nobody wants to know."""
