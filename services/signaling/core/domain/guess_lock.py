"""Shuts out who guesses codes: after some wrong ones for a while, and each time for longer."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable

import msgspec

FORGET_S = 86_400.0
"""Who has not guessed wrong for so long begins anew."""


class _Guesser(msgspec.Struct):
    wrong: int = 0
    locks: int = 0
    locked_until_s: float = 0.0
    last_s: float = 0.0


class GuessLock:
    """Counts wrong guesses per key, of `most` keys; of more, those that guessed wrong longest ago are forgotten."""

    def __init__(self, *, tries: int, first_s: float, longest_s: float, most: int) -> None:
        """`tries`: wrong guesses until a lock. `first_s`: of the first lock; each further one is twice as long, up to
        `longest_s`."""
        self._tries = tries
        self._first_s = first_s
        self._longest_s = longest_s
        self._most = most
        self._guessers: OrderedDict[Hashable, _Guesser] = OrderedDict()

    def __len__(self) -> int:
        return len(self._guessers)

    def locked_for_s(self, key: Hashable, now_s: float) -> float:
        """How long a guess of this key is not even looked at; 0.0 = it is. `now_s`: monotonic seconds."""
        guesser = self._guessers.get(key)
        return max(0.0, guesser.locked_until_s - now_s) if guesser is not None else 0.0

    def wrong(self, key: Hashable, now_s: float) -> None:
        """A guess was wrong."""
        guesser = self._guessers.pop(key, None)
        if guesser is None or now_s - guesser.last_s > FORGET_S:
            guesser = _Guesser()
        guesser.wrong, guesser.last_s = guesser.wrong + 1, now_s
        if guesser.wrong >= self._tries:
            lock_s = min(self._longest_s, self._first_s * 2.0 ** min(guesser.locks, 32))
            guesser.wrong, guesser.locks, guesser.locked_until_s = 0, guesser.locks + 1, now_s + lock_s
        self._guessers[key] = guesser
        if len(self._guessers) > self._most:
            self._guessers.popitem(last=False)

    def right(self, key: Hashable) -> None:
        """A guess was right: the key starts anew."""
        self._guessers.pop(key, None)


def address_block(address: str) -> str:
    """All addresses of one client: an IPv4 address, or the /64 of an IPv6 address (RFC 6177). Other text as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
