"""Whose password is looked at next, and whose not at all: hashes are made one at a time, and few may wait.

Whoever was let in before goes first: an operator who is signed in, or an address from which somebody signed in to the
same account. The others take turns by address, so that whoever sends many passwords waits behind whoever sends one.
Places are fair as well: an address has `SHARE` of them, and when all are taken, the address that has most of them gives
one up to an address that has fewer, and to those who go first.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from enum import Enum

PLACES = 16
"""Hashes that are being made or wait."""
SHARE = 4
"""Of those, how many one IPv4 address or IPv6 /64 may have that goes not first."""


class Refused(Enum):
    """Why somebody does not get a place, or loses it."""

    SHARE = "too many passwords from your address are being looked at"
    FULL = "too many are signing in at this moment"


class HashTicket:
    """One who has a place, until it is left."""

    __slots__ = ("address", "first", "has_turn")

    def __init__(self, address: str, *, first: bool) -> None:
        self.address = address
        self.first = first
        self.has_turn = False


class HashLine:
    """One per signaling instance. Decides only; who uses it tells each one of its turn."""

    def __init__(self, places: int = PLACES, share: int = SHARE) -> None:
        self._places = places
        self._share = share
        self._taken = 0
        self._first: deque[HashTicket] = deque()
        self._others: OrderedDict[str, deque[HashTicket]] = OrderedDict()
        """By address; the one whose turn is next first. None is empty."""
        self._of_address: dict[str, int] = {}
        """Places of those that do not go first, with the one whose turn it is."""
        self._current: HashTicket | None = None

    def __len__(self) -> int:
        """Places that are taken."""
        return self._taken

    def enter(self, address: str, *, first: bool) -> tuple[HashTicket | Refused, HashTicket | None]:
        """A place for somebody from `address` (counted as limits do), or why there is none; and who has just lost the
        place to it, if anybody has. `first`: it was let in before."""
        if not first and self._of_address.get(address, 0) >= self._share:
            return Refused.SHARE, None
        loser = None
        if self._taken >= self._places:
            loser = self._loser_to(0 if first else self._of_address.get(address, 0) + 1)
            if loser is None:
                return Refused.FULL, None
            self.leave(loser)
        waiting = HashTicket(address, first=first)
        self._taken += 1
        if first:
            self._first.append(waiting)
        else:
            self._of_address[address] = self._of_address.get(address, 0) + 1
            self._others.setdefault(address, deque()).append(waiting)
        return waiting, loser

    def next(self) -> HashTicket | None:
        """Whose turn begins now. None while somebody has it, and when nobody waits."""
        if self._current is not None:
            return None
        if self._first:
            waiting = self._first.popleft()
        elif self._others:
            address, queue = self._others.popitem(last=False)
            waiting = queue.popleft()
            if queue:
                self._others[address] = queue  # behind the other addresses
        else:
            return None
        waiting.has_turn = True
        self._current = waiting
        return waiting

    def leave(self, waiting: HashTicket) -> None:
        """It was looked at, or nobody waits for that any more. To be called once for each who got a place and has not
        lost it."""
        self._taken -= 1
        if waiting.has_turn:
            self._current = None
        elif waiting.first:
            self._first.remove(waiting)
        else:
            queue = self._others[waiting.address]
            queue.remove(waiting)
            if not queue:
                del self._others[waiting.address]
        if not waiting.first:
            self._of_address[waiting.address] -= 1
            if not self._of_address[waiting.address]:
                del self._of_address[waiting.address]

    def _loser_to(self, least: int) -> HashTicket | None:
        """The last to come of the address that has most places, if it has more than `least` and one that waits."""
        address = max(self._others, key=lambda one: self._of_address[one], default=None)
        if address is None or self._of_address[address] <= least:
            return None
        return self._others[address][-1]
