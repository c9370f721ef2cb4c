"""Which TLS handshakes of a listener are under way, and which wait.

A handshake is the dearest thing that a stranger can ask for: about a millisecond, and some 60 KB until it is over. So a
connection has none before its client has sent something, an address has few of them at one time, and all addresses
together have a limited number. The others wait for one that ends; addresses take turns. Whoever does not go on while
others wait is sent away.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from rillcast.runtime.http.certificate import ServerCertificate

SHUTDOWN_TIMEOUT_S = 2.0
"""For the other side's answer to our end of TLS."""
MOST_HANDSHAKES = 256
"""Under way at one time: 15 MB."""
MOST_OF_ADDRESS = 32
"""Of those, how many one IPv4 address, or one IPv6 /64, may have. What they do in the same moment, when their clients
wish it so, holds up all others."""
PATIENCE_S = 2.0
"""While others wait for it, a handshake may take so long."""
LOOK_S = 0.5
"""How often it is looked for those."""


@dataclass(frozen=True)
class TlsListener:
    """A second socket of a server, on which TLS is spoken."""

    sock: socket.socket
    certificate: ServerCertificate


class Handshake(Protocol):
    """A connection whose client has begun one."""

    @property
    def party(self) -> Hashable:
        """Whose share it counts for (`Place.party`)."""
        ...

    def begin(self) -> None:
        """It has its place."""
        ...

    def abort(self) -> None:
        """It takes too long. `Handshakes.over` is called for it later."""
        ...


class Handshakes:
    """Gives the places of one listener to those that have begun a handshake."""

    def __init__(
        self, clock: Callable[[], float], most: int = MOST_HANDSHAKES, most_of_party: int = MOST_OF_ADDRESS
    ) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._most = most
        self._most_of_party = most_of_party
        self._begun_s: OrderedDict[Handshake, float] = OrderedDict()
        """Those under way, the oldest first."""
        self._of_party: dict[Hashable, int] = {}
        self._waiting: OrderedDict[Hashable, deque[Handshake]] = OrderedDict()
        """By party, the one whose turn is next first. None is empty."""
        self._look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._begun_s)

    def enter(self, handshake: Handshake) -> None:
        """A client has begun one, which is begun here when there is a place. `leave` is to be called at its end."""
        self._waiting.setdefault(handshake.party, deque()).append(handshake)
        self._begin()
        if self._waiting and self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK_S, self._look_for_slow)

    def leave(self, handshake: Handshake) -> None:
        """It is over, or its connection is gone. Harmless for one that is not here."""
        if self._begun_s.pop(handshake, None) is not None:
            self._of_party[handshake.party] -= 1
            if not self._of_party[handshake.party]:
                del self._of_party[handshake.party]
            self._begin()
        elif handshake in (queue := self._waiting.get(handshake.party, ())):
            assert isinstance(queue, deque)
            queue.remove(handshake)
            if not queue:
                del self._waiting[handshake.party]

    def close(self) -> None:
        """The listener is closed: nobody is looked for any more."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def slow(self) -> list[Handshake]:
        """The handshakes that others have waited too long for, the oldest first. There are never more of them than
        clients that wait: for each of these one of its own party or, if all places are taken, of any."""
        late_s, found = self._clock() - PATIENCE_S, list[Handshake]()
        is_full = len(self._begun_s) >= self._most
        wanted = Counter[Hashable]()
        for party, queue in self._waiting.items():
            wanted[None if is_full else party] += len(queue)
        for handshake, begun_s in self._begun_s.items():
            party = None if is_full else handshake.party
            if begun_s <= late_s and wanted[party] > 0:
                wanted[party] -= 1
                found.append(handshake)
        return found

    def _begin(self) -> None:
        for party in list(self._waiting):
            if len(self._begun_s) >= self._most:
                return
            self._begin_of(party)

    def _begin_of(self, party: Hashable) -> None:
        """One of a party, which is then behind the others."""
        if self._of_party.get(party, 0) >= self._most_of_party:
            return
        queue = self._waiting.pop(party)
        handshake = queue.popleft()
        if queue:
            self._waiting[party] = queue
        self._begun_s[handshake] = self._clock()
        self._of_party[party] = self._of_party.get(party, 0) + 1
        handshake.begin()

    def _look_for_slow(self) -> None:
        self._look = None
        for handshake in self.slow():
            handshake.abort()
        if self._waiting:
            self._look = asyncio.get_running_loop().call_later(LOOK_S, self._look_for_slow)
