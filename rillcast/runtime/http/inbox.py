"""What a connection has received and its protocol has not parsed yet."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from rillcast.runtime.http.turns import Turns

if TYPE_CHECKING:
    from rillcast.runtime.http.transport import BoundedTransport

Parse = Callable[[bytearray], int]
"""Takes a small part from the front of what was received, and returns how much work that was. What it leaves waits: for
the next turn, or for more to come if it took nothing."""

ENOUGH_BYTES = 16 * 1024
"""While more than this waits, nothing is read. A single read may bring some 256 KiB."""


class Inbox:
    """Of one connection. Its bytes are parsed when it has its turn (`Turns`), while the protocol wants more."""

    __slots__ = ("_asked", "_parse", "_party", "_transport", "_turns", "_waiting")

    def __init__(self, transport: BoundedTransport, turns: Turns, party: Hashable, parse: Parse) -> None:
        self._transport = transport
        self._turns = turns
        self._party = party
        self._parse = parse
        self._waiting = bytearray()
        self._asked = False
        transport.resumed = self.go_on

    def __len__(self) -> int:
        """Bytes that wait."""
        return len(self._waiting)

    def add(self, data: bytes) -> None:
        """These bytes have come."""
        self._waiting += data
        if len(self._waiting) > ENOUGH_BYTES:
            self._transport.rest()
        self.go_on()

    def go_on(self) -> None:
        """Parse what waits, as soon as it is this connection's turn, unless the protocol has paused."""
        if self._waiting and not self._asked and not self._transport.is_paused:
            self._asked = True
            self._turns.ask(self._party, self._some)

    def clear(self) -> None:
        """Nothing of what waits is to be parsed."""
        self._waiting.clear()

    def close(self) -> None:
        """Nothing is parsed any more. The protocol is let go, so that it is freed without the garbage collector."""
        self.clear()
        self._parse = _none
        self._transport.resumed = _nothing

    def _some(self) -> int:
        self._asked = False
        if not self._waiting or self._transport.is_paused:
            return 0
        before = len(self._waiting)
        work = self._parse(self._waiting)
        if len(self._waiting) <= ENOUGH_BYTES:
            self._transport.wake()
        if len(self._waiting) < before:
            self.go_on()
        return work


def _none(received: bytearray) -> int:
    """Of a connection that has ended."""
    received.clear()
    return 0


def _nothing() -> None:
    """Nobody wants to know."""
