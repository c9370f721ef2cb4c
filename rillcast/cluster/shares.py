"""Places that clients share, so that none of them keeps the others out. A client is whoever has one IPv4 address, or
one IPv6 /64; an empty name stands for somebody who shares nothing with anybody, and whose places each count alone.

`SharedPlaces` are for work that ends by itself and soon: a client may have as many as it leaves free. `HalfOpen` is for
those who were let in and have not arrived yet: when there is no room, whoever has most of them gives one up.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator
from enum import StrEnum
from typing import Generic, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")

FAIR_S = 2.0
"""How long somebody who has not arrived is left alone, as long as nobody has more than it: a handshake over a bad link
takes 1 s."""


class NoPlace(StrEnum):
    """Why somebody finds no place: labels of metrics."""

    FULL = "full"
    ADDRESS_FULL = "address_full"
    """Others could have one."""


class SharedPlaces:
    """A client may take one more as long as fewer are its own than are free. So one client alone has half of them at
    most, each of two a third, each of ten an eleventh: there is room left for the next one, who had none. What has a
    size takes as many as that."""

    def __init__(self, most: int) -> None:
        """`most`: taken at one time."""
        self._most = most
        self._taken = 0
        self._of: dict[str, int] = {}

    def __len__(self) -> int:
        """How many are taken."""
        return self._taken

    def take(self, client: str, size: int = 1) -> NoPlace | None:
        """Take a place, or say why there is none. Each one that was taken must be left, once."""
        free, own = self._most - self._taken, self._of.get(client, 0)
        if free < size:
            return NoPlace.ADDRESS_FULL if own else NoPlace.FULL
        if client and own + size - 1 >= free - (size - 1):  # as if it came in parts of 1
            return NoPlace.ADDRESS_FULL
        self._taken += size
        if client:
            self._of[client] = own + size
        return None

    def leave(self, client: str, size: int = 1) -> None:
        """What this client took at one time is free again."""
        self._taken -= size
        if client:
            self._of[client] -= size
            if not self._of[client]:
                del self._of[client]


class HalfOpen(Generic[Key]):
    """Who was let in, and has not arrived. `now` is monotonic seconds. Every method takes the same time however many
    there are, apart from `gives_way` where many have waited for long."""

    def __init__(self, fair_s: float = FAIR_S) -> None:
        """`fair_s`: how long somebody is left alone, as long as nobody has more than it."""
        self._fair_s = fair_s
        self._entries: dict[Key, tuple[Hashable, float]] = {}
        """Client, and since when. The oldest first."""
        self._of: dict[Hashable, dict[Key, None]] = {}
        """By client, the oldest first."""
        self._by_count: dict[int, dict[Hashable, None]] = {}
        """The clients that have so many."""
        self._most = 0
        """What the client has that has most."""

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def add(self, key: Key, client: str, now: float) -> None:
        """It was let in. `key` is new here."""
        owner: Hashable = client or (key,)
        self._entries[key] = owner, now
        self._of.setdefault(owner, {})[key] = None
        self._counted(owner, len(self._of[owner]) - 1)

    def drop(self, key: Key) -> bool:
        """It has arrived, or is gone. Whether it was here."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        owner, _ = entry
        own = self._of[owner]
        del own[key]
        self._counted(owner, len(own) + 1)
        if not own:
            del self._of[owner]
        return True

    def oldest(self) -> Key | None:
        """Who was let in first."""
        return next(iter(self._entries), None)

    def greediest(self) -> Key | None:
        """The oldest one of the client that has most."""
        if not self._most:
            return None
        return next(iter(self._of[next(iter(self._by_count[self._most]))]))

    def has_greedier(self, client: str) -> bool:
        """Whether some client has so many more than this one that it would not have fewer after an exchange."""
        return self._most >= len(self._of.get(client, ())) + 2

    def gives_way(self, client: str, now: float) -> Key | None:
        """Which one makes room for one more of this client; None when all may stay. It is one of the client that has
        most, if that would still not have fewer than this one; else whoever has not arrived for long, unless its client
        has fewer."""
        own = len(self._of.get(client, ()))
        if self.has_greedier(client):
            return self.greediest()
        for key, (owner, since) in self._entries.items():
            if now - since < self._fair_s:
                return None
            if len(self._of[owner]) >= own:
                return key
        return None

    def _counted(self, owner: Hashable, before: int) -> None:
        count = len(self._of[owner])
        if before:
            same = self._by_count[before]
            del same[owner]
            if not same:
                del self._by_count[before]
        if count:
            self._by_count.setdefault(count, {})[owner] = None
        if count > self._most or self._most not in self._by_count:
            self._most = count


def in_turns(came: Iterable[tuple[Item, str]]) -> Iterator[Item]:
    """What clients want that is done at a bounded rate: first the first of each client, then the second of each, and so
    on. So nobody who wants much keeps the others waiting. `came`: each with its client; it is read in this call, and
    the order is made while it is asked for."""
    firsts: list[Item] = []
    seen: set[str] = set()
    later: defaultdict[str, deque[Item]] = defaultdict(deque)
    for item, client in came:
        if client in seen:
            later[client].append(item)
        else:
            firsts.append(item)
            if client:
                seen.add(client)
    return _turns(firsts, deque(later.values()))


def _turns(firsts: list[Item], later: deque[deque[Item]]) -> Iterator[Item]:
    yield from firsts
    while later:
        own = later.popleft()
        yield own.popleft()
        if own:
            later.append(own)
