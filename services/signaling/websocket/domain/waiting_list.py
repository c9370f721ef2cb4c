"""Viewers waiting for streams that are not live yet, and when to tell each that its stream is.

Thousands may wait for one stream; told at the same moment they would all join in the same moment. So they are told
one after the other in the order in which they came, at a bounded rate, the addresses taking turns.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from rillcast.cluster.shares import NoPlace, SharedPlaces, in_turns


class Told(NamedTuple):
    """Whom to tell, and how long after the stream went live."""

    delay_s: float
    waiter: int


class WaitingList:
    """Of one signaling instance. A waiter is the number of a socket; a stream is its `stream_key`."""

    def __init__(self, *, most: int, rate_per_s: float, longest_s: float, rng: random.Random) -> None:
        """`most`: entries in all. `rate_per_s`: how many are told per second, unless that takes over `longest_s`."""
        self._places = SharedPlaces(most)
        self._rate_per_s = rate_per_s
        self._longest_s = longest_s
        self._rng = rng
        self._waiters: dict[str, dict[int, str]] = {}
        """By stream, in the order in which they came, with whose share each takes."""

    @property
    def size(self) -> int:
        """How many places are taken: one for each stream of each socket."""
        return len(self._places)

    def add(self, key: str, waiter: int, client: str = "") -> NoPlace | None:
        """Why there is no place; the client then keeps asking by itself. `client`: see `Client.counted_as`."""
        waiters = self._waiters.get(key, {})
        if waiter in waiters:
            return None
        if refused := self._places.take(client):
            return refused
        self._waiters.setdefault(key, waiters)[waiter] = client
        return None

    def remove(self, key: str, waiter: int) -> bool:
        """The waiter plays, stopped or left. Returns whether it was waiting."""
        waiters = self._waiters.get(key)
        if waiters is None or waiter not in waiters:
            return False
        self._places.leave(waiters.pop(waiter))
        if not waiters:
            del self._waiters[key]
        return True

    def anybody(self, key: str) -> bool:
        """Whether somebody waits for this stream."""
        return key in self._waiters

    def schedule(self, key: str) -> Iterator[Told]:
        """The stream is live: whom to tell when, soonest first. They stay on the list until `remove`. A hundred
        thousand may wait, so each is worked out when it is asked for. Addresses take turns."""
        waiters = self._waiters.get(key, {})
        span_s = min(self._longest_s, len(waiters) / self._rate_per_s)
        step_s = span_s / max(1, len(waiters))
        return (Told((n + self._rng.random()) * step_s, waiter) for n, waiter in enumerate(in_turns(waiters.items())))
