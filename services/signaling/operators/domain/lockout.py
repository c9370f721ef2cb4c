"""Who may not try another password for a while.

Three counts are kept. One is of an account from an address, so that guessing locks only the guesser out. One is of an
address over all accounts. One is of an account over all addresses, so that many addresses together do not get more
tries; it does not concern addresses from which somebody has signed in to that account before, nor this machine itself.
So strangers elsewhere, however many, cannot lock the owner out there.

A try is counted when it begins, since others may begin before its end. Addresses of IPv6 count by their /64.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable

import msgspec

from rillcast.contracts.words import TryStep

LOCK_S = 300.0
"""As long as Ant Media's."""
TRIES = 3
"""Of one account from one address."""
TRIES_OF_ADDRESS = 30
TRIES_OF_ACCOUNT = 30
MOST = 20_000
"""Counts that are kept; the oldest are forgotten."""
_LOOPBACK_IPV6 = "::/64"
"""What ::1 counts as."""


class _Tries(msgspec.Struct):
    count: int
    last_s: float


class _Counts:
    """Of one kind. A count is forgotten `LOCK_S` after the last try that came to an answer."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tries: OrderedDict[Hashable, _Tries] = OrderedDict()

    def reached(self, key: Hashable, limit: int, now_s: float) -> bool:
        tries = self._tries.get(key)
        if tries is not None and now_s - tries.last_s >= LOCK_S:
            del self._tries[key]
            return False
        return tries is not None and tries.count >= limit

    def add(self, key: Hashable, now_s: float) -> None:
        tries = self._tries.setdefault(key, _Tries(0, now_s))
        tries.count += 1
        self._tries.move_to_end(key)
        if len(self._tries) > self._most:
            self._tries.popitem(last=False)

    def last(self, key: Hashable, now_s: float) -> None:
        tries = self._tries.get(key)
        if tries is None:  # forgotten meanwhile, which this try is not
            self.add(key, now_s)
        else:
            tries.last_s = now_s

    def take_back(self, key: Hashable) -> None:
        tries = self._tries.get(key)
        if tries is not None:
            tries.count -= 1
            if tries.count <= 0:
                del self._tries[key]

    def forget(self, key: Hashable) -> None:
        self._tries.pop(key, None)

    def __len__(self) -> int:
        return len(self._tries)


class Lockout:
    """One per signaling instance. It counts what is tried there, and what the other instances tell of; while the bus is
    down, each counts for itself. `account`: its key, so that no table holds what somebody has typed."""

    def __init__(self, most: int = MOST) -> None:
        self._pairs, self._addresses, self._accounts = _Counts(most), _Counts(most), _Counts(most)

    def __len__(self) -> int:
        return len(self._pairs) + len(self._addresses) + len(self._accounts)

    def locked(self, account: str, address: str, now_s: float) -> bool:
        """Whether this address may not try this account now."""
        return self._pairs.reached((account, address), TRIES, now_s) or self._addresses.reached(
            address, TRIES_OF_ADDRESS, now_s
        )

    def crowded(self, account: str, now_s: float) -> bool:
        """Whether so many have tried this account that only addresses may that have signed in to it before."""
        return self._accounts.reached(account, TRIES_OF_ACCOUNT, now_s)

    def begin(self, account: str, address: str, now_s: float) -> None:
        """A password is about to be looked at."""
        self._pairs.add((account, address), now_s)
        self._addresses.add(address, now_s)
        self._accounts.add(account, now_s)

    def step(self, account: str, address: str, step: TryStep, now_s: float) -> None:
        """What becomes of a try, here or at another instance."""
        match step:
            case TryStep.BEGUN:
                self.begin(account, address, now_s)
            case TryStep.WRONG:
                self.wrong(account, address, now_s)
            case TryStep.RIGHT:
                self.right(account, address)
            case TryStep.UNDONE:
                self.undone(account, address)

    def wrong(self, account: str, address: str, now_s: float) -> None:
        """It was the wrong one: what it counts towards lasts from now."""
        self._pairs.last((account, address), now_s)
        self._addresses.last(address, now_s)
        self._accounts.last(account, now_s)

    def right(self, account: str, address: str) -> None:
        """It was the right one: this try does not count, and former ones of the pair are forgiven."""
        self._pairs.forget((account, address))
        self.undone(account, address)

    def undone(self, account: str, address: str) -> None:
        """It came to no answer, so it does not count, and makes no lock longer."""
        self._pairs.take_back((account, address))
        self._addresses.take_back(address)
        self._accounts.take_back(account)


def is_this_machine(counted: str) -> bool:
    """Whether an address, as `counted_as` gives it, is of the loopback network."""
    try:
        return ipaddress.ip_network(counted).is_loopback or counted == _LOOPBACK_IPV6
    except ValueError:
        return False
